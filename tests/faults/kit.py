"""What the tests of faults share: the five lanes, time that moves, servers that misbehave."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db.models import F, Sum

from conversion_sync.models import (
    ApiGate,
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
    SyncedModel,
)
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.deliveries import Calls
from conversion_sync.sync.drain import DrainReport, drain
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.loop import Running
from conversion_sync.sync.loop.calls import CallsInFlight

#: ``FAULTS=long`` runs the long parts, too.
LONG = os.environ.get("FAULTS") == "long"

#: Everything is committed, as in life; only this app's tables are emptied afterwards.
MARKS = [
    pytest.mark.faults,
    pytest.mark.django_db(transaction=True, available_apps=["conversion_sync"]),
]

#: What the tests have measured; shown when they have ended.
figures: list[str] = []


def say(line: str) -> None:
    """Have a line shown when the tests have ended, whether or not they passed."""
    figures.append(line)


ADA = "ada@x.example"

#: Seconds in which a step of a test ends, on a busy machine too.
LONG_ENOUGH = 20.0

MODELS: tuple[type[SyncedModel], ...] = (
    Company,
    Contact,
    Deletion,
    SubscriptionChange,
    Engagement,
)


@dataclass(frozen=True)
class Lane:
    """A channel as a test sees it.

    Attributes:
        path: where its calls go.
        make: makes one due row; what it waits for has arrived.
        done: how often the work of that row is seen at the remote.
    """

    name: str
    method: str
    path: str
    make: Callable[[], SyncedModel]
    done: Callable[[Sandbox], int]

    def __str__(self) -> str:
        return self.name

    def calls(self, box: Sandbox) -> int:
        """How many calls of this channel the remote has seen."""
        return sum(call.method == self.method and call.path == self.path for call in box.calls)

    def fault(self, box: Sandbox, kind: str, **options: Any) -> None:
        """Have the next call of this channel go wrong."""
        box.fail(kind, method=self.method, path=f"^{self.path}$", **options)


def _contact() -> Contact:
    contact = Contact(email=ADA, first_name="Ada")
    contact.save()
    return contact


def _company() -> Company:
    company = Company(external_id="c-1", company_name="Engines")
    company.save()
    return company


def _known() -> Contact:
    contact = _contact()
    drain()
    return contact


def _opt_out() -> SubscriptionChange:
    contact = _known()
    contact.subscription_status = "UNSUBSCRIBED"
    contact.save()
    return SubscriptionChange.objects.get()


def _deletion() -> Deletion:
    _known().delete()
    return Deletion.objects.get()


def _engagement() -> Engagement:
    return Engagement.objects.create(contact=_known(), name="Call", description="They talked.")


CONTACT = Lane("contact", "POST", "/contacts/batch", _contact, lambda box: ADA in box.contacts)
COMPANY = Lane("company", "POST", "/companies/batch", _company, lambda box: len(box.companies))
OPT_OUT = Lane(
    "subscription",
    "POST",
    "/contacts/batch-subscription",
    _opt_out,
    lambda box: box.contacts[ADA]["subscriptionStatus"] == "UNSUBSCRIBED",
)
DELETION = Lane(
    "deletion",
    "DELETE",
    "/contacts/by-email/ada%40x.example",
    _deletion,
    lambda box: ADA not in box.contacts,
)
ENGAGEMENT = Lane(
    "engagement",
    "POST",
    "/contacts/engagements",
    _engagement,
    lambda box: len(box.engagements),
)
LANES = (CONTACT, COMPANY, OPT_OUT, DELETION, ENGAGEMENT)
BATCHES = (CONTACT, COMPANY, OPT_OUT)


def now(row: SyncedModel) -> Any:
    """The row as it is in the database now."""
    return type(row).unmarked.get(pk=row.pk)


def later(seconds: float) -> None:
    """Have time pass: all that is written down lies so much further back."""
    step = datetime.timedelta(seconds=seconds)
    for model in MODELS:
        columns = ["due_at", "failing_since", "last_attempt_at", "last_synced_at"]
        model.unmarked.update(**{name: F(name) - step for name in columns})
    Contact.unmarked.update(remote_created_at=F("remote_created_at") - step)
    columns = ["next_slot_at", "blocked_until", "last_ok_at", "closed_at", "paused_at"]
    ApiGate.objects.update(**{name: F(name) - step for name in columns})


def in_flight() -> int:
    """How many rows are claimed or SENDING; held engagements aside."""
    return sum(
        model.unmarked.exclude(sync_status="UNCONFIRMED").exclude(claim=None).count()
        + model.unmarked.filter(sync_status="SENDING", claim=None).count()
        for model in MODELS
    )


def attempts(model: type[SyncedModel]) -> int:
    """The sum of the counted tries."""
    return int(model.unmarked.aggregate(sum=Sum("attempts"))["sum"] or 0)


def drain_now() -> DrainReport:
    """Send all that can be sent now, however long that takes; wait for no gate that is shut."""
    return drain(LONG_ENOUGH, stop=lambda: Gate().state().status != "open")


def until_idle(step: float = 20.0, most: int = 500, seconds: float = 1.0) -> list[DrainReport]:
    """Drain, let time pass, drain again, until no row waits. Returns what the drains did."""
    reports = []
    for _ in range(most):
        reports.append(drain(seconds))
        if not any(model.objects.waiting().exists() for model in MODELS):  # type: ignore[attr-defined]  # each has one
            return reports
        if not reports[-1].go_on:
            later(step)
    raise AssertionError(f"Rows still wait after {most} drains; the gate: {Gate().state()}")


class Killed(BaseException):
    """The process ends here: nothing after it is done, and nothing catches it."""


@contextlib.contextmanager
def dying(call: int, worked: bool) -> Iterator[None]:
    """Have the process die at its n-th group of calls, before or after the remote's work."""
    begin, hear, begun = CallsInFlight.begin, CallsInFlight._hear, list[Running]()

    def beginning(self: CallsInFlight, running: Running, step: Calls, slots: Any) -> None:
        begun.append(running)
        if len(begun) == call and not worked:
            raise Killed
        begin(self, running, step, slots)

    def hearing(self: CallsInFlight, came: Any) -> Any:
        if len(begun) >= call and any(running is begun[call - 1] for running, _, _ in came):
            raise Killed
        return hear(self, came)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallsInFlight, "begin", beginning)
        patch.setattr(CallsInFlight, "_hear", hearing)
        yield


class Listener:
    """Another host: counts connections, keeps what is said to it, answers 200 to all."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self.heard = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with contextlib.suppress(OSError), connection:
                connection.settimeout(2)
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self.heard += connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextlib.contextmanager
def untrusted(directory: Path) -> Iterator[Listener]:
    """A TLS server whose certificate nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path = directory / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    listener = Listener(context)
    try:
        yield listener
    finally:
        listener.close()
