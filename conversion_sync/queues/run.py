"""What the workers of every queue run."""

from __future__ import annotations

import threading

from django.db import router

from conversion_sync.models.wakeup import Wakeup
from conversion_sync.queues.later import come_back
from conversion_sync.queues.wake import wake
from conversion_sync.sync.drain import drain
from conversion_sync.sync.prune import prune_now_and_then

__all__ = ["run_drain"]


class _Thread(threading.local):
    """What a thread is at.

    Attributes:
        drains: it runs a drain.
        is_asked: that drain was asked to go on: the queue runs its tasks where they are queued.
    """

    drains = is_asked = False


_thread = _Thread()


def run_drain(*, lives_on: bool = True) -> None:
    """Drain, and ask for another drain where there is more to send, now or soon.

    Another worker, if there is one, begins with it while the last answers are still awaited: this
    one keeps within the time that its queue gives a task.

    Args:
        lives_on: False: this process ends with its task, so that nothing can be planned in it.
    """
    if _thread.drains:
        _thread.is_asked = True
        return
    using = router.db_for_write(Wakeup)

    def ask_ahead() -> bool:
        _thread.is_asked = False
        wake(using)
        return _thread.is_asked

    prune_now_and_then(using)
    _thread.drains = True
    try:
        report = drain(using=using, before_end=ask_ahead)
    finally:
        _thread.drains = False
    if report.go_on:
        wake(using)
    elif lives_on:
        come_back(using)
