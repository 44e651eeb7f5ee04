"""What the verdict says of each fault, half a minute and five minutes after it has begun.

Rows that wait are looked at by a drain each minute, as the sweep has them; time passes by all that
is written down being moved back.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.models import F

from conversion_sync.models import Contact, Engagement
from conversion_sync.status import times
from conversion_sync.status.facts import facts
from conversion_sync.status.overview import overview
from conversion_sync.status.verdict import Tone, verdict
from conversion_sync.sync.drain import drain
from conversion_sync.sync.gate import Gate
from conversion_sync.sync.kinds.contact import Contacts

pytestmark = pytest.mark.django_db

#: Seconds between two drains.
SWEEP = 60

#: Seconds for which a drain may send, more than any takes: it ends when nothing is ready.
ENOUGH = 60.0


def pass_time(seconds: float) -> None:
    """Have all that is written down lie so much further back."""
    step = datetime.timedelta(seconds=seconds)
    for model in apps.get_app_config("conversion_sync").get_models():
        times = [f.name for f in model._meta.fields if isinstance(f, models.DateTimeField)]
        rows: Any = models.QuerySet(model)
        if times:
            rows.update(**{name: F(name) - step for name in times})


def said() -> tuple[Tone, str]:
    """What is said, whenever it has begun."""
    known = facts(overview(), "default")
    found = verdict(known)
    words = found.words
    for moment in filter(None, (known.gate.since, known.silent_since, known.seen_at)):
        words = words.replace(f" {times.since(moment, known.now)}", " …")
    return found.tone, words


def people() -> None:
    Contact.objects.bulk_create(Contact(email=f"p{n}@x.example") for n in range(20))


@dataclass(frozen=True)
class Case:
    """A fault, and what is to be said of it.

    Attributes:
        begin: saves rows, and has the fault begin.
        soon, later: tone and words after 30 seconds, and after five minutes.
        drained: whether there is anybody who sends.
    """

    begin: Callable[[Any, Any], None]
    soon: tuple[Tone, str]
    later: tuple[Tone, str]
    drained: bool = True


def always(kind: str, **options: Any) -> Callable[[Any, Any], None]:
    """Twenty contacts are saved, and each call ends so."""

    def begin(box: Any, settings: Any) -> None:
        people()
        box.fail(kind, count=None, **options)

    return begin


def calls_that_hang(box: Any, settings: Any) -> None:
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "CALL_DEADLINE": 1}
    always("hang")(box, settings)


def one_bad_row(box: Any, settings: Any) -> None:
    people()
    box.fail("poison", email="p3@x.example", count=None, status=400)


def engagement_in_doubt(box: Any, settings: Any) -> None:
    row = Contact.objects.create(email="ann@x.example")
    drain(ENOUGH)
    Engagement.objects.create(contact=row, name="Call", description="We talked.")
    box.fail("drop_after", path="engagements")


def paused(box: Any, settings: Any) -> None:
    people()
    Gate().pause("anna")


def switched_off(box: Any, settings: Any) -> None:
    people()
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "ENABLED": False}


def without_key(box: Any, settings: Any) -> None:
    people()
    settings.CONVERSION_SYNC = {**settings.CONVERSION_SYNC, "API_KEY": ""}


def nothing_wrong(box: Any, settings: Any) -> None:
    people()


def a_bug(box: Any, settings: Any) -> None:
    people()


def alike(tone: Tone, words: str) -> tuple[tuple[Tone, str], tuple[Tone, str]]:
    return (tone, words), (tone, words)


SILENT = alike(Tone.BAD, "Conversion does not answer since …: 20 rows wait, nothing is lost.")
ONE = alike(Tone.BAD, "1 row needs a person; all else is in Conversion.")
ALL = alike(Tone.BAD, "20 rows need a person; all else is in Conversion.")
ASKED = "Conversion asks to wait, sending goes on in {}: 20 rows wait, nothing is lost."

CASES = {
    "connections that break": Case(always("drop_before"), *SILENT),
    "calls that hang": Case(calls_that_hang, *SILENT),
    "a gateway that says 502": Case(always("html", status=502), *SILENT),
    "500": Case(always("status", status=500, code="INTERNAL_ERROR"), *SILENT),
    "no JSON": Case(always("garbage"), *SILENT),
    "503, in ten minutes": Case(
        always("status", status=503, code="UNAVAILABLE", headers={"Retry-After": "620"}),
        (Tone.OFF, ASKED.format("10 min")),
        (Tone.OFF, ASKED.format("5 min")),
    ),
    "429, in three minutes": Case(
        always("status", status=429, code="RATE_LIMIT_EXCEEDED", headers={"Retry-After": "200"}),
        (Tone.OFF, ASKED.format("3 min")),
        (Tone.OFF, ASKED.format("2 min")),
    ),
    "a key that is refused": Case(
        always("status", status=401, code="UNAUTHORIZED"),
        *alike(
            Tone.BAD,
            "The API key was refused at …: nothing is sent until one is accepted; 20 rows wait, "
            "nothing is lost.",
        ),
    ),
    "a redirect": Case(
        always("redirect"),
        *alike(
            Tone.BAD,
            "The address of the API redirects elsewhere since …: nothing is sent until that is "
            "corrected; 20 rows wait, nothing is lost.",
        ),
    ),
    "a right that the key lacks": Case(always("status", status=403, code="FORBIDDEN"), *ALL),
    "a bill that was not paid": Case(always("status", status=402, code="PAY_FIRST"), *ALL),
    "a router that knows no such address": Case(always("html", status=404), *ALL),
    "all contents refused": Case(
        always("status", status=400, code="VALIDATION_ERROR", path="contacts/batch"),
        *ALL,
    ),
    "one content refused": Case(one_bad_row, *ONE),
    "an engagement in doubt": Case(engagement_in_doubt, *ONE),
    "a pause": Case(
        paused, *alike(Tone.OFF, "Paused by anna since …: 20 rows wait, nothing is lost.")
    ),
    "ENABLED off": Case(
        switched_off,
        *alike(
            Tone.OFF, "Sending is switched off in the settings (ENABLED): changes are only noted."
        ),
    ),
    "no key": Case(
        without_key,
        *alike(Tone.BAD, "The settings hold no API key (API_KEY): changes are only noted."),
    ),
    "a worker that never ran": Case(
        nothing_wrong,
        (Tone.WAITING, "20 rows wait for the next drain."),
        (Tone.BAD, "Nobody is sending: 20 rows wait, nothing is lost."),
        drained=False,
    ),
    "a bug of the app": Case(
        a_bug, *alike(Tone.BAD, "Nothing is sent of the contacts: something fails.")
    ),
    "nothing": Case(nothing_wrong, *alike(Tone.GOOD, "All is in Conversion.")),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_of_a_fault_is_true_soon_and_later(
    name: str, conversion: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    case = CASES[name]
    case.begin(conversion, settings)
    if case.begin is a_bug:
        monkeypatch.setattr(Contacts, "chosen", lambda *args: 1 / 0)
    if case.drained:
        drain(ENOUGH, stop=lambda: Gate().state().status != "open")
    pass_time(30)
    soon = said()
    for _ in range(270 // SWEEP):
        pass_time(SWEEP)
        if case.drained:
            drain(ENOUGH, stop=lambda: Gate().state().status != "open")
    pass_time(270 % SWEEP)
    assert (soon, said()) == (case.soon, case.later)
