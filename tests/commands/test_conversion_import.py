"""``conversion_import``: what a person sees, and what the rows hold afterwards."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from conversion_sync.importing import Importer, Result
from conversion_sync.importing import importer as importer_module
from conversion_sync.importing.files import text as text_module
from conversion_sync.models import (
    Company,
    Contact,
    Engagement,
    Status,
    Subscription,
    SubscriptionChange,
    attributed,
)
from conversion_sync.records.write import write

pytestmark = pytest.mark.django_db

SAMPLES = Path(__file__).resolve().parents[2] / "project" / "sample_data"

Import = Callable[..., tuple[str, str]]


@pytest.fixture
def import_csv(tmp_path) -> Import:
    """Import a text; returns what was printed and what was complained about."""

    def run(kind: str, content: str | bytes, **options: object) -> tuple[str, str]:
        path = tmp_path / "file.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        out, err = io.StringIO(), io.StringIO()
        call_command("conversion_import", kind, str(path), stdout=out, stderr=err, **options)
        return out.getvalue(), err.getvalue()

    return run


def contact(email: str = "ann@x.example", **fields: object) -> Contact:
    row: Contact = Contact.objects.create(email=email, **fields)
    return row


def state(row: Contact | Company | Engagement) -> tuple[object, ...]:
    fresh = type(row).objects.get(pk=row.pk)
    return fresh.revision, fresh.updated_at, fresh.due_at


# What goes in


def test_the_samples_go_in_whole_in_few_queries_and_only_once(django_assert_max_num_queries):
    with django_assert_max_num_queries(600):
        for kind in ("companies", "contacts", "engagements"):
            path = str(SAMPLES / f"{kind}.csv")
            call_command("conversion_import", kind, path, stdout=io.StringIO())
    assert (Company.objects.count(), Contact.objects.count()) == (503, 5000)
    assert Engagement.objects.count() == 2000
    assert SubscriptionChange.objects.count() == 1709 + 521 + 248
    before = list(Contact.objects.order_by("pk").values("revision", "updated_at", "due_at"))
    with django_assert_max_num_queries(12 * 6):
        out = io.StringIO()
        call_command("conversion_import", "contacts", str(SAMPLES / "contacts.csv"), stdout=out)
    assert "0 created, 0 updated, 5,000 unchanged" in out.getvalue()
    assert before == list(Contact.objects.order_by("pk").values("revision", "updated_at", "due_at"))


def test_a_new_row_is_due_once_behind_those_that_a_person_waits_for(import_csv):
    import_csv("contacts", "email,first_name\nann@x.example,Ann\n")
    row = Contact.objects.get()
    assert (row.sync_status, row.revision, row.priority) == (Status.PENDING, 1, 1)


def test_a_company_is_found_by_its_id_and_updated(import_csv):
    Company.objects.create(external_id="C1", company_name="Old", industry="Steel")
    out, _ = import_csv("companies", "id,company_name\nC1,New\nC2,Other\n")
    assert "1 created, 1 updated, 0 unchanged" in out
    row = Company.objects.get(external_id="C1")
    assert (row.company_name, row.industry, row.revision) == ("New", "Steel", 2)


def test_only_what_changed_is_written_and_the_row_is_sent_again(import_csv):
    one = contact(first_name="Ann", title="CTO")
    other = contact("bob@x.example", first_name="Bob")
    before = state(other)
    out, _ = import_csv(
        "contacts", "email,first_name,title\nANN@x.example,Ann,CEO\nbob@x.example,Bob,\n"
    )
    assert "0 created, 1 updated, 1 unchanged" in out
    one = Contact.objects.get(pk=one.pk)
    assert (one.title, one.revision, one.email) == ("CEO", 2, "ann@x.example")
    assert state(other) == before


def test_headers_are_known_in_any_spelling_and_with_a_byte_order_mark(import_csv):
    out, _ = import_csv(
        "contacts", "\ufeffEmail,First Name,LinkedIn-URL\na@x.example,Ann,in.example/a\n"
    )
    row = Contact.objects.get()
    assert (row.first_name, row.linkedin_url) == ("Ann", "https://in.example/a")
    assert "custom" not in out


@pytest.mark.parametrize("separator", [";", "\t"])
def test_cells_may_be_separated_as_other_countries_do(import_csv, separator):
    lines = ["Email", "Title"], ["a@x.example", "CTO, CFO"], ["b@x.example", '"a;b\tc"']
    import_csv("contacts", "\ufeff\n" + "\r\n".join(separator.join(line) for line in lines))
    assert list(Contact.objects.order_by("pk").values_list("title", flat=True)) == [
        "CTO, CFO",
        "a;b\tc",
    ]


def test_an_apostrophe_that_holds_a_formula_back_is_taken_away(import_csv):
    import_csv("contacts", "email,phone,last_name\na@x.example,'+1 555,'t Hooft\n")
    row = Contact.objects.get()
    assert (row.phone, row.last_name) == ("+1 555", "'t Hooft")


def test_an_unknown_column_becomes_a_custom_variable_and_it_is_said_once(import_csv):
    out, _ = import_csv(
        "contacts",
        "email,score,zip,Plan,price\na@x.example,21,007,pro,1.5\nb@x.example,-3,1e3,true,1.50\n",
    )
    assert out.count("“score”, “zip”, “Plan” and “price”") == 1
    one, other = (row.custom_variables for row in Contact.objects.order_by("pk"))
    assert one == {"score": 21, "zip": "007", "Plan": "pro", "price": "1.5"}
    assert other == {"score": -3, "zip": "1e3", "Plan": "true", "price": "1.50"}


def test_a_number_longer_than_json_readers_hold_stays_text(import_csv):
    import_csv("contacts", "email,card\na@x.example,12345678901234567\n")
    assert Contact.objects.get().custom_variables == {"card": "12345678901234567"}


def test_a_variable_that_only_changes_from_true_to_1_is_a_change(import_csv):
    row = contact(custom_variables={"vip": True})
    import_csv("contacts", "email,vip\nann@x.example,1\n")
    assert Contact.objects.get(pk=row.pk).custom_variables["vip"] is not True


def test_variables_that_the_file_does_not_name_stay(import_csv):
    contact(custom_variables={"plan": "pro", "seats": 3})
    import_csv("contacts", "email,seats\nann@x.example,4\n")
    assert Contact.objects.get().custom_variables == {"plan": "pro", "seats": 4}


def test_a_json_column_is_taken_as_it_is(import_csv):
    import_csv(
        "contacts",
        'email,external_contact,custom_variables\na@x.example,"{""crm"": 7}","{""deep"": [1]}"\n',
    )
    row = Contact.objects.get()
    assert (row.external_contact, row.custom_variables) == ({"crm": 7}, {"deep": [1]})


def test_lines_that_name_a_company_that_is_not_here_are_counted(import_csv):
    out, _ = import_csv("contacts", "email,company\na@x.example,Acme\nb@x.example,\n")
    assert "2 created, 0 updated, 0 unchanged, 1 without their company" in out


def test_a_json_column_takes_away_what_it_leaves_out(import_csv):
    row = contact("a@x.example", custom_variables={"plan": "pro", "x": 1, "none": None})
    content = 'email,custom_variables\na@x.example,"{""x"": 1, ""none"": null}"\n'
    import_csv("contacts", content)
    row.refresh_from_db()
    assert row.custom_variables == {"x": 1, "none": None}
    before = state(row)
    import_csv("contacts", content)
    assert state(row) == before


def test_the_company_name_of_a_contact_is_left_out_beside_its_id_and_it_is_said(import_csv):
    out, _ = import_csv("contacts", "email,company_id,company_name\na@x.example,,Acme\n")
    assert "“company_name” is left out" in out
    assert Contact.objects.get().custom_variables == {}


def test_a_company_that_only_one_has_the_name_of_is_found_by_it(import_csv):
    acme = Company.objects.create(external_id="C1", company_name="Acme")
    kept = contact("kept@x.example", company=acme)
    out, _ = import_csv(
        "contacts",
        "email,Company\na@x.example,Acme\nkept@x.example,Unknown\nb@x.example,\n",
        clear_blanks=True,
    )
    assert "“Company”: the company of that name, where there is exactly one." in out
    assert Contact.objects.get(email="a@x.example").company == acme
    assert Contact.objects.get(pk=kept.pk).company == acme
    assert Contact.objects.get(email="b@x.example").custom_variables == {}


def test_a_blank_cell_leaves_what_is_there(import_csv):
    company = Company.objects.create(external_id="C1")
    row = contact(first_name="Ann", company=company, custom_variables={"plan": "pro"})
    before = state(row)
    out, _ = import_csv("contacts", "email,first_name,company_id,plan\nann@x.example,,,\n")
    assert "1 unchanged" in out
    assert state(row) == before


def test_clear_blanks_does_not_clear_what_a_short_line_leaves_away(import_csv):
    contact(first_name="Ann", title="CEO", custom_variables={"plan": "pro"})
    out, _ = import_csv(
        "contacts", "email,first_name,title,plan\nann@x.example,\n", clear_blanks=True
    )
    assert "1 line has fewer cells than the header (line 2)" in out
    row = Contact.objects.get()
    assert (row.first_name, row.title, row.custom_variables) == ("", "CEO", {"plan": "pro"})


def test_clear_blanks_does_not_clear_what_a_spreadsheet_has_spoiled(import_csv):
    contact(phone="+1 555", custom_variables={"plan": "pro"})
    out, _ = import_csv(
        "contacts", "email,phone,plan\nann@x.example,4.92E+11,#N/A\n", clear_blanks=True
    )
    assert "Line 2, “phone”: “4.92E+11” is spoiled" in out
    row = Contact.objects.get()
    assert (row.phone, row.custom_variables) == ("+1 555", {"plan": "pro"})


def test_clear_blanks_clears_but_never_a_subscription(import_csv):
    company = Company.objects.create(external_id="C1", annual_revenue=5)
    contact(
        first_name="Ann",
        company=company,
        custom_variables={"plan": "pro"},
        subscription_status=Subscription.SUBSCRIBED,
    )
    import_csv(
        "contacts",
        "email,first_name,company_id,plan,subscription_status\nann@x.example,,,,\n",
        clear_blanks=True,
    )
    row = Contact.objects.get()
    assert (row.first_name, row.company, row.custom_variables) == ("", None, {})
    assert row.subscription_status == Subscription.SUBSCRIBED
    import_csv("companies", "id,annual_revenue\nC1,\n", clear_blanks=True)
    assert Company.objects.get().annual_revenue is None


def test_dry_run_says_and_writes_nothing(import_csv):
    row = contact(first_name="Ann")
    before = state(row)
    out, err = import_csv(
        "contacts",
        "email,first_name\nann@x.example,Eve\nnew@x.example,New\nbad,x\n",
        dry_run=True,
    )
    assert "(dry run, nothing was written): 1 created, 1 updated, 0 unchanged, 1 bad" in out
    assert "line 4: email: Enter a valid email address." in err
    assert (Contact.objects.count(), state(row)) == (1, before)


# Consent


def test_a_subscription_goes_through_the_log_with_who_asked_for_it(import_csv):
    import_csv(
        "contacts",
        "email,subscription_status\na@x.example,subscribed\n",
        requested_by="Mia",
    )
    change = SubscriptionChange.objects.get()
    assert (change.status, change.address) == ("SUBSCRIBED", "a@x.example")
    assert (change.source, change.requested_by, change.priority) == ("import", "Mia", 1)


def test_a_changed_subscription_alone_does_not_push_the_contact(import_csv):
    row = contact(subscription_status=Subscription.PENDING)
    other = contact("bob@x.example", first_name="Bob")
    import_csv(
        "contacts",
        "email,first_name,subscription_status\nann@x.example,,SUBSCRIBED\nbob@x.example,Rob,\n",
    )
    assert Contact.objects.get(pk=row.pk).revision == 1
    assert Contact.objects.get(pk=other.pk).revision == 2
    assert SubscriptionChange.objects.latest("pk").status == "SUBSCRIBED"


@pytest.mark.parametrize("status", ["SUBSCRIBED", "PENDING"])
def test_an_opt_out_is_never_lifted_but_the_rest_goes_in(import_csv, status):
    row = contact(subscription_status=Subscription.UNSUBSCRIBED)
    for expected in ("1 updated", "1 unchanged"):
        out, err = import_csv(
            "contacts", f"email,first_name,subscription_status\nann@x.example,Ann,{status}\n"
        )
        assert expected in out
        assert "1 stay unsubscribed" in out
        assert "line 2: stays unsubscribed" in err
    row = Contact.objects.get(pk=row.pk)
    assert (row.first_name, row.subscription_status) == ("Ann", "UNSUBSCRIBED")
    assert SubscriptionChange.objects.count() == 1


def test_an_opt_out_that_only_the_log_knows_is_not_lifted(import_csv):
    row = contact(subscription_status=Subscription.UNSUBSCRIBED)
    Contact.unmarked.filter(pk=row.pk).update(subscription_status="")
    _, err = import_csv("contacts", "email,subscription_status\nann@x.example,SUBSCRIBED\n")
    assert "stays unsubscribed" in err
    assert Contact.objects.get().subscription_status == ""


def test_somebody_who_opted_out_and_was_deleted_comes_back_unsubscribed(import_csv):
    contact(subscription_status=Subscription.UNSUBSCRIBED).delete()
    _, err = import_csv("contacts", "email,subscription_status\nAnn@x.example,SUBSCRIBED\n")
    assert "stays unsubscribed" in err
    assert Contact.objects.get().subscription_status == "UNSUBSCRIBED"


def test_the_opt_out_of_a_bad_line_is_entered_and_named(import_csv, tmp_path):
    rejected = tmp_path / "rejected.csv"
    text = "email,company_id,subscription_status\nann@x.example,nobody,UNSUBSCRIBED\n"
    out, err = import_csv("contacts", text, rejected=rejected)
    assert "1 bad, 1 of these bring opt-outs, which are entered all the same." in out
    assert "import it first; its opt-out is entered all the same." in err
    assert "its opt-out is entered all the same" in rejected.read_text()
    assert SubscriptionChange.objects.get().address == "ann@x.example"


def test_of_a_file_that_is_not_imported_no_opt_out_is_entered(import_csv):
    text = "email,company_id,subscription_status\nann@x.example,nobody,UNSUBSCRIBED\n"
    with pytest.raises(CommandError, match="Nothing was imported"):
        import_csv("contacts", text, strict=True)
    assert not SubscriptionChange.objects.exists()


def test_an_opt_out_is_imported_and_goes_first(import_csv):
    contact(subscription_status=Subscription.SUBSCRIBED)
    import_csv("contacts", "email,subscription_status\nann@x.example,UNSUBSCRIBED\n")
    assert SubscriptionChange.objects.latest("pk").priority == 0


# Engagements


ENGAGEMENTS = "source_key,contact_email,name,description,occurred_at,data\n"


def test_an_engagement_is_entered_once(import_csv):
    contact()
    content = ENGAGEMENTS + 'E1,ANN@x.example,Call,Talked,2026-09-10T06:34:00+00:00,"{""a"": 1}"\n'
    assert "1 created" in import_csv("engagements", content)[0]
    assert "0 created, 0 updated, 1 unchanged" in import_csv("engagements", content)[0]
    row = Engagement.objects.get()
    assert (row.name, row.data, row.source_key) == ("Call", {"a": 1}, "E1")
    assert row.occurred_at == datetime.datetime(2026, 9, 10, 6, 34, tzinfo=datetime.UTC)


def test_an_engagement_that_was_not_sent_yet_is_corrected(import_csv):
    row = Engagement.objects.create(
        contact=contact(), name="Call", description="Talked", source_key="E1"
    )
    out, _ = import_csv("engagements", ENGAGEMENTS + "E1,ann@x.example,Call,Agreed,,\n")
    assert "1 updated" in out
    assert Engagement.objects.get(pk=row.pk).description == "Agreed"


def test_an_engagement_that_was_sent_is_left_and_the_difference_is_reported(import_csv):
    row = Engagement.objects.create(
        contact=contact(), name="Call", description="Talked", source_key="E1"
    )
    Engagement.unmarked.filter(pk=row.pk).update(sync_status=Status.SYNCED, due_at=None)
    before = state(row)
    out, err = import_csv("engagements", ENGAGEMENTS + "E1,ann@x.example,Call,Agreed,,\n")
    assert "1 differ from what was sent" in out
    assert "line 2: differs from what was sent already (description)" in err
    assert (state(row), Engagement.objects.get().description) == (before, "Talked")


def test_further_columns_of_an_engagement_become_data(import_csv):
    contact()
    import_csv(
        "engagements",
        "source_key,contact_email,name,description,outcome,tags\n"
        'E1,ann@x.example,Call,Talked,won,"a, b"\n',
    )
    assert Engagement.objects.get().data == {"outcome": "won", "tags": ["a", "b"]}


def test_a_time_without_a_zone_is_the_sites(import_csv, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    contact()
    import_csv("engagements", ENGAGEMENTS + "E1,ann@x.example,Call,Talked,2026-07-01 12:00,\n")
    assert Engagement.objects.get().occurred_at.astimezone(datetime.UTC).hour == 10


# Bad lines


@pytest.mark.parametrize(
    ("kind", "header", "cells", "complaint"),
    [
        ("contacts", "email", "nobody", "email: Enter a valid email address."),
        ("contacts", "email,first_name", ",Ann", "email: this can't be blank"),
        ("contacts", "email,first_name", "a@x.example," + "x" * 151, "at most 150 characters"),
        ("contacts", "email,company_id", "a@x.example,C9", "no company “C9”: import it first"),
        ("contacts", "email,subscription_status", "a@x.example,yes", "“yes” is not one of SUB"),
        ("contacts", "email,external_contact", "a@x.example,[1]", "not a JSON object"),
        ("contacts", "email,custom_variables", "a@x.example,{", "not a JSON object"),
        (
            "contacts",
            "email,custom_variables",
            'a@x.example,"{""title"": 1}"',
            "“title” has a field of its own",
        ),
        ("contacts", "email,first_name", "a@x.example,b,c", "3 cells, where the header has 2"),
        ("contacts", "email,first_name", "a@x.example,a\0b", "a NUL character"),
        ("contacts", "email,first_name", 'a@x.example,"a"b', "quotes can't be read"),
        ("companies", "id,base_domain", "C1,https://x.example", "Enter only the domain"),
        ("companies", "id,annual_revenue", "C1,much", "must be an integer"),
        ("companies", "id,annual_revenue", "C1,-5", "greater than or equal to 0"),
        ("companies", "id,website", "C1,not a site", "Enter a valid URL"),
        (
            "engagements",
            "source_key,contact_email,name,description",
            "E1,no@x.example,Call,Talked",
            "no contact “no@x.example”",
        ),
        (
            "engagements",
            "source_key,contact_email,name,description,occurred_at",
            "E1,good@x.example,Call,Talked,yesterday",
            "occurred_at: “yesterday” value has an invalid format",
        ),
        (
            "engagements",
            "source_key,contact_email,name,description",
            "E1,good@x.example,Call,",
            "description: this can't be blank",
        ),
    ],
)
def test_a_bad_line_is_reported_and_the_good_one_goes_in(
    import_csv, kind, header, cells, complaint
):
    contact("good@x.example")
    good = {"contacts": "new@x.example", "companies": "C7", "engagements": "E7,good@x.example,n,d"}
    padding = "," * (header.count(",") - good[kind].count(","))
    out, err = import_csv(kind, f"{header}\n{cells}\n{good[kind]}{padding}\n")
    assert "1 created, 0 updated, 0 unchanged, 1 bad" in out
    assert complaint in err
    assert "line 2: " in err


def test_one_bad_line_in_5000_is_the_only_one_left_out(import_csv):
    lines = [f"c{number}@x.example,Name" for number in range(5000)]
    lines[3210] = 'oops@x.example,"Never closed'
    out, err = import_csv("contacts", "email,first_name\n" + "\n".join(lines) + "\n")
    assert "4,999 created, 0 updated, 0 unchanged, 1 bad" in out
    assert err.count("line ") == 1
    assert "line 3212: " in err


def test_line_numbers_count_the_lines_inside_quotes_and_blank_lines(import_csv):
    _, err = import_csv(
        "contacts",
        'email,title\r\na@x.example,"one\r\ntwo\r\nthree"\r\n\r\n,,\r\nbad,\r\nb@x.example,\r\n',
    )
    assert err.count("line ") == 1
    assert "line 7: email" in err
    assert Contact.objects.get(email="a@x.example").title == "one\r\ntwo\r\nthree"


def test_the_second_of_two_lines_with_one_key_is_reported(import_csv):
    _, err = import_csv(
        "contacts", "email,title\nbad,x\na@x.example,one\nA@X.example ,two\nbad,x\n"
    )
    assert "line 4: same email as line 3" in err
    assert "line 5: email: Enter a valid" in err
    assert Contact.objects.get().title == "one"


def test_the_second_of_two_lines_with_one_key_changes_nothing(import_csv):
    contact("a@x.example", title="none", phone="1")
    lines = "a@x.example,one,,\na@x.example,two,2,pro\n"
    out, err = import_csv("contacts", f"email,title,phone,plan\n{lines}")
    assert "line 3: same email as line 2" in err
    assert "1 updated" in out
    row = Contact.objects.get()
    assert (row.title, row.phone, row.custom_variables) == ("one", "1", {})


def test_the_good_cells_of_a_bad_line_are_not_taken_for_what_the_row_has(import_csv):
    contact("a@x.example", title="none")
    lines = "a@x.example,one,http://\na@x.example,one,\n"
    out, err = import_csv("contacts", f"email,title,linkedin_url\n{lines}")
    assert "line 2: linkedin_url" in err
    assert "1 updated, 0 unchanged, 1 bad" in out
    assert Contact.objects.get().title == "one"


def test_a_cell_of_ten_megabytes_is_refused_and_the_next_line_goes_in(import_csv):
    huge = "x" * (10 * 1024 * 1024)
    out, err = import_csv("contacts", f"email,title\na@x.example,{huge}\nb@x.example,ok\n")
    assert "line 2: a cell is too long" in err
    assert "1 created" in out


def test_a_record_of_too_many_lines_is_refused_and_those_lines_are_read(import_csv, monkeypatch):
    monkeypatch.setattr(text_module, "MAX_RECORD", 1000)
    lines = "".join(f"c{number}@x.example,n\n" for number in range(200))
    out, err = import_csv("contacts", f'email,title\na@x.example,"open\n{lines}')
    assert "200 created, 0 updated, 0 unchanged, 1 bad" in out
    assert "line 2: a cell is too long, or a quote is never closed" in err


def test_what_the_database_refuses_does_not_stop_the_others(import_csv, monkeypatch):
    def refuse(model, using, edits, **more):
        write(model, using, edits, **more)
        if any(edit.key == "b@x.example" for edit in edits):
            raise IntegrityError("somebody else was faster")

    monkeypatch.setattr(importer_module, "write", refuse)
    out, err = import_csv("contacts", "email\na@x.example\nb@x.example\nc@x.example\nb@x.example\n")
    assert "line 3: the database does not take it" in err
    assert "line 5: the database does not take it" in err
    assert "2 created, 0 updated, 0 unchanged, 2 bad" in out
    assert Contact.objects.count() == 2


def test_strict_keeps_nothing_when_one_line_is_bad(import_csv):
    with pytest.raises(CommandError, match="Nothing was imported") as failure:
        import_csv("contacts", "email\na@x.example\nbad\n", strict=True)
    assert failure.value.returncode == 1
    assert not Contact.objects.exists()
    import_csv("contacts", "email\na@x.example\n", strict=True)
    assert Contact.objects.count() == 1


def test_an_import_that_is_stopped_says_where(import_csv, monkeypatch):
    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(importer_module.Importer, "outcomes", stop)
    with pytest.raises(CommandError, match=r"Stopped at line 0\. What was read up to there"):
        import_csv("contacts", "email\na@x.example\n")


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, "What was read up to there"),
        ({"strict": True}, "Nothing"),
        ({"dry_run": True}, "Nothing"),
    ],
)
def test_an_import_that_is_stopped_in_the_middle_says_at_which_line(
    import_csv, monkeypatch, options, kept
):
    whole = importer_module.Importer.outcomes

    def stop(self):
        yield from whole(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(importer_module.Importer, "outcomes", stop)
    with pytest.raises(CommandError, match=rf"Stopped at line 3\. {kept} went in"):
        import_csv("contacts", "email\na@x.example\nb@x.example\n", **options)
    assert Contact.objects.count() == (0 if kept == "Nothing" else 2)


# Bad files


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            b"\xef\xbb\xbfemail\nok@x.example\nm\xfcller@x.example\n",
            r"line 3: the file is not UTF-8 .byte 0xfc",
        ),
        (
            b"email,title\nok@x.example,M\xfcller\nb@x.example,M\x81ller",
            r"line 3: the file is not Windows-1252 .byte 0x81",
        ),
        (b"\xff\xfee\0m\0a\0i\0l", "line 1: the file is not UTF-16"),
        (b"", "line 1: the file is empty"),
        (b"\n\n", "line 1: the file is empty"),
        (b"first_name,title\nAnn,CTO\n", "line 1: the column “email” is missing"),
        (b"mail;title\na@x.example;CTO\n", "line 1: the column “email” is missing"),
        (b"email,title,title\n", "line 1: there are two columns “title”"),
        (b"email,E-mail,Email\n", "the columns “email” and “E-mail” mean the same"),
        (b"Phone;Email;E-mail\n", "the columns “Email” and “E-mail” mean the same"),
        (b'"email\n', "line 1: a quote is never closed"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_with_file_line_and_reason(
    import_csv, content, complaint
):
    with pytest.raises(CommandError, match=complaint) as failure:
        import_csv("contacts", content)
    assert "file.csv, line " in str(failure.value)
    assert "Nothing was imported." in str(failure.value)
    assert not Contact.objects.exists()


def test_all_missing_columns_are_named(import_csv):
    with pytest.raises(CommandError, match="“contact_email”, “name” and “description” are missing"):
        import_csv("engagements", "source_key\nE1\n")


def test_the_missing_id_of_a_company_is_named_as_people_write_it(import_csv):
    with pytest.raises(CommandError, match="the column “id” is missing"):
        import_csv("companies", "name\nAcme\n")


def test_a_missing_file_is_said():
    with pytest.raises(CommandError, match=r"nowhere\.csv: No such file"):
        call_command("conversion_import", "contacts", "nowhere.csv")


def test_a_header_alone_is_no_error(import_csv):
    assert "0 created" in import_csv("contacts", "email\n")[0]


# What a person says of the columns


def test_a_person_says_what_the_columns_become(import_csv):
    out, _ = import_csv(
        "contacts",
        "email,Tel.,Plan,Notes\na@x.example,555,1,private\n",
        column=["Tel.=phone", "Plan=variable:text"],
        skip=["Notes"],
    )
    row = Contact.objects.get()
    assert (row.phone, row.custom_variables) == ("555", {"Plan": "1"})
    assert "Read: “Tel.” as phone." in out
    assert "“Plan”" in out
    assert "Notes" not in out


def test_a_title_may_hold_the_sign_of_equality(import_csv):
    import_csv("contacts", "email,a=b\na@x.example,1\n", column=["a=b=first_name"])
    assert Contact.objects.get().first_name == "1"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"column": ["Tel.=phone"]}, "there is no column “Tel.”"),
        ({"skip": ["Tel."]}, "there is no column “Tel.”"),
        ({"column": ["title=telephone"]}, "“telephone” is none of: email, first_name"),
        ({"column": ["title=variable:complex"]}, "“variable:complex” is none of"),
        ({"column": ["title=phone:number"]}, "“phone:number” is none of"),
        ({"column": ["title"]}, "'title' is not TITLE=FIELD"),
        (
            {"column": ["title=email", "email=email"]},
            "the columns “email” and “title” mean the same",
        ),
        ({"skip": ["email"]}, "the column “email” is missing"),
        ({"encoding": "klingon"}, "there is no encoding “klingon”"),
    ],
)
def test_a_choice_that_is_none_is_refused(import_csv, options, complaint):
    with pytest.raises(CommandError, match=re.escape(complaint)):
        import_csv("contacts", "email,title\na@x.example,CEO\n", **options)
    assert not Contact.objects.exists()


# Rejected lines


def test_the_rejected_lines_are_written_mended_and_imported(import_csv, tmp_path):
    rejected = tmp_path / "rejected.csv"
    content = (
        "Notes;E-Mail;Phone;;Zip\r\n"
        "a;ann@x.example;;;01234\r\n"
        "b;nobody;+1 555;x;\r\n"
        "c;bob@x.example;1;2;3;4\r\n"
        'd;"cid@x.example"x\r\n'
        "e;dan@x.example;=1+1;;94105\r\n"
    )
    options = {"skip": ["Notes"], "rejected": rejected}
    out, _ = import_csv("contacts", content, **options)
    assert f"Rejected lines: {rejected}" in out
    text = rejected.read_bytes().decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text, newline="")))
    assert lines == [
        ["Notes", "E-Mail", "Phone", "column_4", "Zip", "Rejected because"],
        ["b", "nobody", "'+1 555", "x", "", "line 3: E-Mail: Enter a valid email address."],
        [
            *("c", "bob@x.example", "1", "2", "3"),
            "line 4: 6 cells, where the header has 5 columns",
            "4",
        ],
        [
            *('d;"cid@x.example"x', "", "", "", ""),
            "line 5: the quotes can't be read (';' expected after '\"')",
        ],
    ]
    rejected.rename(tmp_path / "mended.csv")
    mended = text.replace("nobody", "eve@x.example")
    assert (
        "1 created, 0 updated, 0 unchanged, 2 bad" in import_csv("contacts", mended, **options)[0]
    )
    eve = Contact.objects.get(email="eve@x.example")
    assert (eve.phone, eve.custom_variables) == ("+1 555", {"column_4": "x"})
    again = list(csv.reader(io.StringIO(rejected.read_bytes().decode("utf-8-sig"), newline="")))
    assert again[0] == lines[0]
    assert again[1][-2:] == ["line 3: 7 cells, where the header has 6 columns", "4"]


def test_no_file_is_left_where_no_line_is_rejected(import_csv, tmp_path):
    rejected = tmp_path / "rejected.csv"
    rejected.write_text("of an earlier run")
    out, _ = import_csv("contacts", "email\na@x.example\n", rejected=rejected)
    assert not rejected.exists()
    assert "Rejected" not in out


def test_the_file_that_is_imported_is_not_written_over(import_csv, tmp_path):
    with pytest.raises(CommandError, match="is the file that is imported"):
        import_csv("contacts", "email\nbad\n", rejected=tmp_path / "file.csv")
    assert (tmp_path / "file.csv").read_bytes() == b"email\nbad\n"


# The importer, without the command


def test_the_importer_yields_an_outcome_for_each_line():
    file = io.BytesIO(b"email\na@x.example\nbad\n")
    outcomes = list(Importer("contacts", file).outcomes())
    assert [(o.number, o.result) for o in outcomes] == [(2, Result.CREATED), (3, Result.BAD)]
    assert not file.closed


@pytest.mark.django_db(transaction=True)
def test_chunks_are_committed_one_by_one():
    lines = "".join(f"c{number}@x.example\n" for number in range(importer_module.LINES_AT_ONCE + 1))
    outcomes = Importer("contacts", io.BytesIO(f"email\n{lines}".encode())).outcomes()
    next(outcomes)
    assert not transaction.get_connection().in_atomic_block
    assert Contact.objects.count() == importer_module.LINES_AT_ONCE
    # Nothing of the import's attribution leaks to whoever reads the outcomes.
    assert contact("person@x.example").priority == 0
    with attributed(requested_by="somebody else"):
        next(outcomes, None)


# Keys


def test_a_line_is_about_the_row_of_its_key_however_it_is_spelled(import_csv):
    row = contact("ann@bücher.example")
    company = Company.objects.create(external_id="C1")
    lines = "email,first_name,company_id\n\ufeffANN@xn--bcher-kva.example,Ann,C\u200b1\n"
    import_csv("contacts", lines)
    found = Contact.objects.get()
    assert (found.pk, found.email, found.first_name) == (row.pk, row.email, "Ann")
    assert found.company == company


@pytest.mark.parametrize("email", ["İnfo@x.example", "ann@" + "ü." * 120 + "example"])
def test_an_address_that_could_not_be_sent_is_a_bad_line(import_csv, email):
    _, err = import_csv("contacts", f"email\n{email}\n")
    assert "line 2: email" in err
    assert not Contact.objects.exists()


def test_an_address_with_what_nobody_sees_is_a_good_line(import_csv):
    import_csv("contacts", "email\na\u200bnn@x.example\n")
    assert Contact.objects.get().key == "ann@x.example"
