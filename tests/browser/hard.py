"""Rows whose values are as long, and in as many scripts, as a column takes."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from conversion_sync.models import (
    ApiCall,
    BulkJob,
    Company,
    Contact,
    Deletion,
    Engagement,
    MirrorLink,
    SubscriptionChange,
)
from conversion_sync.models.clock import db_now
from tests.kit import MINUTE, contact, engagement, write

__all__ = ["LONG", "make"]

#: An address that is as long as one may be.
LONG = ".".join(["a@" + "b" * 62, *("c" * 63,) * 2, "d" * 53, "example"])

#: Names as people have them; and one of a single word that ends nowhere.
NAMES = (
    ("Ann", "Ross"),
    ("محمد عبد الرحمن", "بن عبد العزيز آل سعود الفيصل"),
    ("欧阳修文", "司马相如东方朔诸葛亮上官婉儿"),
    ("Hubert Blaine", "Wolfeschlegelsteinhausenbergerdorff"),
    ("W" * 150, "M" * 150),
    ("प्रियंका", "चतुर्वेदी"),
    ("Zoë", ""),
)
REASON = "The value of the variable “a_rather_long_name_of_a_variable” is not valid: " + "x" * 300


def make() -> None:
    """Make rows in each list: of each state, with long and short values."""
    now, soon = timezone.now(), db_now("default") + 4 * MINUTE
    failed: dict[str, Any] = {"sync_status": "FAILED", "due_at": None, "last_attempt_at": now}
    failed |= {"last_error_code": "VALIDATION_ERROR", "last_error_message": REASON}
    synced = {"sync_status": "SYNCED", "due_at": None, "last_synced_at": now}
    retrying = {"attempts": 2, "due_at": soon, "last_attempt_at": now, "last_synced_at": now}
    retrying |= {"last_error_code": "INTERNAL_ERROR", "last_error_message": REASON}
    states: tuple[dict[str, Any], ...] = (
        synced,
        failed,
        retrying,
        {"due_at": soon},
        {**failed, "last_error_code": "FORBIDDEN"},
    )
    companies = [
        Company.objects.create(
            external_id=f"C-1{'0' * 200}",
            company_name="Lumentum-Vereinigungsgesellschaft " + "ü" * 200,
            base_domain=LONG.partition("@")[2],
            industry="Telecommunications and photonics equipment",
        ),
        Company.objects.create(
            external_id="C-2", company_name="中国科学院半导体研究所有限责任公司"
        ),
        Company.objects.create(external_id="C-3", company_name="شركة الاتصالات السعودية"),
        Company.objects.create(external_id="C-4", company_name="Acme", base_domain="acme.example"),
    ]
    emails = (
        "ann.ross@customer-of-ours.example",
        f"{'long.' * 12}name@x.example",
        LONG,
        "mohammed.bin-abdulaziz.al-faisal@telecommunications.example",
        "x@y.example",
        "priyanka@चतुर्वेदी.example",
        "zoe@x.example",
    )
    for number, (email, (first, last)) in enumerate(zip(emails, NAMES, strict=True)):
        company = companies[number % len(companies)]
        status = "UNSUBSCRIBED" if number % 2 else "SUBSCRIBED"
        row = contact(
            email, first_name=first, last_name=last, company=company, subscription_status=status
        )
        write(row, **states[number % len(states)])
        event = engagement(row, name=(f"{first} {last} " * 3)[:200], data={"outcome": "good"})
        doubtful = {"sync_status": "UNCONFIRMED", "last_error_code": "NO_ANSWER"}
        write(event, **(failed | doubtful if number == 1 else states[number % len(states)]))
        change = SubscriptionChange.objects.filter(contact=row).latest("pk")
        who = {"requested_by": "s" * 100, "source": "import", "reason": REASON}
        write(change, **states[number % len(states)], **who)
        deletion = Deletion.objects.create(
            kind="contact", key=f"1{row.email}"[:254], requested_by="sam"
        )
        write(deletion, **states[number % len(states)])
    _wish(Contact.objects.get(email="ann.ross@customer-of-ours.example"))
    for company, state in zip(companies, states, strict=False):
        write(company, **state)
    call = {"started_at": now, "duration_ms": 12_345, "rows": 200}
    ApiCall.objects.create(
        **call,
        endpoint="POST /contacts/batch-subscription-status",
        http_status=400,
        error_code="CONTENT_REFUSED",
        error_message=REASON,
    )
    ApiCall.objects.create(**call, endpoint="POST /contacts/batch", http_status=200)
    job = {"model": "conversion_sync.SubscriptionChange", "requested_by": "s" * 100}
    BulkJob.objects.create(**job, action="compare", total=1_234_567, done=123_456)
    BulkJob.objects.create(**job, action="set_subscription", total=200, error=REASON)
    for number, trouble in enumerate(MirrorLink.Trouble.values):
        MirrorLink.objects.create(
            mirror="shop.CustomerMirror",
            source=str(10**18 + number),
            kind="contact",
            key=f"{number}{LONG}"[:254],
            state="excluded",
            reason=REASON,
            trouble=trouble,
        )
    assert Engagement.objects.exists()


def _wish(row: Contact) -> None:
    """Have a wish of a contact held by an older opt-out."""
    for status in ("UNSUBSCRIBED", "SUBSCRIBED"):
        row.subscription_status = status
        row.save()
    held = {"sync_status": "FAILED", "due_at": None, "last_error_code": "CONSENT_BLOCKED"}
    write(SubscriptionChange.objects.filter(contact=row).latest("pk"), **held)
