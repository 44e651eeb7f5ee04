"""What the workers of every queue run."""

from __future__ import annotations

from django.db import router

from conversion_sync.models.wakeup import Wakeup
from conversion_sync.queues.later import come_back
from conversion_sync.queues.wake import wake
from conversion_sync.sync.drain import drain
from conversion_sync.sync.prune import prune_now_and_then

__all__ = ["run_drain"]


def run_drain(*, lives_on: bool = True) -> None:
    """Drain, and ask for another drain where there is more to send, now or soon.

    Args:
        lives_on: False: this process ends with its task, so that nothing can be planned in it.
    """
    using = router.db_for_write(Wakeup)
    prune_now_and_then(using)
    if drain(using=using).go_on:
        wake(using)
    elif lives_on:
        come_back(using)
