"""A stand-in of the API of a few lines, in a process of its own, that notes what arrives.

It takes every call, and answers after the latency that it was given. The sandbox knows far more,
and is far slower: here the client is to be measured.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import uuid
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.process import Process

__all__ = ["Report", "StandIn", "sending"]


@dataclass
class Report:
    """What arrived.

    Attributes:
        calls: when each began to arrive, and how many rows it carried.
        largest: bytes of the largest body.
        twice: contacts that arrived more than once.
    """

    calls: list[tuple[float, int]] = field(default_factory=list)
    largest: int = 0
    twice: int = 0

    @property
    def rows(self) -> int:
        """How many rows arrived."""
        return sum(rows for _, rows in self.calls)

    @property
    def span(self) -> float:
        """Seconds from the first arrival to the last."""
        return max(when for when, _ in self.calls) - min(when for when, _ in self.calls)

    @property
    def calls_a_second(self) -> float:
        """From the first arrival to the last."""
        return (len(self.calls) - 1) / self.span

    @property
    def rows_a_second(self) -> float:
        """From the first arrival to the last, whose own rows came after that."""
        return (self.rows - max(self.calls)[1]) / self.span

    @property
    def worst_second(self) -> int:
        """Calls that arrived in any one second, at most."""
        times = sorted(when for when, _ in self.calls)
        return max(bisect_left(times, when + 1) - place for place, when in enumerate(times))


class StandIn(Process):
    """The server, in a process of its own.

    Args:
        latency: seconds from the call to its answer.
    """

    def __init__(self, latency: float = 0.0) -> None:
        super().__init__("benchmarks.server", str(latency))
        self._latency = latency
        self.url = f"http://127.0.0.1:{int(self.hear())}/api/v1"

    def answer_after(self, latency: float) -> Report:
        """Take another latency from now on; returns what has arrived until now."""
        self._latency = latency
        return self.report()

    def report(self) -> Report:
        """What has arrived since the last report."""
        self.tell(str(self._latency))
        said = json.loads(self.hear())
        return Report(
            [(when, rows) for when, rows in said["calls"]], said["largest"], said["twice"]
        )


@contextmanager
def sending(url: str, **settings: Any) -> Iterator[None]:
    """Send there, with these settings, and with no limit unless one is given.

    Holds for this process and for those that it starts meanwhile.
    """
    from django.test.utils import override_settings

    sends = {"API_KEY": "k", "BASE_URL": url, "RATE_LIMIT": 100_000, "QUEUE": "none", **settings}
    os.environ["BENCHMARK_SENDS"] = json.dumps(sends)
    try:
        with override_settings(CONVERSION_SYNC=sends):
            yield
    finally:
        del os.environ["BENCHMARK_SENDS"]


class _Noted:
    """What arrives, until it is reported; and the seconds that an answer takes."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self._lock = threading.Lock()
        self._report, self._emails = Report(), set[str]()

    def add(self, when: float, size: int, emails: list[str] | None) -> None:
        with self._lock:
            self._report.calls.append((when, len(emails) if emails else 1))
            self._report.largest = max(self._report.largest, size)
            if emails:
                before = len(self._emails)
                self._emails.update(emails)
                self._report.twice += len(emails) - (len(self._emails) - before)

    def taken(self) -> Report:
        with self._lock:
            report = self._report
            self._report, self._emails = Report(), set()
            return report


def main() -> None:
    """Serve until there is nobody to report to."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)
    noted = _Noted(float(sys.argv[1]))
    threading.Thread(target=_serve, args=(listener, noted), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    while latency := sys.stdin.readline():
        noted.latency = float(latency)
        print(json.dumps(vars(noted.taken())), flush=True)


def _serve(listener: socket.socket, noted: _Noted) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer_all, args=(connection, noted), daemon=True).start()


def _answer_all(connection: socket.socket, noted: _Noted) -> None:
    """Answer the calls of a connection until it ends."""
    stream = connection.makefile("rb")
    while stream.readline().strip():
        began, length = time.monotonic(), 0
        while header := stream.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = json.loads(stream.read(length)) if length else {}
        contacts = body.get("contacts")
        emails = None if contacts is None else [item["email"] for item in contacts]
        noted.add(began, length, emails)
        if noted.latency:
            time.sleep(noted.latency)
        connection.sendall(_answer(emails))


def _answer(emails: list[str] | None) -> bytes:
    data: Any = {"id": str(uuid.uuid4())}
    if emails is not None:
        data = [
            {"email": e, "contactId": str(uuid.uuid4()), "operation": "created"} for e in emails
        ]
    body = json.dumps({"success": True, "data": data}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


if __name__ == "__main__":
    main()
