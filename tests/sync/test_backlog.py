"""However many rows wait, a call costs the database the same."""

from __future__ import annotations

import pytest
from django.utils import timezone

from conversion_sync.models import Contact, Engagement, Status, SubscriptionChange
from conversion_sync.sync.drain import anything_ready, drain
from conversion_sync.sync.kinds import base
from tests.kit import MINUTE
from tests.sync.work import Work, analyse, measured

# Old versions of rows are only gone for a database when the transaction is over.
pytestmark = pytest.mark.django_db(transaction=True)

#: Windows and batches are small here, so that few rows are many windows.
FEW, MANY, WINDOW = 600, 4_800, 20

#: An index of eight times as many rows may be a level deeper.
FLAT = 2


@pytest.fixture(autouse=True)
def small(conversion, settings, monkeypatch):
    settings.CONVERSION_SYNC = {
        **settings.CONVERSION_SYNC,
        "BATCH_SIZE": WINDOW,
        "QUEUE": "none",
    }
    monkeypatch.setattr(base, "WINDOW", WINDOW)


def fill(rows: int) -> None:
    """Half of the rows are contacts that are due; the others wait for them."""
    now, half = timezone.now(), rows // 2
    Engagement.unmarked.all().delete()
    SubscriptionChange.unmarked.all().delete()
    Contact.unmarked.all().delete()
    emails = [f"c{n:06}@x.example" for n in range(half)]
    Contact.unmarked.bulk_create([Contact(email=e, key=e, due_at=now) for e in emails])
    contacts = dict(Contact.unmarked.values_list("key", "pk"))
    SubscriptionChange.unmarked.bulk_create(
        [
            SubscriptionChange(
                contact_id=contacts[email],
                address=email,
                status="UNSUBSCRIBED" if n % 3 == 0 else "SUBSCRIBED",
                due_at=now,
            )
            for n, email in enumerate(emails[::2])
        ]
    )
    Engagement.unmarked.bulk_create(
        [
            Engagement(contact_id=contacts[email], name="Call", description="Yes.", due_at=now)
            for email in emails[1::2]
        ]
    )
    analyse(Contact, SubscriptionChange, Engagement)


def put_all_off() -> None:
    """All that waits was looked at, and found that its contact needs a person."""
    Contact.unmarked.update(due_at=None, sync_status=Status.FAILED)
    later = timezone.now() + 3 * MINUTE
    SubscriptionChange.unmarked.update(due_at=later)
    Engagement.unmarked.update(due_at=later)
    analyse(Contact, SubscriptionChange, Engagement)


def is_flat(few: Work, many: Work) -> bool:
    assert 0 < many.amount < FLAT * few.amount, many.sql
    return True


def test_a_call_costs_the_same_however_many_rows_wait(conversion):
    def of_ten_calls(rows: int) -> Work:
        fill(rows)
        conversion.reset()
        with measured() as work:
            drain(60, stop=lambda: len(conversion.calls) >= 10)
        return work

    assert is_flat(of_ten_calls(FEW), of_ten_calls(MANY))


def test_so_does_asking_whether_anything_is_ready(conversion):
    def of_asking(rows: int) -> Work:
        fill(rows)
        Contact.unmarked.update(due_at=None, sync_status=Status.FAILED)
        with measured() as work:
            anything_ready()
        return work

    assert is_flat(of_asking(FEW), of_asking(MANY))


def test_so_does_a_drain_of_few_ready_rows_among_many_that_were_put_off(conversion):
    def of_one_contact(rows: int) -> Work:
        fill(rows)
        put_all_off()
        Contact.objects.create(email="new@x.example", subscription_status="UNSUBSCRIBED")
        with measured() as work:
            assert drain(60).synced == 2
        return work

    assert is_flat(of_one_contact(FEW), of_one_contact(MANY))
