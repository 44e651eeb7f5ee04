"""What a site's own tests are given."""

import subprocess
import sys

import pytest
from django.conf import settings as site
from django.db import transaction

from conversion_sync.models import Contact, Engagement
from conversion_sync.sync.transactions import CallInTransaction
from conversion_sync.testing import (
    assert_arrived,
    consent_log,
    end_waits,
    push,
    sandbox_settings,
    sandboxed,
    sent,
)
from tests.kit import ANN, BOB

pytestmark = pytest.mark.django_db

ALONE = """
import sys
sys.modules["pytest"] = None
import django
django.setup()
import conversion_sync.testing
"""


def test_it_needs_no_pytest():
    subprocess.run([sys.executable, "-c", ALONE], check=True, timeout=60)


def test_a_sandbox_takes_the_place_of_the_api_and_the_settings_come_back(settings):
    settings.CONVERSION_SYNC = {"API_KEY": "own", "BATCH_SIZE": 7, "ENABLED": False}
    with sandboxed(DELETE_REMOTE=False) as box:
        assert {**sandbox_settings(box), "BATCH_SIZE": 7, "DELETE_REMOTE": False} == (
            site.CONVERSION_SYNC
        )
        Contact.objects.create(email=ANN)
        push()
        assert set(box.contacts) == {ANN}
        assert [item["email"] for item in sent(box)[0]["contacts"]] == [ANN]
    assert site.CONVERSION_SYNC == {"API_KEY": "own", "BATCH_SIZE": 7, "ENABLED": False}


def test_the_settings_come_back_after_a_test_that_failed(settings):
    settings.CONVERSION_SYNC = {}
    with pytest.raises(ZeroDivisionError), sandboxed():
        _ = 1 / 0
    assert site.CONVERSION_SYNC == {}


def test_rows_that_have_arrived_are_found_so_and_others_say_why_not(conversion):
    rows = [Contact.objects.create(email=email) for email in (ANN, BOB)]
    with pytest.raises(AssertionError, match=r"Contact.* has not arrived: PENDING$"):
        assert_arrived(*rows)
    conversion.fail("item_errors", code="DUPLICATE_ERROR", email=BOB)
    push()
    assert_arrived(rows[0])
    with pytest.raises(AssertionError, match=r"has not arrived: \w+ \(\w+: .+\)$"):
        assert_arrived(*rows)
    pk = rows[0].pk
    Contact.unmarked.filter(pk=pk).delete()
    with pytest.raises(AssertionError, match="is not in the database"):
        assert_arrived(rows[0])


def test_an_edit_has_to_arrive_anew(conversion):
    row = Contact.objects.create(email=ANN)
    push()
    row.title = "Chief"
    row.save()
    with pytest.raises(AssertionError, match="PENDING"):
        assert_arrived(row)


def test_all_is_sent_and_what_waits_only_when_its_wait_is_over(conversion):
    row = Contact.objects.create(email=ANN)
    event = Engagement.objects.create(contact=row, name="Call", description="We talked.")
    conversion.fail("500")
    push()
    with pytest.raises(AssertionError):
        assert_arrived(row, event)
    end_waits()
    push()
    assert_arrived(row, event)


def test_the_consent_log_is_read_by_address(conversion):
    Contact.objects.create(email=ANN, subscription_status="UNSUBSCRIBED")
    assert consent_log(ANN) == [("UNSUBSCRIBED", "PENDING")]
    push()
    assert consent_log(ANN) == [("UNSUBSCRIBED", "SYNCED")]
    assert consent_log(BOB) == []


@pytest.mark.django_db(transaction=True)
def test_a_transaction_of_the_test_itself_is_refused(conversion):
    with pytest.raises(CallInTransaction), transaction.atomic():
        push()
