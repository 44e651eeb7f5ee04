"""Where the processor time of a drain goes, with the limit lifted.

[DATABASE_URL=…] DJANGO_SETTINGS_MODULE=benchmarks.settings python -m benchmarks.profiled [4000]
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time

from benchmarks.databases import database_of_our_own


def main() -> None:
    """Drain so many contacts, and print what took most of the time."""
    import django

    django.setup()
    from benchmarks import rows
    from benchmarks.server import StandIn, sending
    from benchmarks.work import drain_all

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    with database_of_our_own(), StandIn() as server, sending(server.url):
        for warm in (True, False):
            rows.due_contacts(count)
            profiler = cProfile.Profile(time.process_time)
            profiler.runcall(drain_all)
            if not warm:
                pstats.Stats(profiler).sort_stats("cumulative").print_stats(60)


if __name__ == "__main__":
    main()
