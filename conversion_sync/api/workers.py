"""Daemon threads that are used again, and end when idle. One that hangs is just not reused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

__all__ = ["Work", "Workers"]

#: Seconds after which a thread that has nothing to do ends; how many may wait so.
IDLE = 10.0
MAX_IDLE = 32


class Work:
    """Something to run, and the event that says that it has ended."""

    def __init__(self, run: Callable[[], None], done: threading.Event) -> None:
        self.run, self.done = run, done


class Workers:
    """The threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_closed = False
        self.idle: list[SimpleQueue[Work | None]] = []

    def submit(self, work: Work) -> None:
        """Run the work in a thread that is idle, or in a new one.

        Raises:
            RuntimeError: the system gives no further thread; the work is not run.
        """
        with self._lock:
            inbox = self.idle.pop() if self.idle else None
        if inbox is None:
            inbox = SimpleQueue()
            threading.Thread(
                target=self._work, args=(inbox,), name="conversion-api", daemon=True
            ).start()
        inbox.put(work)

    def close(self) -> None:
        """End the threads: those that are idle now, the others when their work has ended."""
        with self._lock:
            self._is_closed = True
            idle, self.idle = self.idle, []
        for inbox in idle:
            inbox.put(None)

    def _work(self, inbox: SimpleQueue[Work | None]) -> None:
        while True:
            try:
                work = inbox.get(timeout=IDLE)
            except Empty:
                with self._lock:
                    if inbox not in self.idle:
                        continue  # taken at this moment: work is on its way
                    self.idle.remove(inbox)
                    return
            if work is None:
                return
            done = work.done
            work.run()
            del work
            # Idle before done, so that the caller's next call finds this thread.
            with self._lock:
                reused = not self._is_closed and len(self.idle) < MAX_IDLE
                if reused:
                    self.idle.append(inbox)
            done.set()
            if not reused:
                return
