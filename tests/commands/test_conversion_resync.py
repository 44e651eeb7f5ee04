"""``conversion_resync``: everything is pushed as if for the first time, and nobody resubscribed."""

from __future__ import annotations

import builtins
import io

import pytest
from django.core.management import CommandError, call_command

from conversion_sync.models import Company, Contact, Deletion, Status
from conversion_sync.models.state import BULK
from tests.kit import ANN, BOB, company, engagement, fresh, push, sent, synced_contact

pytestmark = pytest.mark.django_db

SUBSCRIPTIONS = "/contacts/batch-subscription"


def run(*args: str, **options: object) -> str:
    out = io.StringIO()
    call_command("conversion_resync", *args, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def answer(monkeypatch):
    """What is typed when the command asks; asking twice is an error."""

    def will_be(text: str) -> None:
        answers = iter([text])
        monkeypatch.setattr(builtins, "input", lambda prompt: next(answers))

    return will_be


@pytest.fixture
def pushed(conversion):
    """A subscriber with an engagement, somebody who opted out, and a company, all arrived."""
    ann = synced_contact(first_name="Ann", subscription_status="SUBSCRIBED")
    synced_contact(BOB, subscription_status="UNSUBSCRIBED")
    engagement(ann)
    company(company_name="Engines")
    push()
    return conversion


def test_it_says_how_many_and_asks_first(pushed, answer):
    answer("yes")
    out = run()
    assert "pushes 1 company and 2 contacts again" in out
    assert "1 company and 2 contacts will be pushed again" in out
    assert Contact.objects.waiting().count() == 2


@pytest.mark.parametrize("said", ["no", "", "y"])
def test_anything_but_yes_changes_nothing(pushed, answer, said):
    answer(said)
    with pytest.raises(CommandError, match="Nothing was changed"):
        run()
    assert not Contact.objects.waiting().exists()
    assert Contact.objects.exclude(sent_key=None).count() == 2


def test_a_program_need_not_be_asked(pushed):
    assert "2 contacts will be pushed again" in run("--no-input")


def test_all_is_in_an_empty_account_as_it_was_and_events_are_not_repeated(pushed):
    before = {key: record["variables"] for key, record in pushed.contacts.items()}
    pushed.reset()
    run("--no-input")
    push()
    assert {key: record["variables"] for key, record in pushed.contacts.items()} == before
    assert [*pushed.companies] == ["C1"]
    assert pushed.engagements == []
    assert not Contact.objects.unfinished().exists()


def test_every_standing_opt_out_is_told_again_and_nothing_else_of_consent(pushed):
    pushed.reset()
    run("--no-input")
    push()
    told = [item for body in sent(pushed, SUBSCRIPTIONS) for item in body["contacts"]]
    assert told == [{"email": BOB, "subscriptionStatus": "UNSUBSCRIBED"}]


def test_nobody_who_opted_out_there_is_subscribed(pushed):
    pushed.set_status(ANN, "UNSUBSCRIBED")
    run("--no-input")
    push()
    assert pushed.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_one_kind_leaves_the_other_alone(pushed):
    out = run("companies", "--no-input")
    assert out == "1 company will be pushed again, in the background.\n"
    assert not Contact.objects.waiting().exists()
    assert Company.objects.get().sync_status == Status.PENDING


def test_another_kind_is_refused():
    with pytest.raises(CommandError, match="invalid choice"):
        run("engagements")


def test_nobody_at_a_screen_waits_behind_it(pushed):
    run("--no-input")
    assert set(Contact.objects.values_list("priority", flat=True)) == {BULK}


def test_what_is_equal_there_is_sent_all_the_same(pushed):
    calls = len(sent(pushed))
    run("contacts", "--no-input")
    push()
    assert len(sent(pushed)) == calls + 1


def test_without_rows_nothing_happens(conversion):
    assert "0 companies and 0 contacts" in run("--no-input")
    push()
    assert conversion.calls == []


def test_a_row_that_had_failed_is_tried_again(pushed):
    row = Contact.objects.get(email=ANN)
    Contact.unmarked.filter(pk=row.pk).update(sync_status=Status.FAILED, attempts=9)
    run("--no-input")
    push()
    assert fresh(row).sync_status == Status.SYNCED


def test_what_is_deleted_before_its_push_is_deleted_in_conversion(pushed):
    run("--no-input")
    for row in [*Contact.objects.all(), *Company.objects.all()]:
        row.delete()
    push()
    assert pushed.contacts == pushed.companies == {}


def test_who_changes_the_address_before_the_push_leaves_nobody_behind(pushed):
    pushed.set_status(ANN, "UNSUBSCRIBED")
    run("--no-input")
    row = Contact.objects.get(email=ANN)
    row.email = "new@x.example"
    row.save()
    push()
    assert set(pushed.contacts) == {"new@x.example", BOB}
    assert pushed.contacts["new@x.example"]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_in_another_account_what_is_deleted_before_its_push_is_no_failure(pushed):
    pushed.reset()
    run("--no-input")
    Contact.objects.get(email=BOB).delete()
    push()
    assert set(pushed.contacts) == {ANN}
    assert [row.sync_status for row in Deletion.objects.all()] == [Status.SYNCED]


def test_who_is_deleted_here_alone_before_the_push_stays_opted_out_there(pushed, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "DELETE_REMOTE": False}
    pushed.set_status(BOB, "PENDING")  # Conversion was restored
    run("--no-input")
    Contact.objects.get(email=BOB).delete()
    push()
    assert pushed.contacts[BOB]["subscriptionStatus"] == "UNSUBSCRIBED"
