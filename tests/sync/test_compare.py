"""A local row against the remote record."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from conversion_sync.api import RemoteCompany, RemoteContact
from conversion_sync.api.errors import RateLimited
from conversion_sync.models import ApiGate, Company, Contact, Status
from conversion_sync.models.clock import db_now
from conversion_sync.records.change import Change
from conversion_sync.sync.compare import Field, State, compare, compare_many, next_push, take_theirs
from conversion_sync.sync.deliveries import NoSlot
from conversion_sync.sync.run import Run
from tests.kit import (
    ANN,
    BOB,
    EQUAL_BUT_DIFFERENT,
    MINUTE,
    SECOND,
    company,
    contact,
    fresh,
    push,
    sent,
    synced_contact,
)

pytestmark = pytest.mark.django_db


def there(status: str | None = "PENDING", reference: Any = None, **variables: Any) -> RemoteContact:
    return RemoteContact("r1", ANN, variables, status, None, reference)


def states(row: Any, remote: Any) -> dict[str, State]:
    return {field.name: field.state for field in compare(row, remote).fields}


def test_each_field_says_how_it_compares_the_differing_ones_first():
    row = contact(first_name="Ann", title="Boss", phone="1", custom_variables={"plan": "pro"})
    made = compare(row, there(first_name="Ann", title="Chief", city="Rome", last_name=""))
    assert [(field.name, field.state) for field in made.fields] == [
        ("city", State.ONLY_THERE),
        ("phone", State.ONLY_HERE),
        ("plan", State.ONLY_HERE),
        ("title", State.DIFFERS),
        ("first_name", State.SAME),
    ]
    assert made.differs


def test_what_is_only_there_is_none_of_our_business():
    assert not compare(contact(), there(city="Rome")).differs


def test_what_is_no_variable_is_compared_too():
    row = contact(external_contact={"crm": 7})
    assert states(row, there(reference={"crm": 8})) == {"external_contact": State.DIFFERS}
    acme = company(base_domain="a.example", company_name="Acme")
    remote = RemoteCompany("C1", "r1", "b.example", {"company_name": "Acme"})
    assert states(acme, remote) == {"base_domain": State.DIFFERS, "company_name": State.SAME}


@pytest.mark.parametrize(
    ("ours", "theirs", "new"),
    [
        ("SUBSCRIBED", "UNSUBSCRIBED", True),
        ("", "UNSUBSCRIBED", True),
        ("UNSUBSCRIBED", "UNSUBSCRIBED", False),
        ("SUBSCRIBED", "PENDING", False),
        ("SUBSCRIBED", None, False),
    ],
)
def test_an_opt_out_that_we_do_not_know_of_is_said(ours, theirs, new):
    made = compare(contact(subscription_status=ours), there(theirs))
    assert made.remote_opt_out is new
    assert made.differs is new
    assert made.remote_status == (theirs or "")


def test_a_row_that_can_not_be_sent_has_nothing_of_its_own():
    row = contact("ann", first_name="Ann")
    assert states(row, there(first_name="Ann")) == {"first_name": State.ONLY_THERE}


def test_a_field_is_the_same_where_both_are_blank():
    assert Field("x", None, None).state is State.SAME


@pytest.mark.parametrize(("ours", "theirs"), EQUAL_BUT_DIFFERENT)
def test_what_json_writes_differently_differs(ours, theirs):
    row = contact(custom_variables={"x": ours}, external_contact={"y": [ours]})
    made = compare(row, there(reference={"y": [theirs]}, x=theirs))
    assert {field.name: field.state for field in made.fields} == {
        "x": State.DIFFERS,
        "external_contact": State.DIFFERS,
    }
    row.sent_payload = {"variables": {"x": theirs}, "externalContact": {"y": [theirs]}}
    assert [change.name for change in next_push(row)] == ["external_contact", "x"]


def test_what_the_next_push_changes(conversion):
    row = synced_contact(first_name="Ann", title="Boss")
    row.first_name, row.title, row.phone = "Anna", "", "1"
    row.save()
    assert next_push(row) == [
        Change("first_name", "Ann", "Anna"),
        Change("phone", None, "1"),
        Change("title", "Boss", None),
    ]
    push()
    assert next_push(fresh(row)) == []


# Asking


def test_rows_are_asked_about_and_compared(conversion):
    same, other, gone = contact(first_name="A"), contact(BOB), contact("gone@x.example")
    acme = company(company_name="Acme")
    push()
    conversion.app.store.delete_contact("gone@x.example")
    Contact.unmarked.filter(pk=other.pk).update(title="Boss")
    rows = [*Contact.objects.order_by("pk"), acme]
    found = list(compare_many(rows, Run("default", 20)))
    assert [made.row.pk for made in found] == [same.pk, other.pk, gone.pk, acme.pk]
    assert [made.differs for made in found] == [False, True, True, False]
    assert found[2].is_missing


def test_an_error_is_said_of_its_row(conversion):
    synced_contact()
    conversion.fail("500", method="GET")
    [made] = compare_many(Contact.objects.all(), Run("default", 20))
    assert made.error is not None
    assert made.error.code == "INTERNAL_ERROR"
    assert not made.differs


def test_what_a_person_waits_for_goes_first(conversion, monkeypatch):
    synced_contact()
    urgent = contact(BOB)
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        Contact.unmarked.filter(pk=urgent.pk).update(due_at=None)

    monkeypatch.setattr("conversion_sync.sync.compare.asking.time.sleep", sleep)
    assert len(list(compare_many(Contact.objects.filter(key=ANN), Run("default", 20)))) == 1
    assert waited[0] == 0.1


def test_a_gate_that_opens_in_time_is_waited_for(conversion):
    synced_contact()
    ApiGate.write("default", blocked_until=db_now("default") + 0.2 * SECOND)
    assert len(list(compare_many(Contact.objects.all(), Run("default", 20)))) == 1


def test_a_gate_that_stays_shut_is_said(conversion):
    synced_contact()
    ApiGate.write("default", blocked_until=db_now("default") + 10 * MINUTE)
    with pytest.raises(NoSlot):
        list(compare_many(Contact.objects.all(), Run("default", 20)))


def test_what_was_not_asked_because_of_a_429_is_asked_when_the_gate_is_open(conversion, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 2}
    for name in "abc":
        contact(f"{name}@x.example")
    # Others may be on their way by then, and arrive before it.
    conversion.fail("429", headers={"Retry-After": "1"}, email="a@x.example")
    found = list(compare_many(Contact.objects.order_by("pk"), Run("default", 20), give_way=False))
    assert [type(each.error) for each in found] == [RateLimited, type(None), type(None)]
    assert [each.is_missing for each in found] == [False, True, True]
    assert len(conversion.calls) == 3


def test_no_more_is_asked_than_there_is_time_for(conversion):
    synced_contact()
    assert list(compare_many(Contact.objects.all(), Run("default", 0))) == []


# Taking theirs


def test_their_values_are_taken(conversion):
    row = synced_contact(first_name="Ann", title="Boss", custom_variables={"plan": "pro"})
    remote = there(reference={"crm": 7}, first_name="Anna", plan="free", city="Rome")
    names = ["first_name", "title", "plan", "city", "external_contact", "company_name"]
    assert take_theirs(row, remote, names) == names[:-1]
    found = fresh(row)
    assert (found.first_name, found.title) == ("Anna", "")
    assert found.custom_variables == {"plan": "free", "city": "Rome"}
    assert found.external_contact == {"crm": 7}
    # Conversion has them already: nothing is sent.
    assert found.sync_status == Status.SYNCED
    assert found.remote_is_known
    push()
    assert len(sent(conversion)) == 1


@pytest.fixture
def elsewhere(conversion) -> Contact:
    """A contact of whom three fields were changed in Conversion since it arrived."""
    row = synced_contact(first_name="Ann", title="Boss", custom_variables={"plan": "pro"})
    conversion.contacts[ANN]["variables"] |= {"first_name": "Anna", "title": "Chief", "plan": "x"}
    return row


def take(row: Any, *names: str) -> Any:
    """Take these fields of what Conversion has now."""
    [asked] = compare_many([row], Run("default", 20), give_way=False)
    assert asked.remote is not None
    take_theirs(row, asked.remote, names)
    return fresh(row)


@pytest.mark.parametrize("names", [["first_name"], ["plan"], ["first_name", "plan"]])
def test_what_is_taken_changes_nothing_there(conversion, elsewhere, names):
    before = dict(conversion.contacts[ANN]["variables"])
    found = take(elsewhere, *names)
    push()
    assert conversion.contacts[ANN]["variables"] == before
    assert (found.title, found.sync_status, found.due_at) == ("Boss", Status.SYNCED, None)
    assert found.remote_is_known
    assert next_push(found) == []


def test_the_next_change_of_a_row_carries_what_was_taken(conversion, elsewhere):
    take(elsewhere, "first_name")
    push()
    elsewhere = fresh(elsewhere)
    elsewhere.phone = "1"
    elsewhere.save()
    assert [(c.name, c.before, c.after) for c in next_push(elsewhere)] == [("phone", None, "1")]
    push()
    there_now = conversion.contacts[ANN]["variables"]
    assert there_now == {"first_name": "Anna", "title": "Boss", "plan": "pro", "phone": "1"}


def test_a_variable_that_was_taken_away_is_not_cleared_there_again(conversion, elsewhere):
    del conversion.contacts[ANN]["variables"]["plan"]
    found = take(elsewhere, "plan")
    assert found.custom_variables == {}
    found.save()
    push()
    assert len(sent(conversion)) == 1
    assert fresh(found).sync_status == Status.SYNCED


def test_a_row_that_waits_with_a_change_of_its_own_is_pushed(conversion, elsewhere):
    elsewhere.phone = "1"
    elsewhere.save()
    found = take(elsewhere, "first_name")
    assert found.sync_status == Status.PENDING
    assert [change.name for change in next_push(found)] == ["phone"]
    push()
    assert conversion.contacts[ANN]["variables"]["first_name"] == "Anna"
    assert conversion.contacts[ANN]["variables"]["phone"] == "1"


def test_a_change_that_waits_and_is_given_up_for_theirs_is_not_sent(conversion, elsewhere):
    elsewhere.first_name = "Anne"
    elsewhere.save()
    take(elsewhere, "first_name")
    push()
    assert conversion.contacts[ANN]["variables"]["title"] == "Chief"
    assert fresh(elsewhere).sync_status == Status.SYNCED


def test_a_row_in_flight_or_in_doubt_is_sent_again(conversion, elsewhere, in_flight):
    elsewhere.phone = "1"
    elsewhere.save()
    in_flight(lambda: take_theirs(fresh(elsewhere), there(first_name="Anna"), ["first_name"]))
    push()
    assert conversion.contacts[ANN]["variables"]["first_name"] == "Anna"
    assert fresh(elsewhere).sync_status == Status.SYNCED


def test_only_the_chosen_fields_of_a_stale_row_are_written(conversion, elsewhere):
    stale = fresh(elsewhere)
    Contact.objects.update(phone="1")
    take(stale, "first_name")
    assert fresh(elsewhere).phone == "1"


def test_what_a_company_takes_changes_nothing_there(conversion):
    row = company(base_domain="a.example", industry="Steel", size="1-10")
    push()
    record = conversion.companies["C1"]
    record["baseDomain"] = "b.example"
    record["variables"] |= {"industry": "Iron", "size": "11-50"}
    found = take(row, "base_domain", "industry")
    push()
    assert (record["baseDomain"], record["variables"]["size"]) == ("b.example", "11-50")
    assert (found.base_domain, found.industry, found.size) == ("b.example", "Iron", "1-10")
    assert (found.sync_status, next_push(found)) == (Status.SYNCED, [])


def test_a_variable_that_they_do_not_have_is_taken_away():
    row = contact(custom_variables={"plan": "pro", "city": "Rome"})
    take_theirs(row, there(city="Rome"), ["plan"])
    assert fresh(row).custom_variables == {"city": "Rome"}


def test_the_fields_of_a_company_are_taken():
    row = company(base_domain="a.example", annual_revenue=5)
    remote = RemoteCompany("C1", "r1", "b.example", {"annual_revenue": "7", "company_name": "B"})
    take_theirs(row, remote, ["base_domain", "annual_revenue", "company_name"])
    found = Company.objects.get()
    assert (found.base_domain, found.annual_revenue, found.company_name) == ("b.example", 7, "B")


def test_what_the_row_can_not_have_is_refused_and_nothing_is_saved():
    row = company(base_domain="a.example")
    remote = RemoteCompany("C1", "r1", "https://b.example", {})
    with pytest.raises(ValidationError):
        take_theirs(row, remote, ["base_domain"])
    assert fresh(row).base_domain == "a.example"


def test_taking_their_fields_does_not_touch_the_subscription():
    row = fresh(contact(subscription_status="SUBSCRIBED"))
    Contact.objects.update(subscription_status="UNSUBSCRIBED")
    take_theirs(row, there("SUBSCRIBED", first_name="Ann"), ["first_name"])
    assert fresh(row).subscription_status == "UNSUBSCRIBED"
