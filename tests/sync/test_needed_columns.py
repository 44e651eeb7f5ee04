"""What is not read of a row when it is claimed is not needed later: no row is read once more."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Model

from conversion_sync.models import Deletion, SubscriptionChange
from conversion_sync.sync.drain import drain
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.kinds import KINDS
from conversion_sync.sync.kinds.base import UNREAD
from tests.kit import company, contact, engagement, later, log

pytestmark = pytest.mark.django_db


def push() -> None:
    """Send all that can be sent, up to what shuts the gate."""
    Gate().resume()
    drain(20, stop=lambda: Gate().state().status != "open")


def everything() -> None:
    """A row of each kind that is due, some of them for the second time."""
    company("C2", company_name="Acme")
    contact("one@x.example", first_name="One", company=company("C3", company_name="Apex"))
    row = contact("two@x.example", subscription_status="SUBSCRIBED")
    push()
    row.subscription_status = "UNSUBSCRIBED"
    row.first_name = "Two"
    row.save()
    engagement(row)
    contact("gone@x.example")
    push()
    type(row).objects.filter(email="gone@x.example").delete()


@pytest.fixture
def read_again(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The columns of rows that were read only when they were asked for."""
    columns: list[object] = []
    real = Model.refresh_from_db

    def refresh(row: Model, *args: Any, **kwargs: Any) -> None:
        columns.append((type(row).__name__, args, kwargs.get("fields")))
        real(row, *args, **kwargs)

    monkeypatch.setattr(Model, "refresh_from_db", refresh)
    return columns


@pytest.mark.parametrize("status", [None, 400, 404, 413, 429, 500, 503])
def test_no_kind_reads_a_row_again_whatever_the_api_answers(conversion, read_again, status):
    if status is not None:
        conversion.fail("status", status=status, count=40)
    everything()
    read_again.clear()
    for _ in range(8):
        push()
        later()
    conversion.clear_faults()
    later()
    push()
    assert read_again == []
    if status is None:
        assert [said for said, _ in log("two@x.example")] == ["SUBSCRIBED", "UNSUBSCRIBED"]
        assert Deletion.objects.get().sync_status == "SYNCED"
        assert not SubscriptionChange.objects.waiting().exists()


def test_the_columns_that_are_not_read_are_ones_that_there_are():
    there = {field.attname for kind in KINDS for field in kind.model._meta.concrete_fields}
    assert there >= UNREAD
