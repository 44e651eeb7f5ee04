"""A worker that is stopped between a claim of one model and its call; run by test_sleeper.py.

It stops itself, as SIGSTOP or a suspended machine would, and goes on when it is continued.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection

import django


def main(model: str) -> int:
    """Drain once. Returns the number of calls."""
    from conversion_sync.sync.claim import Claim
    from conversion_sync.sync.drain import drain

    real = Claim.out_of_time

    def stop(claim: Claim, pks: Collection[int]) -> set[int]:
        if claim.model.__name__ == model:
            Claim.out_of_time = real  # type: ignore[method-assign]  # once
            os.kill(os.getpid(), signal.SIGSTOP)
        return real(claim, pks)

    Claim.out_of_time = stop  # type: ignore[assignment,method-assign]  # in this process alone
    return drain(5.0).calls


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(f"{main(sys.argv[1])}\n")
