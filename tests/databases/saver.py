"""A process of a site that saves, with a queue of its own; run by test_redis.py.

It saves so many contacts one by one, and says how many seconds each save took at most.
"""

from __future__ import annotations

import sys
import time

import django


def save(count: int) -> float:
    """Returns the longest of the saves, in seconds."""
    from conversion_sync.models import Contact

    longest = 0.0
    for number in range(count):
        began = time.monotonic()
        Contact.objects.create(email=f"c{number}@x.example", first_name="Ada")
        longest = max(longest, time.monotonic() - began)
    return longest


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(f"{save(int(sys.argv[1])):.3f}\n")
