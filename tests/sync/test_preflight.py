"""What a drain finds when it begins: all of it in one query."""

from __future__ import annotations

from typing import Any

import pytest

from conversion_sync.models import ApiGate, ChannelState, Heartbeat, Wakeup
from conversion_sync.models.clock import DbNow, db_now
from conversion_sync.sync.preflight import Preflight, preflight
from tests.kit import HOUR

pytestmark = pytest.mark.django_db

KEY = "of the key in use"


def ahead() -> Any:
    return db_now("default") + HOUR


FOUND = {
    "was_set_back": lambda: Heartbeat.write("default", finished_at=ahead()),
    "is_closed": lambda: ApiGate.write("default", closed_for=KEY, closed_at=DbNow()),
    "is_troubled": lambda: ChannelState.objects.create(name="contact", timed_out_at=ahead()),
    "is_asked_for": lambda: Wakeup.write("default", requested_until=ahead()),
}


@pytest.fixture(autouse=True)
def drained() -> None:
    Heartbeat.write("default", started_at=DbNow(), finished_at=DbNow(), turn="contact")
    Wakeup.write("default", requested_until=None)


@pytest.mark.parametrize("name", FOUND)
def test_each_finding_is_made_alone_and_all_in_one_query(name, django_assert_num_queries):
    quiet = dict.fromkeys(FOUND, False)
    assert preflight("default", KEY) == Preflight("contact", **quiet)
    FOUND[name]()
    with django_assert_num_queries(1):
        found = preflight("default", KEY)
    assert found == Preflight("contact", **quiet | {name: True})


def test_a_closure_for_another_key_is_none():
    FOUND["is_closed"]()
    assert not preflight("default", "of another key").is_closed


def test_an_endpoint_that_failed_is_troubled_and_one_that_recovered_is_not():
    ChannelState.objects.create(name="contact", failed_at=ahead())
    assert preflight("default", KEY).is_troubled
    ChannelState.objects.update(failed_at=None)
    assert not preflight("default", KEY).is_troubled


def test_where_nobody_has_ever_drained_everything_is_looked_at():
    Heartbeat.objects.all().delete()
    found = preflight("default", KEY)
    assert (found.turn, found.was_set_back) == ("", False)
    assert (found.is_closed, found.is_troubled, found.is_asked_for) == (True, True, True)
