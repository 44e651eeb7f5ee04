"""Running deliveries side by side: their slots, their calls in threads, and their answers.

All work on the database is done in the thread that runs the loop; the others only make calls.
"""

from __future__ import annotations

from conversion_sync.sync.loop.alone import perform
from conversion_sync.sync.loop.call import TICK
from conversion_sync.sync.loop.loop import Loop
from conversion_sync.sync.loop.running import Running

__all__ = ["TICK", "Loop", "Running", "perform"]
