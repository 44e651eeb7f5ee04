"""Programs that run together and end together, whatever ends the one that started them.

``Together`` starts a keeper, in a session of its own so that Ctrl-C in the terminal does not reach
it. The keeper starts the programs and waits on a pipe from its parent. The pipe closes when the
parent wants an end, and as well when the parent dies. The keeper then stops one program after the
other: SIGTERM to its main process alone (django-q2 deadlocks if its workers get it too), and after
a while SIGKILL to what is left of its process group.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

__all__ = ["HOST", "Ended", "Program", "Together", "free_port", "stop"]

HOST = "127.0.0.1"
POLL_SECONDS = 0.2
START_SECONDS = 30


@dataclass(frozen=True)
class Program:
    """What to start: a name for people, a command, and where its output goes."""

    name: str
    command: Sequence[str]
    log: str
    grace: float = 5
    """Seconds from SIGTERM to SIGKILL."""


class Ended(Exception):
    """A program ended by itself; the others were stopped."""


class Together:
    """A context in which programs run. They are stopped in the order given."""

    def __init__(self, programs: Sequence[Program], env: Mapping[str, str]) -> None:
        self.programs = programs
        self.env = env

    def __enter__(self) -> Self:
        programs = json.dumps([asdict(program) for program in self.programs])
        self.keeper = subprocess.Popen(
            [sys.executable, "-m", "project.processes", programs],
            env=dict(self.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        return self

    def check(self) -> None:
        """See that all of them run.

        Raises:
            Ended: one does not.
        """
        if self.keeper.poll() is not None:
            said, _ = self.keeper.communicate()
            raise Ended(said.strip() or "The keeper of the programs ended.")

    def wait_for(self, port: int) -> None:
        """Wait until one of them listens there.

        Raises:
            Ended: one does not run.
            OSError: nobody listens.
        """
        until = time.monotonic() + START_SECONDS
        while True:
            self.check()
            try:
                socket.create_connection((HOST, port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def __exit__(self, *exception: object) -> None:
        self.keeper.communicate()  # closes the pipe, and waits


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def keep(programs: Sequence[Program]) -> str:
    """Run the programs until stdin closes or one of them ends; return which one did, and how."""
    running: list[tuple[Program, subprocess.Popen[bytes]]] = []
    try:
        for program in programs:
            with Path(program.log).open("wb") as log:
                process = subprocess.Popen(
                    program.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            running.append((program, process))
        while True:
            for program, process in running:
                if process.poll() is not None:
                    return f"The {program.name} ended ({process.returncode}): see {program.log}"
            if select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
                return ""
    finally:
        for program, process in running:
            stop(process, program.grace)


def stop(process: subprocess.Popen[bytes], grace: float) -> None:
    """End a process that leads a group, and what it left behind."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> None:
    """Keep the programs on the command line until stdin closes."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    programs = [Program(**program) for program in json.loads(sys.argv[1])]
    if ended := keep(programs):
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(ended + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
