"""Whatever happens to contacts: columns, log and conditions in the database say the same."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db.models import Case, Value, When

from conversion_sync.models import Contact, SubscriptionChange, attributed
from conversion_sync.sync.completing import disagreements
from tests.kit import fresh, later, push
from tests.models.test_consent_as_it_stands import ASKED, IN, OUT, WAYS, stands, wish

pytestmark = pytest.mark.django_db

EMAILS = [f"e{number}@x.example" for number in range(4)]

ACTS = (
    *("create", "assign", "assign", "override", "move", "swap", "delete"),
    *("push", "push", "opt out there", "retry", "update all", "opt out by address"),
)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("keep", [False, True], ids=["records deleted", "records kept"])
def test_the_column_agrees_with_the_log(seed: int, keep: bool, conversion: Any, settings: Any):
    if keep:
        kept = {"DELETE_CHANGED_KEYS": False, "DELETE_REMOTE": False}
        settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, **kept}
    chance, done = random.Random(seed), list[str]()
    for _ in range(25):
        act, status = chance.choice(ACTS), chance.choice([IN, OUT, ASKED, ""])
        done.append(f"{act} {status}")
        _do(act, status, chance, conversion)
        for row in Contact.objects.all():
            stands(row)
            wish(row)
        assert list(disagreements("default")) == [], done


def _do(act: str, status: str, chance: random.Random, box: Any) -> None:
    rows = list(Contact.objects.order_by("pk"))
    free = sorted({*EMAILS} - {row.key for row in rows})
    if act == "create" and free:
        Contact.objects.create(email=chance.choice(free), subscription_status=status)
    elif act == "push":
        later()
        push()
    elif act == "retry":
        SubscriptionChange.objects.all().retry_failed()
    elif act == "update all":
        Contact.objects.update(subscription_status=status)
    elif act == "opt out by address":
        SubscriptionChange.opt_out("default", [chance.choice(EMAILS)])
    elif rows:
        _do_to(chance.choice(rows), act, status, chance, rows, free, box)


def _do_to(
    row: Contact,
    act: str,
    status: str,
    chance: random.Random,
    rows: list[Contact],
    free: list[str],
    box: Any,
) -> None:
    if act == "assign":
        chance.choice(WAYS)(row, status)
    elif act == "override":
        with attributed(override=True, reason="She asked."):
            chance.choice(WAYS)(row, status)
    elif act == "move" and free:
        row = fresh(row)
        row.email = chance.choice(free)
        row.save()
    elif act == "swap":
        other = chance.choice(rows)
        email = Case(When(pk=row.pk, then=Value(other.email)), default=Value(row.email))
        Contact.objects.filter(pk__in=[row.pk, other.pk]).update(email=email)
    elif act == "delete":
        row.delete()
    elif act == "opt out there" and row.key in box.contacts:
        box.contacts[row.key]["subscriptionStatus"] = OUT
