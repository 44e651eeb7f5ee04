"""Rows of every kind and in every state, so that each page has all that it can show."""

from __future__ import annotations

from django.utils import timezone

from conversion_sync.models import ApiCall, BulkJob, Deletion, SubscriptionChange
from conversion_sync.models.clock import db_now
from conversion_sync.sandbox import Sandbox
from tests.browser.kit import change_remotely, synced_company, synced_contact
from tests.kit import ANN, BOB, MINUTE, TOKEN, contact, engagement, push, write

__all__ = ["NASTY", "make"]

#: What a stranger may put into an error text or a name.
NASTY = "<script>window.hurt = 1</script><b onclick=alert(1)>" + "\u202eevil" + "x" * 10_000


def make(box: Sandbox) -> dict[str, int]:
    """Make them. Returns their primary keys by a name for each."""
    company = synced_company("C1", company_name="Lumentum", base_domain="lumentum.example")
    ann = synced_contact(
        ANN,
        first_name="Ann",
        last_name="Ross",
        company=company,
        subscription_status="SUBSCRIBED",
        custom_variables={"lead_score": 21, "a_rather_long_name_of_a_variable": NASTY[:300]},
    )
    engagement(ann)
    push()
    bob = contact(BOB, first_name="Bob", last_name="W" * 60, title="Head of everything " * 5)
    failed = {"sync_status": "FAILED", "due_at": None, "last_attempt_at": timezone.now()}
    write(bob, **failed, last_error_code="VALIDATION_ERROR", last_error_message=NASTY)
    retrying = contact("retrying@x.example")
    write(
        retrying,
        attempts=2,
        due_at=db_now("default") + 4 * MINUTE,
        last_error_code="INTERNAL_ERROR",
        last_attempt_at=timezone.now(),
    )
    pending = contact("pending." + "long" * 20 + "@x.example")
    write(pending, due_at=db_now("default") + 10 * MINUTE)
    doubtful = engagement(ann, name="Visit " * 20)
    write(doubtful, **failed | {"sync_status": "UNCONFIRMED"}, last_error_code="NO_ANSWER")
    planned = engagement(bob, data={"outcome": "good", "room": {"floor": 2}})
    deletion = Deletion.objects.create(kind="CONTACT", key="gone@x.example", requested_by="sam")
    write(deletion, **failed, last_error_code="FORBIDDEN")
    change = SubscriptionChange.objects.get(contact=ann)
    write(change, **failed, last_error_code="CONSENT_BLOCKED")
    box.fail("status", status=500)
    contact("refused@x.example")
    push()
    change_remotely(box, ANN, title="Head of Purchasing")
    box.set_status(ANN, "UNSUBSCRIBED")
    job = {"action": "compare", "model": "conversion_sync.Contact", "requested_by": "sam"}
    until = timezone.now() + 10 * MINUTE
    running = BulkJob.objects.create(**job, total=200, done=40, claim=TOKEN, leased_until=until)
    return {
        "running": running.pk,
        "company": company.pk,
        "synced": ann.pk,
        "failed": bob.pk,
        "retrying": retrying.pk,
        "pending": pending.pk,
        "doubtful": doubtful.pk,
        "planned": planned.pk,
        "deletion": deletion.pk,
        "change": change.pk,
        "call": ApiCall.objects.latest("pk").pk,
    }
