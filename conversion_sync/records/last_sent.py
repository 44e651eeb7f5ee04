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

__all__ = ["VERSION", "changed", "is_as_sent", "last_sent", "payload_of", "read", "stored_anew"]

#: Of the form in which snapshots are stored.
VERSION = 1


def payload_of(snapshot: Snapshot, generation: str | None = None) -> dict[str, Any]:
    """What ``sent_payload`` holds of a snapshot.

    Args:
        generation: of the API, by which it is sent; None: the one in use.
    """
    generation = IN_USE.NAME if generation is None else generation
    return {"version": VERSION, "generation": generation, **snapshot.as_json()}


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
    if not isinstance(payload, Mapping) or not _is_of_wire(payload):
        return None
    return payload_of(_of_wire(payload), v1.NAME)


def changed(payload: Mapping[str, Any], change: Snapshot) -> dict[str, Any]:
    """What ``sent_payload`` holds once Conversion, by itself, has changed so what was sent."""
    payload = stored_anew(payload) or payload
    there = Snapshot.from_json(payload).changed_by(change).without_cleared()
    return payload_of(there, payload.get("generation", ""))


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
