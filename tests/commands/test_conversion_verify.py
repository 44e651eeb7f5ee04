"""``conversion_verify``: what differs is said, for people and programs, and pushed on demand."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from conversion_sync.management.commands import conversion_verify
from conversion_sync.models import Company, Contact, Status, SubscriptionChange
from conversion_sync.models.attribution import in_bulk
from conversion_sync.sync.gate import Gate
from tests.kit import ANN, BOB, company, push, synced_contact

pytestmark = pytest.mark.django_db


def run(*args: str) -> tuple[list[str], str, int]:
    """What it prints, its summary, and its exit status."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("conversion_verify", *args, stdout=out, stderr=err)
    except SystemExit as end:
        status = int(end.code or 0)
    return out.getvalue().splitlines(), err.getvalue().strip(), status


@pytest.fixture
def pushed(conversion) -> Any:
    synced_contact(first_name="Ann")
    synced_contact(BOB, first_name="Bob")
    company(company_name="Engines")
    push()
    return conversion


def change_there(box: Any, **variables: str) -> None:
    box.app.store.upsert_contacts([{"email": ANN, "variables": variables}])


def test_where_all_is_the_same_nothing_is_listed(pushed):
    assert run() == ([], "Compared: 3 the same.", 0)


def test_without_rows_there_is_nothing_to_compare(conversion):
    assert run() == ([], "Compared: no rows.", 0)


def test_what_differs_is_said_with_both_sides_and_is_status_1(pushed):
    change_there(pushed, first_name="Anne")
    lines, summary, status = run()
    assert lines == [f"{ANN}: first_name: 'Ann' here, 'Anne' there"]
    assert (summary, status) == ("Compared: 2 the same, 1 differ.", 1)


def test_what_raw_sql_changed_here_is_found(pushed):
    Contact.unmarked.filter(email=ANN).update(first_name="Raw")
    lines, _, status = run("contacts")
    assert (lines, status) == ([f"{ANN}: first_name: 'Raw' here, 'Ann' there"], 1)


def test_what_is_missing_there_is_said(pushed):
    pushed.reset()
    lines, summary, status = run("contacts")
    assert lines == [f"{ANN}: not in Conversion", f"{BOB}: not in Conversion"]
    assert (summary, status) == ("Compared: 2 missing there.", 1)


def test_who_opted_out_there_is_said(pushed):
    pushed.set_status(ANN, "UNSUBSCRIBED")
    lines, summary, status = run("contacts")
    assert lines == [f"{ANN}: unsubscribed there, not here"]
    assert "1 opted out there" in summary
    assert status == 1


def test_what_only_conversion_knows_is_no_difference(pushed):
    change_there(pushed, favourite="blue")
    assert run("contacts")[2] == 0


def test_it_pushes_nothing_unless_told_to(pushed):
    pushed.reset()
    run()
    push()
    assert pushed.contacts == {}


def test_what_differs_is_pushed_where_one_says_so_and_the_rest_left_alone(pushed):
    change_there(pushed, first_name="Anne")
    run("--push")
    assert list(Contact.objects.waiting().values_list("email", flat=True)) == [ANN]
    push()
    assert pushed.contacts[ANN]["variables"]["first_name"] == "Ann"
    assert run()[2] == 0


def test_what_is_pushed_does_not_hold_up_the_comparing_of_the_rest(conversion):
    # Comparing yields to what people wait for: its own pushes must be none of that.
    Contact.objects.bulk_create(Contact(email=f"c{n}@x.example") for n in range(10))
    push()
    conversion.reset()
    lines, _, _ = run("contacts", "--push")
    assert len(lines) == Contact.objects.waiting().count() == 10


def test_a_program_reads_an_object_a_line(pushed):
    change_there(pushed, first_name="Anne")
    lines, _, status = run("--json")
    assert [json.loads(line) for line in lines] == [
        {
            "kind": "contact",
            "key": ANN,
            "error": "",
            "missing": False,
            "opted_out": False,
            "opted_out_here": False,
            "fields": {"first_name": {"here": "Ann", "there": "Anne"}},
        }
    ]
    assert status == 1


def test_a_sample_is_no_more_than_asked_for(pushed):
    pushed.app.traffic.reset()
    assert run("contacts", "--sample", "1")[1] == "Compared: 1 the same."
    assert len(pushed.calls) == 1


def test_one_kind_is_compared_alone(pushed):
    Company.unmarked.update(company_name="Raw")
    assert run("contacts")[2] == 0
    lines, _, status = run("companies")
    assert (len(lines), status) == (1, 1)
    assert lines[0] == "C1: company_name: 'Raw' here, 'Engines' there"


def test_what_could_not_be_asked_for_is_said_and_is_no_difference(pushed):
    pushed.fail("500", path="by-email", count=1)
    lines, summary, status = run("contacts", "--push")
    assert len(lines) == 1
    assert "1 could not be asked for" in summary
    assert status == 0
    assert set(Contact.objects.values_list("sync_status", flat=True)) == {Status.SYNCED}


def test_a_gate_that_is_paused_ends_it(pushed):
    Gate().pause("Mia")
    with pytest.raises(CommandError, match="conversion_status"):
        run()


