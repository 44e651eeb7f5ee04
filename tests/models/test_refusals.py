"""What can't be kept or sent is refused in words, with the field named, wherever it is entered."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from conversion_sync.api import v1
from conversion_sync.importing.cells import read_cell
from conversion_sync.models import Company, Contact, Engagement
from conversion_sync.models.validators import DEEPEST, LARGEST
from conversion_sync.sync.payloads import engagement_payload
from tests.kit import ANN, BOB, contact, push

pytestmark = pytest.mark.django_db


def nested(depth: int) -> Any:
    """So many objects in each other."""
    value: Any = "x"
    for _ in range(depth):
        value = {"x": value}
    return value


def complaint(row: Any, field: str) -> str:
    with pytest.raises(ValidationError) as raised:
        row.full_clean()
    assert set(raised.value.message_dict) == {field}
    return " ".join(raised.value.message_dict[field])


JSON: tuple[tuple[Any, str], ...] = (
    (nested(DEEPEST + 1), f"at most {DEEPEST} lists or objects"),
    (nested(100_000), "nested too deep"),
    ({"x": "é" * LARGEST}, "too large"),
    ({"x": float("nan")}, "as JSON"),
    ({"x": float("-inf")}, "as JSON"),
    ({"x": "\ud800"}, "as JSON"),
)


@pytest.mark.parametrize(
    ("value", "said"), JSON, ids=["deep", "deeper", "large", "nan", "inf", "half"]
)
@pytest.mark.parametrize("field", ["custom_variables", "external_contact", "data"])
def test_values_that_no_database_and_no_call_can_carry(field, value, said):
    row: Any = Contact(email=ANN)
    if field == "data":
        row = Engagement(contact=contact(), name="Call", description="We talked.")
    setattr(row, field, value)
    assert said in complaint(row, field)


@pytest.mark.parametrize(("value", "said"), [("a\ud800", "half of a character"), ("a\0", "NUL")])
@pytest.mark.parametrize(
    "field",
    [
        "first_name",
        "last_name",
        "phone",
        "title",
        "linkedin_url",
        "email",
        "company_name",
        "industry",
        "size",
        "location",
        "website",
        "external_id",
        "name",
        "description",
        "source_key",
    ],
)
def test_texts_that_no_database_and_no_call_can_carry(field, value, said):
    rows: list[Any] = [Contact(email=BOB), Company(external_id="C1")]
    rows.append(Engagement(contact=contact(), name="Call", description="We talked."))
    row = next(row for row in rows if any(f.name == field for f in row._meta.fields))
    setattr(row, field, value)
    assert said in complaint(row, field)


def test_a_text_that_is_too_large():
    row = Engagement(contact=contact(), name="Call", description="é" * LARGEST)
    assert "too large" in complaint(row, "description")


@pytest.mark.parametrize(
    "moment",
    [
        datetime.datetime(9999, 12, 31, 23, 59),
        datetime.datetime(1, 1, 1, 0, 1),
        datetime.datetime.max,
        datetime.datetime.min,
    ],
)
@pytest.mark.parametrize("zone", [None, "America/New_York", "Pacific/Kiritimati"])
def test_times_that_not_every_zone_has(moment, zone):
    if settings.USE_TZ or zone:
        moment = moment.replace(tzinfo=ZoneInfo(zone or "UTC"))
    row = Engagement(contact=contact(), name="C", description="D", occurred_at=moment)
    assert "Not every time zone" in complaint(row, "occurred_at")


@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime:RuntimeWarning")
@pytest.mark.parametrize("form", ["time", "text", "date"])
@pytest.mark.parametrize("way", ["save", "bulk_create", "update"])
def test_such_a_time_is_refused_by_those_who_do_not_ask(way, form):
    row = Engagement(contact=contact(), name="C", description="D")
    latest = datetime.datetime.max
    if settings.USE_TZ:
        latest = latest.replace(tzinfo=ZoneInfo("America/New_York"))
    # As Django takes it: from JSON, say, or from a form that has no time.
    forms = {"time": latest, "text": "0001-01-01T00:00:00+14:00", "date": datetime.date.max}
    row.occurred_at = forms[form]
    ways: dict[str, Callable[[], Any]] = {
        "save": row.save,
        "bulk_create": lambda: Engagement.objects.bulk_create([row]),
        "update": lambda: Engagement.objects.update(occurred_at=row.occurred_at),
    }
    with pytest.raises(ValidationError, match="Not every time zone"), transaction.atomic():
        ways[way]()
    assert not Engagement.objects.exists()


def test_what_is_just_possible_is_taken_kept_and_sent(conversion):
    large = {"x": "y" * (LARGEST - 10)}
    # The column itself is the first of them.
    first = contact(external_contact=large, custom_variables=nested(DEEPEST))
    first.full_clean()
    for moment in (datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29)):
        if settings.USE_TZ:
            moment = moment.replace(tzinfo=ZoneInfo("Pacific/Kiritimati"))
        row = Engagement(contact=first, name="C", description="D", occurred_at=moment)
        row.full_clean()
        row.save()
        json.dumps(v1.engagement_body(engagement_payload(Engagement.objects.get(pk=row.pk))))
    assert push().failed == 0
    assert len(conversion.engagements) == 2
    assert conversion.contacts[ANN]["variables"]["x"] == nested(DEEPEST - 1)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("data", '{"a": ' + "[" * 30 + "]" * 30 + "}", "nested too deep"),
        ("data", '{"a": ' + "[" * 100_000, "nested too deep"),
        ("data", '{"a": NaN}', "as JSON"),
        ("data", '{"a": "\\ud800"}', "as JSON"),
        ("data", json.dumps({"a": "x" * LARGEST}), "too large"),
        ("description", "x" * (LARGEST + 1), "too large"),
        ("occurred_at", "9999-12-31 23:59", "Not every time zone"),
        ("occurred_at", "0001-01-01T00:00+14:00", "Not every time zone"),
    ],
    ids=["deep", "deeper", "nan", "half", "large", "long", "late", "early"],
)
def test_a_cell_of_a_file_is_refused_in_the_same_words(name, text, said):
    with pytest.raises(ValidationError, match=said):
        read_cell(next(f for f in Engagement._meta.fields if f.name == name), text)
