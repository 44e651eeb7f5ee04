"""``conversion_merge``: two rows of one key become one, and nothing of either is lost."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from conversion_sync.api import Client, StatusChange
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    Status,
    SubscriptionChange,
)
from tests.kit import (
    ANN,
    BOB,
    company,
    contact,
    engagement,
    fresh,
    log,
    push,
    synced_contact,
    without_key,
)

pytestmark = pytest.mark.django_db

ODD = "a\u200bnn@x.example"


def merge(*arguments: str, **options: object) -> str:
    out = io.StringIO()
    call_command("conversion_merge", *arguments, stdout=out, **{"no_input": True} | options)
    return out.getvalue()


@pytest.fixture
def pair(conversion):
    """The row that holds the key, and one that was sent in another spelling."""
    holder = synced_contact(first_name="Ann", custom_variables={"plan": "pro"})
    firm = company("C1", company_name="Lumentum")
    other = contact(
        BOB,
        first_name="Anna",
        last_name="Lee",
        company=firm,
        custom_variables={"plan": "free", "seats": 5},
    )
    engagement(other, name="Call of the other")
    return holder, without_key(other, ODD, sent_key=ODD, sent_revision=1)


def test_a_dry_run_shows_both_rows_and_changes_nothing(pair):
    holder, other = pair
    before = list(Contact.unmarked.order_by("pk").values())
    said = merge(dry_run=True)
    assert f"contact {holder.pk}, 'ann@x.example', Ann" in said
    assert f"contact {other.pk}, 'a\\u200bnn@x.example', Anna Lee, 1 engagement" in said
    assert "in Conversion also as 'a\\u200bnn@x.example'" in said
    assert list(Contact.unmarked.order_by("pk").values()) == before


def test_without_a_clash_there_is_nothing_to_do(conversion):
    contact()
    assert merge() == "No row clashes with another.\n"


@pytest.mark.parametrize(("answer", "left"), [("no", 2), ("yes", 1)])
def test_it_asks_first(pair, monkeypatch, answer, left):
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    if answer == "no":
        with pytest.raises(CommandError, match="Nothing was changed"):
            merge(no_input=False)
    else:
        merge(no_input=False)
    assert Contact.objects.count() == left


def test_what_belongs_to_the_other_row_moves_and_blanks_are_filled(conversion, pair):
    holder, _ = pair
    push()
    assert not conversion.engagements
    assert "Merged: 1." in merge()
    row = Contact.objects.get()
    assert (row.pk, row.email, row.first_name, row.last_name) == (holder.pk, ANN, "Ann", "Lee")
    assert row.company == Company.objects.get()
    assert row.custom_variables == {"plan": "pro", "seats": 5}
    push()
    assert conversion.contacts[ANN]["variables"] == {
        "first_name": "Ann",
        "last_name": "Lee",
        "company_name": "Lumentum",
        "plan": "pro",
        "seats": 5,
    }
    assert [each["name"] for each in conversion.engagements] == ["Call of the other"]
    assert Engagement.objects.get().contact == holder
    assert not Deletion.objects.filter(only_asks=False).exists()
    assert Contact.objects.get().sync_status == Status.SYNCED


def test_with_nothing_to_fill_the_row_is_not_pushed_again(conversion):
    holder = synced_contact(first_name="Ann")
    without_key(contact(BOB), ODD)
    merge()
    assert fresh(holder).sync_status == Status.SYNCED


@pytest.mark.parametrize("who", ["holder", "other"])
def test_an_opt_out_of_either_stands_and_is_told(conversion, who):
    holder = synced_contact(subscription_status="SUBSCRIBED" if who == "other" else "UNSUBSCRIBED")
    other = without_key(contact(BOB, subscription_status="SUBSCRIBED"), ODD)
    SubscriptionChange.unmarked.filter(contact=other).update(
        address=ANN, status="UNSUBSCRIBED" if who == "other" else "SUBSCRIBED"
    )
    merge("contacts", requested_by="Eve")
    push()
    assert fresh(holder).subscription_status == "UNSUBSCRIBED"
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert log()[-1] == ("UNSUBSCRIBED", "SYNCED")
    assert set(SubscriptionChange.objects.values_list("contact", flat=True)) == {holder.pk}


def test_an_opt_out_in_conversion_under_the_other_spelling_is_taken_over(conversion, pair):
    holder, _ = pair
    # The sandbox takes both spellings for one record.
    conversion.set_status(ODD, "UNSUBSCRIBED")
    merge()
    assert Deletion.objects.get().only_asks
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert fresh(holder).subscription_status == "UNSUBSCRIBED"
    assert "DELETE" not in [call.method for call in conversion.calls]


def test_a_subscription_that_the_row_lacks_is_taken_over(conversion):
    holder = synced_contact()
    without_key(contact(BOB, subscription_status="SUBSCRIBED"), ODD)
    SubscriptionChange.unmarked.update(address=ANN)
    merge()
    push()
    assert fresh(holder).subscription_status == "SUBSCRIBED"
    assert conversion.contacts[ANN]["subscriptionStatus"] == "SUBSCRIBED"


def test_the_other_spelling_is_deleted_there_only_when_asked_to_and_first(conversion, pair):
    holder, _ = pair
    push()
    merge(delete_remote=True)
    deletion = Deletion.objects.get()
    assert (deletion.key, deletion.remote_key, deletion.successor) == (ANN, ODD, holder)
    Client("test-key", conversion.base_url).set_subscriptions([StatusChange(ANN, "UNSUBSCRIBED")])
    calls = len(conversion.calls)
    push()
    # For the sandbox the two are one record: it is gone, and comes again with its opt-out.
    made = [f"{each.method} {each.path.split('/')[-1]}" for each in conversion.calls[calls:]]
    path = "a%E2%80%8Bnn%40x.example"
    assert made.index(f"DELETE {path}") < made.index("POST batch")
    assert conversion.contacts[ANN]["variables"]["last_name"] == "Lee"
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert fresh(holder).sync_status == Status.SYNCED


def test_companies_are_merged_with_their_contacts(conversion):
    holder = company("C1", company_name="Lumentum")
    other = company("C2", company_name="Lum", industry="Light", annual_revenue=5)
    theirs = contact(company=other)
    push()
    without_key(other, "C\u200b1")
    merge("companies")
    row = Company.objects.get()
    assert (row.pk, row.company_name, row.industry) == (holder.pk, "Lumentum", "Light")
    assert row.annual_revenue == 5
    assert fresh(theirs).company == holder
    push()
    assert conversion.contacts[ANN]["variables"] == {"company_name": "Lumentum"}
    assert "C2" in conversion.companies


def test_several_rows_of_one_key_are_merged_one_after_the_other(conversion):
    holder = synced_contact(first_name="Ann")
    without_key(contact(BOB, last_name="Lee"), ODD)
    without_key(contact("third@x.example", last_name="Li", title="Boss"), "an\u200bn@x.example")
    assert "Merged: 2." in merge()
    row = Contact.objects.get()
    assert (row.pk, row.last_name, row.title) == (holder.pk, "Lee", "Boss")


def test_a_row_that_was_corrected_meanwhile_is_left_alone(pair, monkeypatch):
    _, other = pair

    def answer(prompt):
        other.email = "anna@x.example"
        other.save()
        return "yes"

    monkeypatch.setattr("builtins.input", answer)
    assert "left alone: 1" in merge(no_input=False)
    assert Contact.objects.count() == 2
