"""Engagements happen once: what may have been sent is never changed."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from conversion_sync.models import Engagement, ImmutableEngagement, Status
from conversion_sync.models.clock import db_now
from tests.kit import TOKEN, claimed, contact, engagement, fresh, push, synced_contact, write

pytestmark = pytest.mark.django_db

PATH = "/contacts/engagements"


@pytest.fixture
def row() -> Engagement:
    return engagement(contact())


#: How far an engagement has come, and whether it may still be changed.
STATES = pytest.mark.parametrize(
    ("columns", "editable"),
    [
        ({"sync_status": "PENDING"}, True),
        ({"sync_status": "PENDING", "last_attempt_at": "now"}, False),
        ({"sync_status": "SENDING", "claim": TOKEN}, False),
        ({"sync_status": "UNCONFIRMED", "claim": TOKEN}, False),
        ({"sync_status": "UNCONFIRMED"}, False),
        ({"sync_status": "SYNCED", "last_attempt_at": "now"}, False),
        ({"sync_status": "FAILED", "last_attempt_at": "now"}, True),
    ],
    ids=str,
)


def bring(row: Engagement, columns: dict[str, object]) -> None:
    write(row, **{n: db_now("default") if v == "now" else v for n, v in columns.items()})


@STATES
def test_a_save_is_refused_once_it_may_have_been_sent(row, columns, editable):
    bring(row, columns)
    changed = fresh(row)
    changed.name = "Another"
    assert changed.is_editable is editable
    if editable:
        changed.save()
        assert fresh(row).name == "Another"
        assert fresh(row).sync_status == Status.PENDING
    else:
        with pytest.raises(ImmutableEngagement), transaction.atomic():
            changed.save()
        assert fresh(row).name == "Call"


@STATES
@pytest.mark.parametrize(
    "values",
    [{"name": "X"}, {"description": "X"}, {"data": {"x": 1}}, {"occurred_at": "2026-01-01T00:00Z"}],
    ids=str,
)
def test_an_update_is_refused_once_it_may_have_been_sent(row, columns, editable, values):
    bring(row, columns)
    before = fresh(row)
    if editable:
        assert Engagement.objects.update(**values) == 1
    else:
        with pytest.raises(ImmutableEngagement), transaction.atomic():
            Engagement.objects.update(**values)
        assert fresh(row).sync_status == before.sync_status
        assert (fresh(row).name, fresh(row).description) == ("Call", "We talked.")


def test_a_stale_instance_changes_nothing_that_was_sent(conversion, row):
    stale = fresh(row)
    push()
    stale.name = "Another"
    with pytest.raises(ImmutableEngagement), transaction.atomic():
        stale.save()
    push()
    assert [record["name"] for record in conversion.engagements] == ["Call"]


def test_one_that_was_sent_among_many_keeps_all_from_being_changed(conversion, row):
    push()
    engagement(row.contact)
    with pytest.raises(ImmutableEngagement), transaction.atomic():
        Engagement.objects.update(name="Another")
    assert set(Engagement.objects.values_list("name", flat=True)) == {"Call"}


def test_a_bulk_update_of_one_that_was_sent_is_refused(conversion, row):
    push()
    row.name = "Another"
    with pytest.raises(ImmutableEngagement), transaction.atomic():
        Engagement.objects.bulk_update([row], ["name"])


def test_one_that_was_refused_is_corrected_and_sent(conversion, row):
    conversion.fail("400", path=PATH)
    push()
    assert fresh(row).sync_status == Status.FAILED
    row = fresh(row)
    row.description = "Better."
    row.save()
    push()
    assert [record["description"] for record in conversion.engagements] == ["Better."]


def test_the_same_event_is_never_entered_twice(row):
    engagement(row.contact, source_key="k1")
    with pytest.raises(IntegrityError), transaction.atomic():
        engagement(row.contact, source_key="k1")
    engagement(row.contact)  # without a key, as many as there were


def test_a_blank_source_key_is_none(row):
    row.source_key = ""
    row.full_clean()
    assert row.source_key is None


@pytest.mark.parametrize("name", ["name", "description"])
def test_what_an_engagement_needs_is_said_at_the_field(row, name):
    setattr(row, name, "")
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert set(caught.value.message_dict) == {name}


def test_an_engagement_is_called_by_its_name(row):
    assert str(row) == "Call"


# In doubt


@pytest.fixture
def doubtful(conversion) -> Engagement:
    """Sent, and arrived; but no answer came."""
    of = synced_contact()
    row = engagement(of)
    conversion.fail("drop_after", path=PATH)
    push()
    assert fresh(row).sync_status == Status.UNCONFIRMED
    assert len(conversion.engagements) == 1
    return row


def test_one_in_doubt_is_not_sent_again_by_itself(conversion, doubtful):
    push()
    assert len(conversion.engagements) == 1
    assert fresh(doubtful).due_at is None


def test_one_in_doubt_is_sent_again_when_a_person_says_so(conversion, doubtful):
    assert Engagement.objects.resend() == 1
    assert fresh(doubtful).priority == 0
    push()
    assert fresh(doubtful).sync_status == Status.SYNCED
    assert len(conversion.engagements) == 2


def test_one_in_doubt_is_taken_for_arrived_when_a_person_says_so(conversion, doubtful):
    assert Engagement.objects.mark_as_sent() == 1
    found = fresh(doubtful)
    assert (found.sync_status, found.claim, found.last_error_code) == (Status.SYNCED, None, "")
    assert found.last_synced_at is not None
    push()
    assert len(conversion.engagements) == 1


@pytest.mark.parametrize("status", ["PENDING", "SENDING", "SYNCED", "FAILED"])
def test_only_what_is_in_doubt_is_resent_or_marked(row, status):
    write(row, sync_status=status)
    assert Engagement.objects.resend() == Engagement.objects.mark_as_sent() == 0
    assert fresh(row).sync_status == status


def test_a_claimed_engagement_keeps_its_claim_when_another_is_resent(row):
    claimed(row)
    Engagement.objects.resend()
    assert fresh(row).claim == TOKEN
