"""What was last sent of a record: kept as a snapshot, with its version and the API's generation.

Earlier releases kept what went over the wire, which is read as well: during a rolling deploy they
still write it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conversion_sync.api import v1
from conversion_sync.api.generation import IN_USE
from conversion_sync.models.record import Record
from conversion_sync.records.snapshot import Snapshot

__all__ = ["VERSION", "is_as_sent", "last_sent", "read", "stored", "stored_anew"]

#: Of the form in which snapshots are stored.
VERSION = 1


def stored(snapshot: Snapshot) -> dict[str, Any]:
    """What ``sent_payload`` holds of a snapshot that is sent by the generation in use."""
    return {"version": VERSION, "generation": IN_USE.NAME, **snapshot.as_json()}


def last_sent(row: Record) -> Snapshot | None:
    """What the last call that carried this row said of it; None: none ever did."""
    return read(row.sent_payload)


def read(payload: Mapping[str, Any] | None) -> Snapshot | None:
    """What a ``sent_payload`` says, of whichever release it is."""
    if payload is None:
        return None
    return _of_wire(payload) if _is_of_wire(payload) else Snapshot.from_json(payload)


def is_as_sent(row: Record, snapshot: Snapshot) -> bool:
    """Whether a call of this generation has carried just that, as far as this release can tell."""
    payload = row.sent_payload
    if payload is None:
        return False
    if _is_of_wire(payload):
        return IN_USE.NAME == v1.NAME and _of_wire(payload) == snapshot
    kept_as = (payload["version"], payload.get("generation"))
    return kept_as == (VERSION, IN_USE.NAME) and Snapshot.from_json(payload) == snapshot


def stored_anew(payload: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What an earlier release has stored, as this one stores it; None: it is so already."""
    if payload is None or not _is_of_wire(payload):
        return None
    return {"version": VERSION, "generation": v1.NAME, **_of_wire(payload).as_json()}


def _is_of_wire(payload: Mapping[str, Any]) -> bool:
    # A worker of an earlier release that has read a snapshot clears what it does not know.
    return not isinstance(payload.get("version"), int)


def _of_wire(item: Mapping[str, Any]) -> Snapshot:
    if "id" in item:
        company = v1.read_company_item(item)
        return Snapshot(company.id, company.variables, base_domain=company.base_domain)
    contact = v1.read_contact_item(item)
    reference = contact.external_contact
    return Snapshot(contact.email, contact.variables, contact.company, reference=reference)
