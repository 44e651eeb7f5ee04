"""Actions on many rows: counted and confirmed first, in the background where they are many."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, Value
from django.db.models.functions import Concat
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conversion_sync.admin.bulk import perform
from conversion_sync.admin.bulk.texts import TEXTS
from conversion_sync.admin.contact import ContactAdmin
from conversion_sync.admin.lists.filters import RecordStatusFilter
from conversion_sync.admin.synced import SyncedAdmin
from conversion_sync.models import (
    BulkJob,
    Company,
    Contact,
    Deletion,
    Engagement,
    SubscriptionChange,
)
from conversion_sync.models.state import PERSON
from conversion_sync.sync import jobs
from tests.admin.conftest import BASE, state
from tests.kit import push

CONTACTS = ("view_contact", "sync_contact", "set_subscription")


@pytest.fixture
def two_are_many(monkeypatch):
    monkeypatch.setattr(perform, "AT_ONCE", 1)


def many(count, **columns):
    rows = [Contact(email=f"c{n:03}@x.example") for n in range(count)]
    Contact.objects.bulk_create(rows)
    Contact.unmarked.update(**columns)
    return rows


def act(client, action, rows=None, *, of=Contact, query="", **data):
    """Choose an action in the list; without ``rows`` for the whole list."""
    some = of.unmarked.order_by("pk").first() if rows is None else None
    ticked = [some.pk] if some else [row.pk for row in rows]
    data |= {"action": action, "_selected_action": ticked, "select_across": int(rows is None)}
    return client.post(f"{BASE}/{of._meta.model_name}/{query}", data)


def confirm(client, action, rows=None, **data):
    return act(client, action, rows, confirmed="yes", **data)


def text(answer):
    """What can be read on a page."""
    html = answer.content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", html[html.index("<body") :]).split())


def said(client, answer):
    """What the page after an answer says."""
    assert answer.status_code == 302, text(answer)
    return text(client.get(answer["Location"]))


# Few rows


@pytest.mark.django_db
def test_a_harmless_action_on_few_rows_is_done_at_once(admin):
    many(3, sync_status="FAILED", due_at=None, priority=1)
    assert "3 failed rows are tried again" in said(admin, act(admin, "retry_failed"))
    assert set(Contact.unmarked.values_list("priority", flat=True)) == {PERSON}
    assert not BulkJob.objects.exists()


@pytest.mark.parametrize(
    ("action", "model", "columns", "will", "done", "left"),
    [
        ("resend", Engagement, "UNCONFIRMED", "in doubt, and will be sent again", "is sent", 1),
        ("mark_as_sent", Engagement, "UNCONFIRMED", "taken for arrived", "marked as sent", 1),
        ("discard_failed", Deletion, "FAILED", "forgotten", "is discarded", 1),
    ],
)
def test_what_can_not_be_undone_is_counted_and_confirmed(
    admin, contact, action, model, columns, will, done, left
):
    rows = [
        Engagement.objects.create(contact=contact, name="Call", description="x")
        if model is Engagement
        else Deletion.objects.create(kind="contact", key=f"{n}@x.example")
        for n in range(3)
    ]
    state(rows[0], sync_status=columns, due_at=None)
    answer = act(admin, action, rows, of=model)
    assert f"3 {model._meta.verbose_name_plural} selected. 1 of them" in text(answer)
    assert will in text(answer)
    assert str(TEXTS[BulkJob.Action(action)].warning) in text(answer)
    assert model.unmarked.filter(sync_status=columns).count() == 1
    assert done in said(admin, confirm(admin, action, rows, of=model))
    assert model.unmarked.filter(sync_status=columns).count() == 0
    assert model.unmarked.count() == 2 + left
    assert "None of these" in said(admin, act(admin, action, rows, of=model))


def test_what_is_kept_on_the_page_is_what_was_chosen(admin, db):
    rows = many(3)
    html = act(admin, "set_subscription", rows[:2], query="?q=c0").content.decode()
    for row in rows[:2]:
        assert f'name="_selected_action" value="{row.pk}"' in html
    assert f'value="{rows[2].pk}"' not in html
    assert 'name="select_across" value="0"' in html
    assert f'href="{BASE}/contact/?q=c0"' in html
    assert " style=" not in html
    assert "<script>" not in html


# Subscriptions


def consent(status, *, reason="They asked.", **data):
    return {"status": status, "reason": reason} | data


@pytest.fixture
def people(db, conversion):
    """One of each: subscribed, unsubscribed, blank, and blank with an opt-out in the log."""
    rows = {
        name: Contact.objects.create(email=f"{name}@x.example", subscription_status=status)
        for name, status in (
            ("yes", "SUBSCRIBED"),
            ("no", "UNSUBSCRIBED"),
            ("blank", ""),
            ("hidden", "UNSUBSCRIBED"),
        )
    }
    push()
    state(rows["hidden"], subscription_status="")
    return rows


def statuses():
    return {
        key.split("@")[0]: status
        for key, status in Contact.objects.values_list("key", "subscription_status")
    }


def test_each_subscription_says_how_many_it_changes_and_leaves(staff, people):
    shown = text(act(staff(*CONTACTS), "set_subscription"))
    assert "4 contacts selected." in shown
    assert "Subscribed: 1 contact changes; 2 have opted out and stay so" in shown
    assert "Unsubscribed: 3 contacts change" in shown
    assert "Pending: 2 contacts change; 2 have opted out and stay so" in shown
    assert "Subscribe those who opted out" not in shown


def test_a_subscription_is_set_with_its_reason(staff, people):
    client = staff(*CONTACTS, name="pia")
    answer = said(client, confirm(client, "set_subscription", **consent("SUBSCRIBED")))
    assert "The subscription of 1 contact is changed." in answer
    assert "2 contacts have opted out, and were left so." in answer
    change = SubscriptionChange.objects.latest("pk")
    assert (change.address, change.requested_by) == ("blank@x.example", "pia")
    assert (change.source, change.reason) == ("admin", "They asked.")
    assert not change.override
    push()
    assert SubscriptionChange.objects.failed().count() == 0


def test_an_opt_out_always_goes_through(staff, people, conversion):
    client = staff(*CONTACTS)
    confirm(client, "set_subscription", **consent("UNSUBSCRIBED"))
    assert set(statuses().values()) == {"UNSUBSCRIBED"}
    push()
    found = {key: row["subscriptionStatus"] for key, row in conversion.contacts.items()}
    assert set(found.values()) == {"UNSUBSCRIBED"}


def test_lifting_opt_outs_takes_a_permission_and_a_tick(staff, people, conversion):
    client = staff(*CONTACTS)
    confirm(client, "set_subscription", **consent("SUBSCRIBED", override="on"))
    assert statuses()["no"] == "UNSUBSCRIBED"
    client = staff(*CONTACTS, "override_consent", name="boss")
    page = act(client, "set_subscription")
    assert "unless you tick the box below" in text(page)
    assert "checked" not in page.content.decode()
    confirm(client, "set_subscription", **consent("SUBSCRIBED"))
    assert statuses()["no"] == "UNSUBSCRIBED"
    confirm(client, "set_subscription", **consent("SUBSCRIBED", override="on"))
    assert set(statuses().values()) == {"SUBSCRIBED"}
    push()
    found = {row["subscriptionStatus"] for row in conversion.contacts.values()}
    assert found == {"SUBSCRIBED"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        consent("MAYBE"),
        consent("SUBSCRIBED", reason=" "),
        consent("SUBSCRIBED", reason="x" * 1001),
    ],
)
def test_an_odd_or_missing_answer_is_an_error_in_the_form(staff, people, given):
    client, before = staff(*CONTACTS), statuses()
    answer = confirm(client, "set_subscription", **given)
    assert answer.status_code == 200
    assert "Please correct the error" in text(answer)
    assert statuses() == before


def test_a_subscription_that_all_have_already_is_said(staff, people):
    client = staff(*CONTACTS)
    answer = confirm(client, "set_subscription", [people["yes"]], **consent("SUBSCRIBED"))
    assert "have that subscription already" in said(client, answer)


# Many rows


@pytest.mark.parametrize("action", ["retry_failed", "sync_now"])
def test_a_harmless_action_on_many_rows_is_confirmed_and_done_in_the_background(
    admin, conversion, two_are_many, action
):
    many(3, sync_status="FAILED", due_at=None)
    answer = act(admin, action)
    assert "3 " in text(answer)
    assert "in the background" in text(answer)
    answer = confirm(admin, action)
    job = BulkJob.objects.get()
    assert answer["Location"] == f"{BASE}/bulkjob/{job.pk}/change/"
    assert (job.action, job.total, job.requested_by) == (action, 3, "root")
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_edited_object()) == (str(job.pk), job)
    push()
    job.refresh_from_db()
    assert (job.done, job.affected) == (3, 3)
    assert Contact.objects.filter(sync_status="SYNCED").count() == 3


def test_only_what_matters_of_many_rows_makes_it_long(admin, two_are_many, db):
    rows = many(4)
    state(rows[0], sync_status="FAILED")
    assert "1 failed row is tried again" in said(admin, act(admin, "retry_failed"))
    assert not BulkJob.objects.exists()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 8),
        ("?status=failed", 2),
        ("?status=retrying", 1),
        ("?error=VALIDATION_ERROR", 2),
        ("?q=c00", 4),
        ("?q=Ann+Ross", 2),
        ("?subscription_status__exact=SUBSCRIBED", 2),
        ("?company__id__exact={company}", 3),
        ("?updated_at__gte=2020-01-01+00:00:00%2B00:00", 8),
        ("?updated_at__lt=2020-01-01+00:00:00%2B00:00", 0),
        ("?status=failed&q=c00&error=VALIDATION_ERROR", 2),
        ("?company__isnull=True", 5),
        ("?o=2.1&p=1", 8),
    ],
)
def test_a_whole_list_is_what_its_filters_and_search_show(admin, two_are_many, query, found, db):
    company = Company.objects.create(external_id="C-1")
    rows = many(8)
    Contact.unmarked.filter(pk__gte=rows[4].pk).update(
        key=Concat(Value("x"), "key"), last_name="Ross", first_name="Ben"
    )
    ann = Contact.unmarked.filter(pk__in=[row.pk for row in rows[6:]])
    ann.update(first_name="Ann", subscription_status="SUBSCRIBED")
    failed = Contact.unmarked.filter(pk__in=[row.pk for row in rows[:2]])
    failed.update(sync_status="FAILED", last_error_code="VALIDATION_ERROR")
    state(rows[2], last_error_code="INTERNAL_ERROR", attempts=1)
    Contact.unmarked.filter(pk__in=[row.pk for row in rows[5:]]).update(company=company)
    query = query.format(company=company.pk)
    listed = admin.get(f"{BASE}/contact/{query}").context["cl"].result_list
    assert len(listed) == found
    answer = confirm(admin, "sync_now", query=query)
    if found == 0:
        assert "None of these rows" in said(admin, answer)
        return
    if found == 1:
        assert "1 row will be sent" in said(admin, answer)
        return
    job = BulkJob.objects.get()
    assert set(jobs.selected(job).values_list("pk", flat=True)) == {row.pk for row in listed}


def test_the_list_of_another_kind(admin, conversion, two_are_many, contact):
    for number in range(3):
        Engagement.objects.create(contact=contact, name="Call", description=f"{number}")
    Engagement.unmarked.update(sync_status="UNCONFIRMED", due_at=None)
    query = "?status=in-doubt&q=Ann@"
    shown = text(act(admin, "resend", of=Engagement, query=query))
    assert "3 engagements selected. 3 of them are in doubt" in shown
    confirm(admin, "resend", of=Engagement, query=query)
    push()
    assert BulkJob.objects.get().done == 3
    assert not Engagement.objects.unconfirmed().exists()


def test_a_list_that_the_site_narrows_for_this_person_is_not_left_by_a_job(
    admin, two_are_many, monkeypatch, db
):
    many(4)
    real = SyncedAdmin.get_queryset
    monkeypatch.setattr(
        SyncedAdmin,
        "get_queryset",
        lambda self, request: real(self, request).filter(key__gt="c001"),
    )
    for post in (act, confirm):
        assert "narrowed in a way" in said(admin, post(admin, "sync_now"))
    assert not BulkJob.objects.exists()
    rows = list(Contact.objects.order_by("pk"))
    monkeypatch.setattr(perform, "AT_ONCE", 10)
    assert "3 rows will be sent" in said(admin, act(admin, "sync_now", rows))


def test_a_filter_that_does_more_than_filter_is_refused(admin, two_are_many, monkeypatch, db):
    many(3)

    class Odd(RecordStatusFilter):
        def queryset(self, request, queryset):
            return queryset.annotate(n=Count("engagements")).filter(n=0)

    monkeypatch.setattr(ContactAdmin, "list_filter", (Odd,))
    assert "narrowed in a way" in said(admin, act(admin, "sync_now"))


def test_a_subscription_is_set_in_the_background(staff, people, two_are_many, conversion):
    client = staff(*CONTACTS, name="pia")
    answer = confirm(client, "set_subscription", **consent("PENDING"))
    job = BulkJob.objects.get()
    assert job.arguments == {"status": "PENDING", "reason": "They asked."}
    push()
    job.refresh_from_db()
    assert (job.total, job.done, job.affected) == (4, 4, 2)
    shown = text(client.get(answer["Location"]))
    assert "The subscriptions of 2 contacts are changed." in shown
    assert "2 contacts have opted out, and were left so." in shown
    change = SubscriptionChange.objects.filter(status="PENDING").latest("pk")
    assert (change.requested_by, change.source, change.reason) == ("pia", "bulk", "They asked.")


def test_opt_outs_are_lifted_in_the_background_where_somebody_says_so(
    staff, people, two_are_many, conversion
):
    client = staff(*CONTACTS, "override_consent")
    confirm(client, "set_subscription", **consent("SUBSCRIBED", override="on"))
    push()
    assert set(statuses().values()) == {"SUBSCRIBED"}
    found = {row["subscriptionStatus"] for row in conversion.contacts.values()}
    assert found == {"SUBSCRIBED"}


@pytest.mark.parametrize("action", ["resend", "mark_as_sent"])
def test_nothing_is_decided_of_an_engagement_that_the_page_had_not_counted(admin, contact, action):
    for number in range(3):
        Engagement.objects.create(contact=contact, name=f"E{number}", description="x")
    first = Engagement.objects.order_by("pk")[0]
    Engagement.unmarked.filter(pk=first.pk).update(sync_status="UNCONFIRMED", due_at=None)

    def counted(answer):
        [number] = re.findall(r'name="counted" value="([0-9]+)"', answer.content.decode())
        return number

    number = counted(act(admin, action, of=Engagement))
    Engagement.unmarked.update(sync_status="UNCONFIRMED", due_at=None)
    again = confirm(admin, action, of=Engagement, counted=number)
    assert "Nothing was done yet" in text(again)
    assert Engagement.objects.filter(sync_status="UNCONFIRMED").count() == 3
    confirm(admin, action, of=Engagement, counted=counted(again))
    assert not Engagement.objects.filter(sync_status="UNCONFIRMED").exists()


def seen(page):
    """How far the consent log went, as the page notes it."""
    [number] = re.findall(r'name="seen" value="([0-9]+)"', page.content.decode())
    return number


@pytest.mark.parametrize("most", [500, 2])
def test_who_opts_out_once_the_page_is_shown_stays_so(staff, people, monkeypatch, most):
    monkeypatch.setattr(perform, "AT_ONCE", most)
    client = staff(*CONTACTS, "override_consent")
    shown = seen(act(client, "set_subscription"))
    Contact.objects.filter(email="blank@x.example").update(subscription_status="UNSUBSCRIBED")
    ticked = consent("SUBSCRIBED", override="on", seen=shown)
    answer = confirm(client, "set_subscription", **ticked)
    push()
    assert statuses() == dict.fromkeys(people, "SUBSCRIBED") | {"blank": "UNSUBSCRIBED"}
    assert "1 contact has opted out, and was left so." in said(client, answer)


def test_who_opts_out_before_a_job_begins_stays_so(staff, people, two_are_many):
    client = staff(*CONTACTS, "override_consent")
    confirm(client, "set_subscription", **consent("SUBSCRIBED", override="on"))
    Contact.objects.filter(email="blank@x.example").update(subscription_status="UNSUBSCRIBED")
    push()
    assert statuses()["blank"] == "UNSUBSCRIBED"


def test_a_page_that_asks_again_is_answered_by_what_it_shows_then(staff, people):
    client = staff(*CONTACTS, "override_consent")
    shown = seen(act(client, "set_subscription"))
    Contact.objects.filter(email="blank@x.example").update(subscription_status="UNSUBSCRIBED")
    again = confirm(
        client, "set_subscription", **consent("SUBSCRIBED", reason="", override="on", seen=shown)
    )
    ticked = consent("SUBSCRIBED", override="on", seen=seen(again))
    confirm(client, "set_subscription", **ticked)
    assert set(statuses().values()) == {"SUBSCRIBED"}


@pytest.mark.parametrize("action", ["sync_now", "set_subscription", "compare"])
def test_the_number_of_queries_does_not_grow_with_the_rows(admin, conversion, two_are_many, action):
    counts = []
    # More than a page: that is one query more.
    for number in (51, 90, 300):
        Contact.objects.all().delete()
        many(number)
        with CaptureQueriesContext(connection) as queries:
            assert act(admin, action).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2]
    assert counts[0] < 20


# Comparing


def test_comparing_is_a_job_for_one_row_too(staff, conversion, contact):
    push()
    client = staff("view_contact", "sync_contact", name="pia")
    shown = text(act(client, "compare"))
    assert "Conversion will be asked for 1 record." in shown
    assert "Push ours where it differs" in shown
    confirm(client, "compare")
    job = BulkJob.objects.get()
    assert (job.action, job.arguments, job.requested_by) == ("compare", {"push": False}, "pia")
    confirm(client, "compare", push="on")
    assert BulkJob.objects.filter(arguments__push=True).count() == 1


def test_nothing_can_be_compared_without_a_key(admin, contact, settings):
    settings.CONVERSION_SYNC = {"ENABLED": False}
    assert "switched off" in said(admin, act(admin, "compare"))


def test_how_long_it_takes_to_compare_is_said_before(admin, conversion, contact, settings):
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "RATE_LIMIT": 0.01}
    assert "That takes 2 min at least" in text(act(admin, "compare"))


# Permissions

RIGHTS = {
    ("contact", "sync_now"): "sync_contact",
    ("contact", "retry_failed"): "sync_contact",
    ("contact", "compare"): "sync_contact",
    ("contact", "set_subscription"): "set_subscription",
    ("company", "sync_now"): "sync_company",
    ("company", "retry_failed"): "sync_company",
    ("company", "compare"): "sync_company",
    ("engagement", "sync_now"): "sync_engagement",
    ("engagement", "retry_failed"): "sync_engagement",
    ("engagement", "resend"): "sync_engagement",
    ("engagement", "mark_as_sent"): "sync_engagement",
    ("subscriptionchange", "sync_now"): "sync_subscriptionchange",
    ("subscriptionchange", "retry_failed"): "sync_subscriptionchange",
    ("deletion", "sync_now"): "sync_deletion",
    ("deletion", "retry_failed"): "sync_deletion",
    ("deletion", "discard_failed"): "sync_deletion",
}
MODELS = {
    model._meta.model_name: model
    for model in (Contact, Company, Engagement, SubscriptionChange, Deletion)
}


@pytest.fixture
def one_of_each(engagement, conversion):
    SubscriptionChange.objects.create(
        contact=engagement.contact, address=engagement.contact.key, status="SUBSCRIBED"
    )
    Deletion.objects.create(kind="contact", key="gone@x.example")
    for model in MODELS.values():
        doubtful = model is Engagement
        model.unmarked.update(sync_status="UNCONFIRMED" if doubtful else "FAILED", due_at=None)


def everything():
    return {name: list(model.unmarked.values().order_by("pk")) for name, model in MODELS.items()}


@pytest.mark.parametrize(("name", "action"), RIGHTS)
def test_each_action_takes_its_permission_and_no_other(staff, one_of_each, name, action):
    right, before = RIGHTS[name, action], everything()
    others = {*RIGHTS.values(), "override_consent", "pause", "change_contact"} - {right}
    client = staff(f"view_{name}", *others)
    page = client.get(f"{BASE}/{name}/").content.decode()
    assert f'<option value="{action}"' not in page
    given = consent("PENDING") if action == "set_subscription" else {}
    for answer in (
        act(client, action, of=MODELS[name]),
        confirm(client, action, of=MODELS[name], **given),
    ):
        assert 'name="confirmed"' not in answer.content.decode()
    assert everything() == before
    assert not BulkJob.objects.exists()
    assert act(staff(right, name="blind"), action, of=MODELS[name]).status_code == 403
    client = staff(f"view_{name}", right, name="may")
    assert f'<option value="{action}"' in client.get(f"{BASE}/{name}/").content.decode()
    confirm(client, action, of=MODELS[name], **given)
    # What is in doubt is neither retried nor sent by the way.
    is_left = name == "engagement" and action in ("retry_failed", "sync_now")
    assert (everything() == before and not BulkJob.objects.exists()) == is_left


def test_a_confirmation_without_a_csrf_token_is_refused(contact):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    answer = confirm(client, "set_subscription", **consent("UNSUBSCRIBED"))
    assert answer.status_code == 403
    assert not SubscriptionChange.objects.exists()


@pytest.mark.parametrize("action", ["", "x", "delete", "_set_subscription"])
def test_an_action_that_there_is_not_does_nothing(admin, contact, action):
    before = everything()
    assert "No action selected" in said(admin, confirm(admin, action))
    assert everything() == before