@pytest.mark.parametrize("given", [{"API_KEY": ""}, {"ENABLED": False}])
def test_without_a_key_there_is_nobody_to_ask(pushed, settings, given):
    settings.CONVERSION_SYNC = settings.CONVERSION_SYNC | given
    with pytest.raises(CommandError, match="nobody to ask"):
        run()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("more", [[], ["--sample", "5"]], ids=["all", "sample"])
def test_others_write_while_it_asks_for_more_rows_than_are_read_at_once(
    more, conversion, monkeypatch
):
    monkeypatch.setattr(conversion_verify, "ROWS_AT_ONCE", 2)
    with in_bulk():
        Contact.objects.bulk_create(Contact(email=f"{n}@x.example") for n in range(5))

    def write(_request: Any) -> None:
        # In bulk: comparing yields to what people wait for.
        with in_bulk():
            Company.objects.create(external_id=uuid.uuid4().hex)
        connection.close()

    conversion.before(write, method="GET", count=5)
    assert run("contacts", *more)[1:] == ("Compared: 5 missing there.", 1)


# Consent


def test_an_opt_out_that_was_lost_here_is_found_entered_and_sent(pushed):
    Contact.unmarked.filter(email=ANN).update(subscription_status="UNSUBSCRIBED")
    lines, summary, status = run("contacts", "--local")
    assert lines == [f"{ANN}: unsubscribed here, and no opt-out stands in the log"]
    assert summary == "Compared: 1 not as the consent log."
    assert status == 1
    push()
    assert pushed.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert run("contacts") == ([], "Compared: 2 the same.", 0)


def test_without_a_key_the_log_is_compared_all_the_same(pushed, settings):
    Contact.unmarked.filter(email=ANN).update(subscription_status="UNSUBSCRIBED")
    settings.CONVERSION_SYNC = {}
    with pytest.raises(CommandError, match="nobody to ask"):
        run()
    assert SubscriptionChange.objects.get().address == ANN
    assert run("--local")[2] == 0


def test_where_the_log_alone_was_compared_and_agrees_it_says_so(pushed):
    assert run("--local") == ([], "Compared: contacts and consent log agree.", 0)
    assert run("--local", "companies") == ([], "Compared: no rows.", 0)


def test_a_dry_run_enters_nothing(pushed):
    Contact.unmarked.filter(email=ANN).update(subscription_status="UNSUBSCRIBED")
    pushed.contacts[BOB]["subscriptionStatus"] = "UNSUBSCRIBED"
    lines, _, status = run("contacts", "--dry-run")
    assert (len(lines), status) == (2, 1)
    assert not SubscriptionChange.objects.exists()


def test_an_opt_out_that_only_conversion_knows_is_taken_into_the_log(pushed):
    pushed.contacts[BOB]["subscriptionStatus"] = "UNSUBSCRIBED"
    lines, _, status = run("contacts")
    assert lines == [f"{BOB}: unsubscribed there, not here"]
    assert status == 1
    assert Contact.objects.get(email=BOB).subscription_status == "UNSUBSCRIBED"
    assert run("contacts")[2] == 0


def test_an_opt_out_that_conversion_has_lost_is_sent_again(pushed):
    row = Contact.objects.get(email=ANN)
    row.subscription_status = "UNSUBSCRIBED"
    row.save()
    push()
    pushed.contacts[ANN]["subscriptionStatus"] = "SUBSCRIBED"
    lines, summary, status = run("contacts")
    assert lines == [f"{ANN}: unsubscribed here, not there"]
    assert (summary, status) == ("Compared: 1 opted out here alone, 1 the same.", 1)
    push()
    assert pushed.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert run("contacts")[2] == 0


def test_no_opt_out_is_lifted_whatever_differs(pushed):
    row = Contact.objects.get(email=ANN)
    row.subscription_status = "UNSUBSCRIBED"
    row.save()
    push()
    Contact.unmarked.filter(email=ANN).update(subscription_status="SUBSCRIBED")
    run("contacts", "--push")
    push()
    assert pushed.contacts[ANN]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert Contact.objects.get(email=ANN).subscription_status == "UNSUBSCRIBED"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_found_until_it_is_stopped_is_entered(pushed, settings, number):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CONCURRENCY": 1}
    pushed.set_status(ANN, "UNSUBSCRIBED")
    pushed.set_status(BOB, "UNSUBSCRIBED")
    pushed.before(lambda _: os.kill(os.getpid(), number), method="GET", path="by-email")
    with pytest.raises(CommandError, match="Stopped") as stopped:
        run("contacts")
    assert stopped.value.returncode == 130
    assert [change.address for change in SubscriptionChange.objects.all()] == [ANN]


def test_it_is_stopped_while_it_waits_for_the_gate(pushed, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CONCURRENCY": 1}
    pushed.fail("status", status=429, headers={"Retry-After": "100"}, count=None)
    timer = threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGTERM])
    timer.start()
    begun = time.monotonic()
    with pytest.raises(CommandError, match="Stopped"):
        run("contacts")
    assert time.monotonic() - begun < 10
