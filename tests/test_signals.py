"""What the app tells the site."""

from __future__ import annotations

import pytest

from conversion_sync import signals
from conversion_sync.models import ApiGate, Company, Contact
from tests.kit import BOB, company, contact, push

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard():
    """All that was said: the signal, its sender and its arguments."""
    found: list[tuple[str, object, object]] = []
    ears = []
    for name, argument in (
        ("changed", "using"),
        ("row_synced", "pks"),
        ("row_failed", "pks"),
        ("gate_closed", "reason"),
    ):

        def hear(sender, name=name, argument=argument, **kwargs):
            found.append((name, sender, kwargs[argument]))

        getattr(signals, name).connect(hear)
        ears.append((name, hear))
    yield found
    for name, hear in ears:
        getattr(signals, name).disconnect(hear)


def test_a_row_that_arrived_is_heard_of(conversion, heard):
    row, acme = contact(), company()
    push()
    assert ("row_synced", Contact, [row.pk]) in heard
    assert ("row_synced", Company, [acme.pk]) in heard


def test_a_row_that_needs_a_person_is_heard_of(conversion, heard):
    bad, refused = contact("ann"), contact(BOB)
    conversion.fail("400")
    push()
    assert ("row_failed", Contact, [bad.pk]) in heard
    assert ("row_failed", Contact, [refused.pk]) in heard


def test_a_gate_that_closed_is_heard_of(conversion, heard):
    contact()
    conversion.fail("401")
    push()
    assert heard == [("gate_closed", ApiGate, "UNAUTHORIZED")]


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_committed_is_heard_of(heard):
    contact()
    assert heard == [("changed", None, "default")]


@pytest.mark.parametrize("name", ["row_synced", "row_failed", "gate_closed"])
def test_who_hears_badly_stops_nothing(conversion, name):
    def fail(**kwargs):
        raise RuntimeError

    signal = getattr(signals, name)
    signal.connect(fail)
    try:
        contact()
        contact("bad")
        push()
        company()
        conversion.fail("401")
        push()
    finally:
        signal.disconnect(fail)
    assert Contact.objects.failed().count() == Contact.objects.exclude(due_at=None).count() + 1
    assert list(conversion.contacts) == ["ann@x.example"]
