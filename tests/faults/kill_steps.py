"""A process whose children die at a chosen step of a delivery; run by test_kill.py.

It reads lines ``MODEL STEP``. For each it forks a child that drains until that step of a delivery
of that model, where SIGKILL ends it, and says by which signal the child ended (0: none).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django

ENDPOINTS = {
    "Company": "POST /companies/batch",
    "Contact": "POST /contacts/batch",
    "SubscriptionChange": "POST /contacts/batch-subscription",
    "Deletion": "DELETE /contacts/by-email",
    "Engagement": "POST /contacts/engagements",
}


def die() -> None:
    """As the kernel's out-of-memory killer does it."""
    os.kill(os.getpid(), signal.SIGKILL)


def around(owner: Any, name: str, before: bool, applies: Callable[..., bool]) -> None:
    """Die before or after a function is called, where that applies to its call."""
    real = getattr(owner, name)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if before and applies(None, *args):
            die()
        result = real(*args, **kwargs)
        if not before and applies(result, *args):
            die()
        return result

    setattr(owner, name, wrapper)


def arrange(model: str, step: str) -> None:
    """Have this process die at a step."""
    from conversion_sync.api import Client
    from conversion_sync.sync import run
    from conversion_sync.sync.kinds import base
    from conversion_sync.sync.settle.writing import Settling

    def to_endpoint(result: Any, client: Client, request: Any) -> bool:
        return bool(request.endpoint == ENDPOINTS[model])

    def claimed(claim: Any, *args: Any) -> bool:
        return bool(claim.rows) and claim.model.__name__ == model

    def of_model(result: Any, claim: Any, *args: Any) -> bool:
        return bool(claim.model.__name__ == model)

    def writing(result: Any, settling: Any, *args: Any) -> bool:
        return bool(settling.claim.model.__name__ == model)

    if step == "claimed":
        around(base, "claim_rows", False, claimed)
    elif step == "before-call":
        around(Client, "make", True, to_endpoint)
    elif step == "after-call":
        around(Client, "make", False, to_endpoint)
    elif step == "before-settling":
        around(run, "settle", True, of_model)
    elif step == "before-commit":
        around(Settling, "write", False, writing)
    elif step == "settled":
        around(run, "settle", False, of_model)
    else:
        raise ValueError(step)


def child(model: str, step: str) -> int:
    """Drain in a child. Returns the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            from conversion_sync.sync.drain import drain

            arrange(model, step)
            drain(5.0)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


if __name__ == "__main__":
    django.setup()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(f"{child(*line.split())}\n")
        sys.stdout.flush()
