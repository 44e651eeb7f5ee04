"""``delete`` and ``update`` of sets that no database can lock as they are, or that join."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import NotSupportedError, models, transaction
from django.db.models import Count, F, Q, Value, Window
from django.db.models.functions import Concat, Lower, RowNumber

from conversion_sync.models import Company, Contact, Deletion, Engagement, SubscriptionChange
from tests.kit import ANN, BOB, company, contact, engagement, log, push

pytestmark = pytest.mark.django_db

Rows = models.QuerySet[Any]
Build = Callable[[], Rows]


@pytest.fixture
def people(conversion) -> None:
    """Ann, with two engagements and a company, and Bob; both have arrived."""
    ann = contact(company=company(company_name="Acme"))
    contact(BOB)
    engagement(ann)
    engagement(ann)
    push()


#: Sets that hold Ann, and nobody else.
ANNS: dict[str, Build] = {
    "annotated": lambda: Contact.objects.annotate(low=Lower("email")).filter(low=ANN),
    "aggregated": lambda: Contact.objects.annotate(n=Count("engagements")).filter(n=2),
    "joined twice": lambda: Contact.objects.filter(engagements__name="Call"),
    "distinct": lambda: Contact.objects.filter(engagements__name="Call").distinct(),
    "ordered": lambda: Contact.objects.filter(company__isnull=False).order_by("-company__key"),
    "ordered by an annotation": lambda: (
        Contact.objects.annotate(low=Lower("email")).filter(low=ANN).order_by("-low")
    ),
    "related": lambda: Contact.objects.select_related("company").filter(company__key="C1"),
    "or over a join": lambda: Contact.objects.filter(
        Q(company__key="C1") | Q(email="nobody@x.example")
    ),
    "in part": lambda: Contact.objects.only("email").filter(email=ANN),
    "window": lambda: Contact.objects.annotate(place=Window(RowNumber(), order_by="pk")).filter(
        email=ANN
    ),
    "either": lambda: (
        Contact.objects.filter(email=ANN) | Contact.objects.filter(engagements=None, email=ANN)
    ),
    "distinct and aggregated": lambda: (
        Contact.objects.annotate(n=Count("engagements")).filter(n__gt=1).distinct()
    ),
}

each_set = pytest.mark.parametrize("build", ANNS.values(), ids=ANNS)


@each_set
def test_it_is_deleted_and_leaves_one_deletion(people, build: Build):
    count, counts = build().delete()
    assert counts == {"conversion_sync.Contact": 1, "conversion_sync.Engagement": 2}
    assert count == 3
    assert list(Deletion.objects.values_list("key", flat=True)) == [ANN]
    assert list(Contact.objects.values_list("email", flat=True)) == [BOB]


@each_set
def test_its_key_is_changed(people, build: Build):
    assert build().update(email="new@x.example") == 1
    assert list(Deletion.objects.values_list("key", flat=True)) == [ANN]
    assert set(Contact.objects.values_list("key", flat=True)) == {"new@x.example", BOB}


@each_set
def test_its_consent_is_changed(people, build: Build):
    assert build().update(subscription_status="UNSUBSCRIBED") == 1
    assert log() == [("UNSUBSCRIBED", "PENDING")]
    assert SubscriptionChange.objects.count() == 1


def test_a_key_is_changed_to_what_an_annotation_says(people):
    rows = Contact.objects.annotate(new=Concat(Value("new-"), F("email")))
    assert rows.update(email=F("new")) == 2
    assert set(Contact.objects.values_list("key", flat=True)) == {f"new-{ANN}", f"new-{BOB}"}


def test_the_name_of_a_company_is_changed_in_an_aggregated_set(people):
    rows = Company.objects.annotate(n=Count("contacts")).filter(n=1)
    assert rows.update(company_name="New") == 1
    push()
    assert Contact.objects.get(email=ANN).sent_payload["company"] == {"company_name": "New"}


def test_an_engagement_of_a_distinct_set_is_changed(people):
    engagement(Contact.objects.get(email=BOB), name="Visit")
    rows = Engagement.objects.filter(name="Visit").distinct()
    assert rows.update(name="Talk") == 1


#: Sets that Django itself refuses; PostgreSQL alone knows DISTINCT ON, so it is not asked.
REFUSED: dict[str, Build] = {
    "sliced": lambda: Contact.objects.order_by("pk")[:1],
    "a union": lambda: Contact.objects.filter(email=ANN).union(Contact.objects.filter(email=BOB)),
    "values": lambda: Contact.objects.values("email"),
    "a list of values": lambda: Contact.objects.values_list("email", flat=True),
    "distinct on": lambda: Contact.objects.distinct("email"),
    "ordered by an aggregate": lambda: Contact.objects.annotate(n=Count("engagements")).order_by(
        "n"
    ),
}


@pytest.mark.parametrize("build", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize(
    "act",
    [
        lambda rows: rows.delete(),
        lambda rows: rows.update(subscription_status="UNSUBSCRIBED"),
        lambda rows: rows.update(title="Boss"),
    ],
    ids=["delete", "consent", "plain"],
)
def test_what_django_refuses_is_refused_in_its_words(people, build: Build, act: Any):
    plain = build()
    plain.__class__ = models.QuerySet
    wanted = _outcome(lambda: act(plain))
    assert _outcome(lambda: act(build())) == wanted


class _Undone(Exception):
    pass


def _outcome(act: Callable[[], object]) -> Any:
    """What Django's error says, else the number of rows; what was done is undone."""
    found: Any = None
    try:
        with transaction.atomic():
            found = act()
            raise _Undone
    except _Undone:
        return found
    except (TypeError, NotSupportedError, FieldError) as error:
        return type(error), str(error)


def test_a_column_that_there_is_not_is_refused(people):
    with pytest.raises(FieldDoesNotExist):
        Contact.objects.update(email="new@x.example", no_such_column=1)
