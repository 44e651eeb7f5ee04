"""``conversion_erase``, where a source of the site has something to say."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F, Q

from conversion_sync import mirrors
from conversion_sync.mirrors import Explanation
from conversion_sync.models import Contact, MirrorLink
from tests.mirrors.conftest import mirror  # noqa: F401  # a fixture
from tests.mirrors.kit import link, render
from tests.mirrors.shop.models import Customer

pytestmark = pytest.mark.django_db


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)


@pytest.fixture
def ann(mirror):  # noqa: F811  # the fixture
    mirror("contact", Customer, CustomerMirror)
    customer = Customer.objects.create(email="ann@x.example", name="Ann")
    render()
    return customer


def erase(**options):
    said = io.StringIO()
    call_command("conversion_erase", "ann@x.example", stdout=said, **options)
    return said.getvalue()


def test_a_source_that_would_bring_the_person_back_is_named(ann):
    with pytest.raises(CommandError, match=rf"shop\.Customer {ann.pk} .* would bring it back"):
        erase(no_input=True)
    assert Contact.objects.exists()


@pytest.mark.parametrize("leaves", ["excluded", "deleted"])
def test_whose_source_has_left_is_erased(ann, leaves):
    if leaves == "excluded":
        ann.is_active = False
        ann.save()
    else:
        ann.delete()
    render()
    assert "1 contact" in erase(no_input=True)
    assert not Contact.objects.exists()
    assert not MirrorLink.objects.filter(key="ann@x.example").exists()
    render()
    assert not Contact.objects.exists()


def test_it_asks_first(ann, monkeypatch):
    ann.delete()
    render()
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    with pytest.raises(CommandError, match="Nothing was changed"):
        erase()
    assert Contact.objects.exists()


def test_where_deletions_are_not_sent_it_says_so(ann, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_REMOTE": False}
    ann.delete()
    render()
    assert "DELETE_REMOTE is off" in erase(no_input=True)


def test_another_source_that_waits_for_the_email_is_named_too(ann):
    other = Customer.objects.create(email="ann@x.example", name="Ann, too")
    render()
    assert link(other).state == "conflict"
    MirrorLink.objects.filter(source=str(ann.pk)).update(row=None, state="excluded", key="")
    with pytest.raises(CommandError, match=rf"shop\.Customer {other.pk} .* would bring it back"):
        erase(no_input=True)
    assert Contact.objects.exists()


def test_a_source_with_a_fault_is_named_too(ann, monkeypatch):
    monkeypatch.setattr(
        "conversion_sync.management.commands.conversion_erase.explain",
        lambda source, **options: [Explanation("m", "contact", is_included=False, fault="raised")],
    )
    with pytest.raises(CommandError, match="would bring it back"):
        erase(no_input=True)


@pytest.mark.parametrize("state", ["held", "conflict", "waiting"])
def test_a_link_that_is_left_says_nothing_of_the_person(ann, state):
    Customer.objects.filter(pk=ann.pk).update(is_active=False)
    MirrorLink.objects.update(state=state, reason="x", fault="y", trouble=state)
    erase(no_input=True)
    left = link(ann)
    assert (left.row, left.key, left.state, left.trouble) == (None, "", "excluded", None)
    assert (left.reason, left.fault) == ("", "")
    render()
    assert not Contact.objects.exists()


def test_a_link_in_conflict_loses_the_address(ann):
    other = Customer.objects.create(email="ann@x.example", name="Ann, too")
    render()
    Customer.objects.update(is_active=False)
    erase(no_input=True)
    left = link(other)
    assert (left.key, left.state, left.trouble) == ("", "excluded", None)
    render()
    assert not Contact.objects.exists()
