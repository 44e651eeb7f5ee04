"""What the app costs, in figures: each beside what it is compared with, and its target.

``python -m benchmarks`` measures all of them; see ``docs/performance.md``.
"""
