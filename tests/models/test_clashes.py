"""Rows that have one key in several spellings: one of them holds it, the others save as before."""

from __future__ import annotations

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction

from conversion_sync.api.errors import ErrorCode
from conversion_sync.models import Company, Contact, Deletion, Status
from conversion_sync.status.messages import in_words
from tests.kit import (
    ANN,
    BOB,
    company,
    contact,
    engagement,
    fresh,
    log,
    push,
    sent,
    synced_contact,
    without_key,
    write,
)
from tests.models.test_keys import historical

pytestmark = pytest.mark.django_db

ODD = "a\u200bnn@x.example"


@pytest.fixture
def pair(conversion):
    """The row that holds the key, and one that has it in another spelling."""
    holder = synced_contact(first_name="Ann")
    other = without_key(contact(BOB, first_name="Anna"), ODD, sent_key=ODD, sent_revision=1)
    return holder, other


def stands(row):
    found = fresh(row)
    return found.key, found.sync_status, found.last_error_code, found.due_at


NOT_SENT = (None, Status.FAILED, ErrorCode.KEY_CLASH, None)


def of_column(row):
    """An opt-out of which only the column knows, as raw SQL or a restore writes it."""
    write(row, subscription_status="UNSUBSCRIBED")


def is_opted_out(box, holder):
    push()
    assert box.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert log()[-1] == ("UNSUBSCRIBED", "SYNCED")
    assert fresh(holder).subscription_status == "UNSUBSCRIBED"


def by_verify():
    with pytest.raises(SystemExit):
        call_command("conversion_verify", "--local")


@pytest.mark.parametrize(
    "found",
    [
        by_verify,
        lambda: Contact.objects.filter(key=None).update(title="Boss"),
        lambda: Contact.objects.filter(key=None).sync_now(),
        lambda: Contact.objects.get(key=None).save(),
        lambda: Contact.objects.filter(key=None).delete(),
        lambda: Contact.objects.get(key=None).delete(),
        lambda: call_command("conversion_merge", "--no-input"),
    ],
    ids=["verify", "update", "sync_now", "save", "delete all", "delete", "merge"],
)
def test_an_opt_out_that_only_its_column_knows_stands_for_the_key(conversion, pair, found, capsys):
    holder, other = pair
    of_column(other)
    found()
    push()
    is_opted_out(conversion, holder)


def test_a_row_without_a_key_saves_as_before_and_is_not_sent(conversion, pair):
    holder, other = pair
    other.title = "Boss"
    other.save()
    assert stands(other) == NOT_SENT
    assert (fresh(other).title, fresh(other).email) == ("Boss", ODD)
    assert f"Contact {holder.pk} has the same key" in in_words(fresh(other).last_error_message)
    Contact.objects.filter(pk=other.pk).update(phone="1")
    Contact.objects.bulk_update([other], ["title"])
    push()
    assert stands(other) == NOT_SENT
    assert len(sent(conversion)) == 1
    assert not Deletion.objects.exists()


@pytest.mark.parametrize("how", ["sync_now", "retry_failed", "mark"])
def test_sent_now_it_says_again_who_has_the_key(conversion, pair, how):
    holder, other = pair
    rows = Contact.objects.filter(pk=other.pk)
    getattr(rows, how)()
    assert fresh(other).sync_status == Status.PENDING
    push()
    assert stands(other) == NOT_SENT
    assert str(holder.pk) in in_words(fresh(other).last_error_message)


def test_it_takes_the_key_with_a_save_once_that_is_free(conversion, pair):
    holder, other = pair
    Contact.unmarked.filter(pk=holder.pk).delete()
    other.save()
    assert stands(other)[:3] == (ANN, Status.PENDING, "")
    assert fresh(other).sent_key is None
    push()
    assert conversion.contacts[ANN]["variables"]["first_name"] == "Anna"
    assert fresh(other).sync_status == Status.SYNCED


@pytest.mark.parametrize(
    "free",
    [
        lambda holder: holder.delete(),
        lambda holder: Contact.objects.filter(pk=holder.pk).delete(),
        lambda holder: Contact.objects.filter(pk=holder.pk).update(email="new@x.example"),
    ],
)
def test_it_takes_the_key_by_itself_when_the_other_row_gives_it_up(conversion, pair, free):
    holder, other = pair
    free(holder)
    push()
    assert stands(other)[:3] == (ANN, Status.SYNCED, "")
    # What was there was the other row's: it is deleted before.
    assert [call.method for call in conversion.calls if "/by-email/" in call.path][-1] == "DELETE"
    assert conversion.contacts[ANN]["variables"] == {"first_name": "Anna"}


def test_only_one_of_several_takes_the_key(conversion, pair):
    holder, other = pair
    third = without_key(contact("third@x.example"), "an\u200bn@x.example")
    holder.delete()
    push()
    assert {fresh(row).key for row in (other, third)} == {ANN, None}
    assert stands(third) == NOT_SENT


def test_the_deletion_of_another_row_leaves_it_alone(conversion, pair):
    _, other = pair
    synced_contact("third@x.example").delete()
    push()
    assert stands(other) == NOT_SENT


def test_corrected_it_has_a_key_of_its_own_and_deletes_nothing(conversion, pair):
    _, other = pair
    other.email = "anna@x.example"
    other.save()
    assert fresh(other).key == "anna@x.example"
    push()
    assert set(conversion.contacts) == {ANN, "anna@x.example"}
    assert not Deletion.objects.exists()


