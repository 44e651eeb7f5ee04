"""Answers that could be taken for others, that nobody can read, or that hold the API key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers

from conversion_sync.api import v1
from conversion_sync.models import BulkJob, Contact, Engagement, SubscriptionChange
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync import jobs
from conversion_sync.sync.drain import drain
from tests.faults.conftest import API_KEY, Configure
from tests.faults.kit import (
    ADA,
    CONTACT,
    ENGAGEMENT,
    LANES,
    MARKS,
    OPT_OUT,
    Lane,
    drain_now,
    later,
    now,
    until_idle,
)

pytestmark = MARKS

PENDING, SYNCED, FAILED, UNCONFIRMED = "PENDING", "SYNCED", "FAILED", "UNCONFIRMED"


# An answer is that of its own call


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("interim", {"status": 100}),
        # The server goes on working: its answer comes after the next call was sent.
        ("interim", {"status": 102, "seconds": 2}),
        ("interim", {"status": 103, "seconds": 2}),
        ("interim", {"status": 103, "size": 5, "seconds": 2}),
        ("surplus", {"size": 1}),
        ("surplus", {"size": 3}),
    ],
)
def test_an_opt_out_that_was_refused_does_not_take_the_answer_of_the_call_before(
    kind: str, options: dict[str, Any], box: Sandbox
):
    contact = CONTACT.make()
    drain_now()
    # The answer to this call names the person, too.
    contact.first_name = "Augusta"  # type: ignore[attr-defined]  # a contact
    contact.save()
    CONTACT.fault(box, kind, **options)
    drain(5)
    contact.subscription_status = "UNSUBSCRIBED"  # type: ignore[attr-defined]  # a contact
    contact.save()
    Contact.unmarked.update(due_at="2099-01-01T00:00Z")
    OPT_OUT.fault(box, "status", status=400)
    drain(5)
    Contact.unmarked.filter(sync_status=PENDING).update(due_at="2020-01-01T00:00Z")

    until_idle()

    change = SubscriptionChange.objects.get()
    assert (change.sync_status, change.last_error_code) == (FAILED, "VALIDATION_ERROR")
    assert now(contact).sync_status == SYNCED
    assert box.contacts[ADA]["subscriptionStatus"] == "PENDING"


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize("kind", ["interim", "surplus"])
def test_each_row_arrives_once_with_a_server_that_says_too_much(
    kind: str, lane: Lane, box: Sandbox
):
    box.fail(kind, count=None)
    row = lane.make()
    until_idle()
    assert now(row).sync_status == SYNCED
    assert lane.done(box) == 1


# An answer that nobody can read


@pytest.mark.parametrize("kind", ["deep", "garbage", "truncated_json"])
def test_one_unreadable_answer_of_several_touches_no_other(kind: str, box: Sandbox):
    contact: Any = CONTACT.make()
    drain_now()
    for number in range(4):
        Engagement.objects.create(contact=contact, name=f"Call {number}", description="Yes.")
    box.fail(kind, path="engagements", when=lambda body: body["name"] == "Call 2")
    drain_now()
    found = dict(Engagement.objects.values_list("name", "sync_status"))
    assert found.pop("Call 2") == UNCONFIRMED
    assert set(found.values()) == {SYNCED}
    assert len(box.engagements) == 4


def test_a_mistake_of_ours_in_one_call_of_several_touches_no_other(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    contact: Any = CONTACT.make()
    drain_now()
    for number in range(4):
        Engagement.objects.create(contact=contact, name=f"Call {number}", description="Yes.")
    real, calls = v1.parse_engagement, iter(range(4))

    def parse(envelope: Any) -> Any:
        return real(envelope) if next(calls) else 1 // 0

    monkeypatch.setattr("conversion_sync.api.v1.requests.parse_engagement", parse)
    drain_now()
    found = Engagement.objects.values_list("sync_status", "last_error_code")
    assert sorted(found) == [(SYNCED, "")] * 3 + [(UNCONFIRMED, "BUG")]


# The API key


def everything() -> str:
    """All rows of all tables of the app, as text."""
    models = apps.get_app_config("conversion_sync").get_models()
    return "".join(serializers.serialize("json", model._base_manager.all()) for model in models)


@pytest.mark.parametrize("lane", LANES, ids=str)
@pytest.mark.parametrize("status", [None, 400, 403, 404, 413, 422, 429, 401, 500, 503])
def test_a_key_that_the_vendor_echoes_is_in_no_row(
    status: int | None, lane: Lane, box: Sandbox, caplog: pytest.LogCaptureFixture
):
    row = lane.make()
    box.fail("echo", status=status, count=None)
    for _ in range(3):
        drain_now()
        later(60)
    found = everything() + caplog.text
    percent = "".join(f"%{ord(char):02X}" for char in API_KEY)
    escaped = "".join(f"u{ord(char):04x}" for char in API_KEY)
    for spelled in (API_KEY, percent, escaped):
        assert spelled.lower() not in found.lower()
    if status is None and lane in (CONTACT, ENGAGEMENT):
        assert now(row).remote_id == "***"


def test_a_key_that_the_vendor_echoes_is_in_no_finding(box: Sandbox):
    CONTACT.make()
    drain_now()
    box.fail("echo", count=None)
    jobs.start(BulkJob.Action.COMPARE, Contact)
    drain_now()
    [finding] = BulkJob.objects.get().findings
    assert "***" in json.dumps(finding)
    assert API_KEY not in everything()


def test_a_key_that_cannot_be_sent_is_in_no_log(
    box: Sandbox, configure: Configure, caplog: pytest.LogCaptureFixture
):
    CONTACT.make()
    configure(API_KEY="sk_live_very\nsecret")
    drain_now()
    [record] = [each for each in caplog.records if each.exc_info]
    assert record.exc_info is not None
    trace, shown = record.exc_info[2], []
    while trace is not None:
        shown.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    assert len(shown) > 3
    assert "sk_live_very" not in "".join(shown) + caplog.text
