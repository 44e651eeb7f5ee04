"""A function in a process of its own, as a worker is one: with its own memory and processor time.

It begins when it is told to, so that several begin together.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from benchmarks.process import Process

__all__ = ["Apart", "Done", "done_apart"]

PATIENCE = 30 * 60
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Done:
    """What a function did in its process.

    Attributes:
        result: what it returned.
        seconds: how long it took.
        processor: seconds of processor time, of the process and of its database connection; None
            where nobody can tell what the database took.
        grown: megabytes that the process held at most above what it held at the start.
    """

    result: Any
    seconds: float
    processor: float | None
    grown: float


class Apart(Process):
    """A process that will call a function of ours.

    Args:
        function: ``module:name``; it takes and returns what JSON can say.
    """

    def __init__(self, function: str, *args: Any) -> None:
        super().__init__("benchmarks.apart", function, json.dumps(args))

    def __enter__(self) -> Self:
        """Wait until it is ready."""
        if self.hear() != "ready":
            raise RuntimeError("The process did not start.")
        return self

    def go(self) -> None:
        """Have the function called."""
        self.tell("go")

    def done(self) -> Done:
        """Wait for the end of it.

        Raises:
            RuntimeError: it failed; what it said is on stderr.
        """
        said, _ = self._process.communicate(timeout=PATIENCE)
        if self._process.returncode:
            raise RuntimeError(f"The process ended with status {self._process.returncode}.")
        return Done(**json.loads(said))


def done_apart(function: str, *args: Any) -> Done:
    """Call a function in a process of its own, and wait for its end."""
    with Apart(function, *args) as process:
        process.go()
        return process.done()


def main() -> None:
    """Call the function that the command line names, when told to."""
    import django

    django.setup()
    from django.db import connection

    module, _, name = sys.argv[1].partition(":")
    function = getattr(import_module(module), name)
    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    began, worked, stored = time.monotonic(), time.process_time(), _of_the_database()
    with _Memory() as memory:
        result = function(*json.loads(sys.argv[2]))
    stored_after = _of_the_database()
    processor = None
    if stored is not None and stored_after is not None:
        processor = time.process_time() - worked + stored_after - stored
    done = Done(result, time.monotonic() - began, processor, memory.grown)
    print(json.dumps(vars(done)))


class _Memory:
    """Looks at the memory of this process, twenty times a second."""

    def __enter__(self) -> Self:
        self._first = self._most = _resident()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._end.wait(0.05):
            self._most = max(self._most, _resident())

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()
        self._most = max(self._most, _resident())

    @property
    def grown(self) -> float:
        return (self._most - self._first) / MEGABYTE


def _resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _of_the_database() -> float | None:
    """Seconds of processor time that our connection took at the server, as Linux counts them."""
    from django.db import connection

    if connection.vendor == "sqlite":
        return 0.0
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_backend_pid()")
        else:
            cursor.execute(
                "SELECT TID FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()"
            )
        task = cursor.fetchone()[0]
    try:
        status = Path(f"/proc/{task}/status").read_text()
        process = next(line.split()[1] for line in status.splitlines() if line[:5] == "Tgid:")
        said = Path(f"/proc/{process}/task/{task}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
