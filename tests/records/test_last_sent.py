"""What was last sent, as this release and those before have stored it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conversion_sync.api import v1
from conversion_sync.models import Company, Contact
from conversion_sync.records import last_sent as module
from conversion_sync.records.last_sent import (
    VERSION,
    is_as_sent,
    last_sent,
    payload_of,
    stored_anew,
)
from conversion_sync.records.mappers import mapper_of
from conversion_sync.records.snapshot import Snapshot
from tests.kit import ANN, EQUAL_BUT_DIFFERENT

CONTACT = Snapshot(ANN, {"x": 1, "gone": None}, {"company_name": "Acme"}, reference={"crm": 7})
COMPANY = Snapshot("C1", {"company_name": "Acme", "x": 1}, base_domain="a.example")
BOTH = [(Contact, CONTACT), (Company, COMPANY)]


def on_the_wire(model: Any, snapshot: Snapshot) -> dict[str, Any]:
    """What releases before have stored of it."""
    record = mapper_of(model).record(snapshot)
    item = v1.contact_item(record) if model is Contact else v1.company_item(record)
    kept: dict[str, Any] = json.loads(json.dumps(item))
    return kept


@pytest.mark.parametrize(("model", "snapshot"), BOTH)
def test_it_is_kept_with_its_version_and_the_generation(model, snapshot):
    kept = json.loads(json.dumps(payload_of(snapshot)))
    assert (kept["version"], kept["generation"]) == (VERSION, "v1")
    row = model(sent_payload=kept)
    assert last_sent(row) == snapshot
    assert is_as_sent(row, snapshot)
    assert stored_anew(kept) is None


@pytest.mark.parametrize(("model", "snapshot"), BOTH)
def test_what_a_release_before_has_stored_is_read(model, snapshot):
    old = on_the_wire(model, snapshot)
    row = model(sent_payload=old)
    assert last_sent(row) == snapshot
    assert is_as_sent(row, snapshot)
    assert stored_anew(old) == payload_of(snapshot)


@pytest.mark.parametrize(("model", "snapshot"), BOTH)
def test_so_is_what_its_worker_makes_of_a_snapshot_that_it_has_read(model, snapshot):
    """It sends null for each name that it finds and does not send itself."""
    old = on_the_wire(model, snapshot)
    old |= {name: None for name in payload_of(snapshot) if name not in old and name != "variables"}
    assert last_sent(model(sent_payload=old)) == snapshot


def test_nothing_was_sent_where_nothing_is_kept():
    assert last_sent(Contact()) is None
    assert not is_as_sent(Contact(), Snapshot(ANN))
    assert stored_anew(None) is None


@pytest.mark.parametrize(("before", "after"), EQUAL_BUT_DIFFERENT)
@pytest.mark.parametrize("keep", [payload_of, lambda snapshot: on_the_wire(Contact, snapshot)])
def test_what_json_writes_differently_was_not_sent(before, after, keep):
    row = Contact(sent_payload=keep(Snapshot(ANN, {"x": [before]})))
    assert is_as_sent(row, Snapshot(ANN, {"x": [before]}))
    assert not is_as_sent(row, Snapshot(ANN, {"x": [after]}))


@pytest.mark.parametrize("other", [{"version": VERSION + 1}, {"generation": "v2"}])
def test_what_another_generation_or_a_later_release_has_sent_may_be_something_else(other):
    row = Contact(sent_payload=payload_of(CONTACT) | other)
    assert last_sent(row) == CONTACT
    assert not is_as_sent(row, CONTACT)


def test_what_went_over_the_wire_was_of_the_first_generation(monkeypatch):
    row = Contact(sent_payload=on_the_wire(Contact, CONTACT))
    monkeypatch.setattr(module, "IN_USE", type("V2", (), {"NAME": "v2"}))
    assert last_sent(row) == CONTACT
    assert not is_as_sent(row, CONTACT)
    anew = stored_anew(row.sent_payload)
    assert anew is not None
    assert anew["generation"] == "v1"