def test_corrected_to_a_key_that_is_held_it_is_refused(pair):
    _, other = pair
    contact("bob2@x.example")
    other.email = "Bob2@x.example"
    with pytest.raises(IntegrityError), transaction.atomic():
        other.save()


def test_deleted_it_deletes_nothing_there(conversion, pair):
    _, other = pair
    other.delete()
    push()
    assert ANN in conversion.contacts
    assert not Deletion.objects.exists()


def test_its_form_can_be_saved_and_a_third_row_of_the_key_is_refused(pair):
    _, other = pair
    other.title = "Boss"
    other.full_clean()
    with pytest.raises(ValidationError):
        Contact(email="an\u00adn@x.example").full_clean()
    other.email = "ann@X.example"
    other.full_clean()  # the same key, of which it has none
    contact("bob2@x.example")
    other.email = "bob2@x.example"
    with pytest.raises(ValidationError):
        other.full_clean()


def test_an_opt_out_of_it_goes_to_the_key_at_once(conversion, pair):
    _, other = pair
    other.subscription_status = "UNSUBSCRIBED"
    other.save()
    push()
    assert conversion.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert log() == [("UNSUBSCRIBED", "SYNCED")]


def test_its_engagements_and_other_wishes_wait(conversion, pair):
    _, other = pair
    event = engagement(other)
    other.subscription_status = "SUBSCRIBED"
    other.save()
    push()
    assert fresh(event).sync_status == Status.PENDING
    assert log() == [("SUBSCRIBED", "PENDING")]
    assert not sent(conversion, "/contacts/engagements")


def test_a_company_clashes_as_a_contact_does(conversion):
    company("C1", company_name="Lumentum")
    other = without_key(company("C2", company_name="Lum"), "C\u200b1")
    other.industry = "Toys"
    other.save()
    push()
    assert stands(other) == NOT_SENT
    Company.objects.get(external_id="C1").delete()
    push()
    assert conversion.companies["C1"]["variables"] == {"company_name": "Lum", "industry": "Toys"}


@pytest.mark.parametrize("in_bulk", [True, False])
def test_a_key_that_no_column_can_hold_is_refused_in_words(conversion, in_bulk):
    email = "\ufdfa" * 100 + "@x.example"  # one character that is eighteen
    if in_bulk:
        [row] = Contact.objects.bulk_create(
            [Contact(email=email, subscription_status="SUBSCRIBED")]
        )
    else:
        row = contact(email, subscription_status="SUBSCRIBED")
    firm = company("\ufb1d" * 200)
    push()
    for each in (row, firm):
        found = fresh(each)
        assert (found.key, found.sync_status) == (None, Status.FAILED)
        assert found.last_error_code == "VALIDATION_ERROR"
        assert "too long" in in_words(found.last_error_message)
    assert Contact.objects.get_or_create(email=email) == (row, False)
    assert Company.objects.get(external_id="\ufb1d" * 200) == firm
    row.email = BOB
    row.save()
    push()
    assert set(conversion.contacts) == {BOB}


def test_a_row_becomes_too_long_and_short_again(conversion):
    row = synced_contact()
    row.email = "\ufdfa" * 100 + "@x.example"
    row.save()
    assert fresh(row).key is None
    push()
    assert conversion.contacts == {}
    row.email = ANN
    row.save()
    push()
    assert set(conversion.contacts) == {ANN}


def test_a_historical_model_saves_a_row_without_a_key(pair):
    holder, other = pair
    row = historical(Contact).objects.get(pk=other.pk)
    row.title = "Boss"
    row.save()
    assert (fresh(other).key, fresh(other).title) == (None, "Boss")
    Contact.unmarked.filter(pk=holder.pk).delete()
    row.save()
    assert fresh(other).key == ANN


@pytest.mark.parametrize("held", [True, False])
def test_a_key_that_an_earlier_release_wrote_is_no_change_of_key(conversion, held):
    row = synced_contact("ann@bücher.example", first_name="Ann")
    write(row, key="ann@bücher.example", sent_key="ann@bücher.example")
    if held:
        holder = contact("ann@xn--bcher-kva.example", first_name="Anna")
    row.title = "Boss"
    row.save()
    assert not Deletion.objects.exists()
    if held:
        assert stands(row) == NOT_SENT
        assert f"Contact {holder.pk} has" in in_words(fresh(row).last_error_message)
        return
    assert fresh(row).key == fresh(row).sent_key == "ann@xn--bcher-kva.example"
    push()
    assert [call.method for call in conversion.calls] == ["POST", "POST"]


def test_a_fixture_brings_a_clash_back_as_it_was(pair):
    rows = list(Contact.unmarked.order_by("pk"))
    text = serializers.serialize("json", rows)
    Contact.unmarked.all().delete()
    for loaded in serializers.deserialize("json", text):
        loaded.save()
    assert stands(pair[1]) == NOT_SENT
    assert fresh(pair[0]).key == ANN


def test_a_fixture_of_an_earlier_release_is_spelled_anew(conversion):
    row = synced_contact("ann@bücher.example")
    write(row, key="ann@bücher.example", sent_key="ann@bücher.example")
    text = serializers.serialize("json", [fresh(row)])
    Contact.unmarked.all().delete()
    for loaded in serializers.deserialize("json", text):
        loaded.save()
    found = fresh(row)
    assert found.key == found.sent_key == "ann@xn--bcher-kva.example"
