"""Real workers whose processes are killed, and the supervisor that starts them again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from conversion_sync.models import Heartbeat

ROOT = Path(__file__).resolve().parents[2]

#: Seconds without any drain beginning, while drains are asked for, after which all is restarted.
STALE = 8.0

#: The commands that work: a q cluster, and the plain worker, which is one process.
QCLUSTER, PUSH = ("qcluster",), ("conversion_push", "--forever")

WHOM = ("busy worker", "busy worker", "idle worker", "helper", "sentinel", "main", "group")


def parents() -> dict[int, int]:
    """The parent of each process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return found


def kill(pid: int) -> bool:
    """SIGKILL one process. Returns whether it was there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


class Cluster:
    """A q cluster, or a plain worker, in a session of its own."""

    def __init__(
        self, environment: Mapping[str, str], log: Path, command: Sequence[str] = QCLUSTER
    ) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", *command],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def children(self) -> tuple[list[int], list[int]]:
        """The sentinel (at most one), and what it has started."""
        parent = parents()
        first = sorted(pid for pid, of in parent.items() if of == self.process.pid)
        second = sorted(pid for pid, of in parent.items() if of in first)
        return [pid for pid in first if any(parent[two] == pid for two in second)], second

    def kill_all(self) -> None:
        """The whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Clusters:
    """Some clusters, or plain workers, on one database; a context."""

    def __init__(
        self,
        count: int,
        environment: Mapping[str, str],
        log: Path,
        command: Sequence[str] = QCLUSTER,
    ) -> None:
        self.environment, self.log, self.count = environment, log, count
        self.command = command
        self.killed = Counter[str]()
        self.restarts = 0
        self.seen = Heartbeat.load("default").started_at
        self.heard = time.monotonic()

    def __enter__(self) -> Self:
        self.clusters = [self._start() for _ in range(self.count)]
        return self

    def __exit__(self, *exception: object) -> None:
        for cluster in self.clusters:
            cluster.kill_all()

    def _start(self) -> Cluster:
        return Cluster(self.environment, self.log, self.command)

    def supervise(self) -> None:
        """Start again what is gone; start all again when no drain has begun for long."""
        if (started := Heartbeat.load("default").started_at) != self.seen:
            self.seen, self.heard = started, time.monotonic()
        stale = time.monotonic() - self.heard > STALE
        for index, cluster in enumerate(self.clusters):
            if stale or cluster.process.poll() is not None:
                # Its main process may have left others behind, which nobody would ever stop.
                cluster.kill_all()
                self.clusters[index] = self._start()
                self.restarts += 1
        if stale:
            self.heard = time.monotonic()

    def kill(self, chance: random.Random) -> bool:
        """Kill some process of some cluster. Returns whether one was there."""
        whom, cluster = chance.choice(WHOM), chance.choice(self.clusters)
        if self.command == PUSH:
            # Not before it has begun: it may take longer to start than the next kill to come.
            whom = "busy worker"
        sentinel, others = cluster.children()
        beat = Heartbeat.load("default")
        worker = int(beat.worker.rpartition(":")[2] or 0)
        busy = beat.started_at and (not beat.finished_at or beat.finished_at < beat.started_at)
        if whom == "busy worker":
            target = worker if busy else 0
        elif whom == "idle worker":
            target = worker if not busy else 0
        elif whom == "helper":
            target = chance.choice([pid for pid in others if pid != worker] or [0])
        elif whom == "sentinel":
            target = sentinel[0] if sentinel else 0
        else:
            target = cluster.process.pid if others else 0
        if not target or target not in {cluster.process.pid, *sentinel, *others}:
            return False
        if whom == "group":
            cluster.kill_all()
        elif not kill(target):
            return False
        self.killed[whom] += 1
        return True
