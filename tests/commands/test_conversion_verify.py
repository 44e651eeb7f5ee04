"""``conversion_verify``: what differs is said, for people and programs, and pushed on demand."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from conversion_sync.models import Company, Contact, Status
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
