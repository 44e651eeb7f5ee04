"""A process that sends for a while, as one of several; run by test_rate.py.

It says that it is ready, waits for a line, sends for so many seconds, and says how many calls it
has made, and when the first byte of each was sent, by the clock that all processes have.
"""

from __future__ import annotations

import json
import sys
import time

import django


def drains(seconds: float) -> int:
    """Send as a worker of a queue does."""
    from conversion_sync.sync.drain import drain

    end, calls = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        calls += drain(min(left, 5.0)).calls
    return calls


def takes(seconds: float) -> int:
    """Take slots one by one, and call in each of them."""
    from conversion_sync.api import NotFound
    from conversion_sync.sync.gate import Gate, Refusal
    from conversion_sync.sync.remote import client

    end, calls, gate = time.monotonic() + seconds, 0, Gate()
    while (left := end - time.monotonic()) > 0:
        slots = gate.take(within=left)
        if isinstance(slots, Refusal):
            break
        slots.wait()
        if slots.is_late():
            continue
        try:
            client().get_contact("nobody@x.example")
        except NotFound:
            calls += 1
    return calls


def note_first_bytes() -> list[float]:
    """Have it noted when the first byte of each call is about to be sent."""
    from conversion_sync.api.calls import Call, Phase

    moments, real = list[float](), Call.enter

    def enter(self: Call, phase: Phase) -> None:
        is_first = phase is Phase.SENDING and self.phase is not Phase.SENDING
        real(self, phase)
        if is_first:
            moments.append(time.monotonic())

    Call.enter = enter  # type: ignore[method-assign]  # in this process alone
    return moments


if __name__ == "__main__":
    django.setup()
    begun = note_first_bytes()
    how, duration = {"drains": drains, "takes": takes}[sys.argv[1]], float(sys.argv[2])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps([how(duration), begun]) + "\n")
