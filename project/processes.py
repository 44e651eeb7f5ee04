"""Programs that run together and end together, whatever ends the one that started them.

``Together`` starts a keeper, in a session of its own so that Ctrl-C in the terminal does not reach
it. The keeper starts the programs and waits on a pipe from its parent. The pipe closes when the
parent wants an end, and as well when the parent dies. The keeper then stops one program after the
other: SIGTERM to its main process alone (django-q2 deadlocks if its workers get it too), and after
a while, or at once where the keeper gets SIGINT, SIGKILL to what is left of its process group.
Where the keeper itself is killed, Linux sends the programs SIGTERM.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

__all__ = ["HOST", "Ended", "Program", "Together", "free_port", "stop"]

HOST = "127.0.0.1"
POLL_SECONDS = 0.2
START_SECONDS = 30
SAID_LINES = 5

_SET_PARENT_DEATH_SIGNAL = 1


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
    """A context in which programs run. They are stopped in the order given.

    Args:
        held: file descriptors that each of them keeps open, such as a lock.
    """

    def __init__(
        self, programs: Sequence[Program], env: Mapping[str, str], held: Sequence[int] = ()
    ) -> None:
        self.programs = programs
        self.env = env
        self.held = held

    def __enter__(self) -> Self:
        programs = [asdict(program) for program in self.programs]
        self.keeper = subprocess.Popen(
            [sys.executable, "-m", "project.processes", json.dumps([programs, self.held])],
            env=dict(self.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=self.held,
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

    def hurry(self) -> None:
        """End the programs at once, whatever they are doing."""
        self.keeper.send_signal(signal.SIGINT)

    def __exit__(self, *exception: object) -> None:
        """Stop the programs, and wait until they have ended; Ctrl-C ends them at once."""
        try:
            self.keeper.communicate()  # closes the pipe, and waits
        except KeyboardInterrupt:
            self.hurry()
            self.keeper.wait()


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def keep(
    programs: Sequence[Program],
    held: Sequence[int],
    end: threading.Event,
    hurry: threading.Event,
) -> str:
    """Run the programs; return which one ended by itself, and how, or "".

    Args:
        end: it sets, or stdin closes: the programs are stopped.
        hurry: it sets: they are stopped at once.
    """
    running: list[tuple[Program, subprocess.Popen[bytes]]] = []
    try:
        for program in programs:
            running.append((program, start(program, held)))
        while not (end.is_set() or hurry.is_set()):
            for program, process in running:
                if process.poll() is not None:
                    return f"The {program.name} ended ({process.returncode}).\n{said(program)}"
            if select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
                break
        return ""
    finally:
        for program, process in running:
            stop(process, program.grace, hurry)


def start(program: Program, held: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own."""
    with Path(program.log).open("wb") as log:
        return subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=held,
            # Between fork and exec: safe, as the keeper has one thread.
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )


def die_with_parent() -> None:
    """Have Linux send this process SIGTERM when its parent dies."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def said(program: Program) -> str:
    """Return the last lines that a program wrote, and where the others are."""
    lines = Path(program.log).read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([*(f"  {line}" for line in lines[-SAID_LINES:]), f"See {program.log}"])


def stop(
    process: subprocess.Popen[bytes], grace: float, hurry: threading.Event | None = None
) -> None:
    """End a process that leads a group, and what it left behind.

    Args:
        grace: seconds that it has for it.
        hurry: once set, it has none.
    """
    if process.poll() is None:
        process.terminate()
        until = time.monotonic() + grace
        while process.poll() is None and time.monotonic() < until:
            if hurry is not None and hurry.is_set():
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> None:
    """Keep the programs on the command line until stdin closes."""
    end, hurry = threading.Event(), threading.Event()
    signal.signal(signal.SIGINT, lambda *_: hurry.set())
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: end.set())
    programs, held = json.loads(sys.argv[1])
    if ended := keep([Program(**program) for program in programs], held, end, hurry):
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(ended + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
