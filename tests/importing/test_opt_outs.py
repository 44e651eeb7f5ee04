"""An opt-out that a file brings is entered, whatever else is wrong with its line."""

from __future__ import annotations

import io
from typing import Any

import pytest

from conversion_sync.importing import Importer, Outcome, Result
from conversion_sync.models import Contact, SubscriptionChange

pytestmark = pytest.mark.django_db

OUT = "ann@x.example"


def outcomes(text: str | bytes, **options: Any) -> list[Outcome]:
    content = text.encode() if isinstance(text, str) else text
    return list(Importer("contacts", io.BytesIO(content), **options).outcomes())


def opted_out() -> list[str]:
    """The addresses of all opt-outs in the log."""
    rows = SubscriptionChange.objects.opt_outs().order_by("pk")
    return list(rows.values_list("address", flat=True))


HEADER = "email,first_name,company_id,linkedin_url,subscription_status"

BAD = {
    "the company is not known": f"{HEADER}\n{OUT},Ann,nobody,,UNSUBSCRIBED\n",
    "a URL that is none": f"{HEADER}\n{OUT},Ann,,http://,UNSUBSCRIBED\n",
    "a name that is too long": f"{HEADER}\n{OUT},{'n' * 200},,,unsubscribed\n",
    "a cell too many at the end": f"{HEADER}\n{OUT},Ann,,,UNSUBSCRIBED,x\n",
    "a cell too many before the status": f"{HEADER}\n{OUT},Doe, Ann,,,UNSUBSCRIBED\n",
    "a cell too many before the email": (
        f"name,email,subscription_status\nDoe, Ann,{OUT},UNSUBSCRIBED\n"
    ),
    "a quote that is never closed": f'{HEADER}\n{OUT},"Ann,,,UNSUBSCRIBED\n',
    "a quote that is followed by letters": f'{HEADER}\n{OUT},"Ann"x,,,UNSUBSCRIBED\n',
    "a NUL": f"{HEADER}\n{OUT},A\0nn,,,UNSUBSCRIBED\n",
    "a NUL in a status": f"{HEADER}\n{OUT},Ann,,,UNSUB\0SCRIBED\n",
    "an opt-out of another program": f"email,company_id,Email Opt Out\n{OUT},nobody,yes\n",
    "such a column, and a cell too many": f"email,name,UNSUB_TIME\n{OUT},Doe, Ann,2026-01-02\n",
    "a variable that has the name of a field": (
        f'email,custom_variables,subscription_status\n{OUT},"{{""title"": 1}}",UNSUBSCRIBED\n'
    ),
    "an id that a spreadsheet has spoiled": (
        f"email,company_id,subscription_status\n{OUT},4.92E+11,UNSUBSCRIBED\nb@x.example,,\n"
    ),
    "semicolons": f"email;name;subscription_status\n{OUT};Doe; Ann;UNSUBSCRIBED\n",
    "another word for it": f"{HEADER}\n{OUT},Ann,nobody,,Opted-Out\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
@pytest.mark.parametrize("is_here", [True, False])
def test_the_opt_out_of_a_bad_line_is_entered(text: str, is_here: bool):
    if is_here:
        row = Contact.objects.create(email="Ann@x.example", subscription_status="SUBSCRIBED")
    first = outcomes(text)[0]
    assert first.result is Result.BAD
    assert first.opt_out_is_taken
    assert first.message.endswith("its opt-out is entered all the same")
    [change] = SubscriptionChange.objects.opt_outs()
    assert (change.address, change.source) == (OUT, "import")
    if is_here:
        assert change.contact_id == row.pk
        assert change.priority == 0
        assert Contact.objects.get(email=OUT).subscription_status == "UNSUBSCRIBED"
    else:
        assert change.contact_id is None
        assert not Contact.objects.filter(email=OUT).exists()


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_preview_says_so_and_enters_nothing(text: str):
    assert outcomes(text, dry_run=True)[0].opt_out_is_taken
    assert opted_out() == []


@pytest.mark.parametrize(
    ("first", "second"), [("SUBSCRIBED", "UNSUBSCRIBED"), ("UNSUBSCRIBED", "SUBSCRIBED")]
)
@pytest.mark.parametrize("is_here", [True, False])
@pytest.mark.parametrize("other", ["ANN@X.example", "\u200bann@x.example", " ann@x.example"])
def test_the_order_of_lines_does_not_matter(first: str, second: str, is_here: bool, other: str):
    if is_here:
        Contact.objects.create(email=OUT, subscription_status="SUBSCRIBED")
    text = f"email,subscription_status\n{OUT},{first}\n{other},{second}\n"
    found = outcomes(text)
    assert found[0].result is (Result.UPDATED if is_here else Result.CREATED)
    assert found[0].stays_unsubscribed is (first == "SUBSCRIBED")
    assert found[1].result is Result.BAD
    assert found[1].opt_out_is_taken is (second == "UNSUBSCRIBED")
    assert opted_out() == [OUT]
    assert SubscriptionChange.objects.latest("pk").status == "UNSUBSCRIBED"
    assert Contact.objects.get().subscription_status == "UNSUBSCRIBED"


def test_an_opt_out_far_below_holds_before_its_line_is_reached():
    """No chunk of the file is sent with a subscription that a later one takes back."""
    lines = [f"p{n}@x.example,SUBSCRIBED" for n in range(1200)]
    text = "\n".join(["email,subscription_status", f"{OUT},SUBSCRIBED", *lines, f"{OUT},OPTED OUT"])
    importer = Importer("contacts", io.BytesIO(text.encode()))
    first = next(importer.outcomes())
    assert first.stays_unsubscribed
    assert Contact.objects.get(email=OUT).subscription_status == "UNSUBSCRIBED"


def test_the_status_may_stand_before_the_email():
    Contact.objects.create(email=OUT, subscription_status="UNSUBSCRIBED").delete()
    [found] = outcomes(f"subscription_status,email\nSUBSCRIBED,{OUT}\n")
    assert found.stays_unsubscribed
    assert Contact.objects.get().subscription_status == "UNSUBSCRIBED"


def test_an_opt_out_is_entered_once_however_often_the_file_is_imported():
    for _ in range(2):
        outcomes(f"{HEADER}\n{OUT},Ann,nobody,,UNSUBSCRIBED\n{OUT},Ann,nobody,,UNSUBSCRIBED\n")
    assert opted_out() == [OUT]


def test_an_opt_out_that_the_log_has_lost_is_entered():
    row = Contact.objects.create(email=OUT)
    Contact.unmarked.filter(pk=row.pk).update(subscription_status="UNSUBSCRIBED")
    assert outcomes(f"{HEADER}\n{OUT},,,,UNSUBSCRIBED\n")[0].result is Result.UNCHANGED
    assert opted_out() == [OUT]


NOBODYS = {
    "no email": f"{HEADER}\n,Ann,,,UNSUBSCRIBED\n",
    "an email that is none": f"{HEADER}\nann,Ann,,,UNSUBSCRIBED\n",
    "an email that a spreadsheet has spoiled": f"{HEADER}\n#REF!,Ann,,,UNSUBSCRIBED\n",
    "two emails": "email,name,subscription_status\na@x.example,b@x.example,Ann,UNSUBSCRIBED\n",
    "cells in another order": f"{HEADER}\nAnn,UNSUBSCRIBED,{OUT}\n",
    "the rest of a broken line": f'{HEADER}\n{OUT},"Ann\nSmith"x,,,UNSUBSCRIBED\n',
}


@pytest.mark.parametrize("text", NOBODYS.values(), ids=NOBODYS)
def test_an_opt_out_that_is_nobodys_is_left_and_said(text: str):
    messages = [found.message for found in outcomes(text)]
    assert any("whose opt-out it is can't be told" in message for message in messages)
    assert opted_out() == []


def test_what_is_no_opt_out_is_none():
    text = (
        f"{HEADER},manager_email,note\n{OUT},Ann,nobody,,SUBSCRIBED,boss@x.example,unsubscribed\n"
        "b@x.example,Bob,nobody,,,boss@x.example,UNSUBSCRIBED\n"
        "b@x.example,Bob, B,,,SUBSCRIBED,,,\n"
    )
    found = outcomes(text)
    assert {each.result for each in found} == {Result.BAD}
    assert not any("opt-out" in each.message for each in found)
    assert opted_out() == []


@pytest.mark.parametrize(
    "word",
    [
        "UNSUBSCRIBED\u200b",
        "\ufeffunsubscribed",
        "Un-subscribed",
        "UNSUBSCRIBED.",
        "unsub\u00adscribed",
    ],
)
def test_an_opt_out_is_one_however_it_is_written(word: str):
    [found] = outcomes(f"email,subscription_status\n{OUT},{word}\n")
    assert (found.result, opted_out()) == (Result.CREATED, [OUT])


@pytest.mark.parametrize("mark", ["✓", "✔\ufe0f", "☒", "×", "1.0", "Yes.", "TRUE\u200b"])
def test_a_tick_or_a_cross_for_an_opt_out_is_one(mark: str):
    outcomes(f"email,Email Opt Out\n{OUT},{mark}\nb@x.example,0.0\nc@x.example,-\n")
    assert (opted_out(), Contact.objects.count()) == ([OUT], 3)


@pytest.mark.parametrize(
    "title", ["Do Not Email", "donotemail", "Unsubscribed At", "Has-Opted-Out Of Email"]
)
def test_an_opt_out_is_one_however_its_column_is_called(title: str):
    outcomes(f"email,Opted Out,{title}\n{OUT},no,1\nb@x.example,no,0\n")
    assert opted_out() == [OUT]


@pytest.mark.parametrize("word", ["UNSUBSCRIBED", "Opt-out"])
def test_an_opt_out_holds_in_whichever_column_of_the_status_it_stands(word: str):
    found = outcomes(
        "email,subscription_status,Marketing Status\n"
        f"{OUT},SUBSCRIBED,{word}\nb@x.example,UNSUBSCRIBED,SUBSCRIBED\nc@x.example,,PENDING\n"
    )
    assert {each.result for each in found} == {Result.CREATED}
    assert opted_out() == [OUT, "b@x.example"]
    assert [c.custom_variables for c in Contact.objects.all()] == [{}, {}, {}]
    assert Contact.objects.get(email="c@x.example").subscription_status == ""


def test_a_sign_that_nobody_knows_is_not_taken_for_nothing():
    [found] = outcomes(f"email,Email Opt Out\n{OUT},☺\n")
    assert "does not say whether somebody has opted out" in found.message


def test_who_may_not_change_subscriptions_enters_no_opt_out():
    text = f"{HEADER}\n{OUT},Ann,nobody,,UNSUBSCRIBED\n"
    assert not outcomes(text, withheld=["subscription_status"])[0].opt_out_is_taken
    assert opted_out() == []
