"""Every word that the app shows can be translated: each page is shown in a language of brackets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F, Q
from django.test import Client
from django.utils.translation import trans_real

from conversion_sync import mirrors
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import (
    Company,
    Contact,
    Deletion,
    Engagement,
    MirrorLink,
    SubscriptionChange,
)
from conversion_sync.models.clock import db_now
from conversion_sync.models.messages import Message, stored
from tests.admin.conftest import BASE, state
from tests.mirrors.shop.models import Customer

OPEN, CLOSE = "⟦", "⟧"
WORD = re.compile(r"[^\W\d]{2,}")
#: Attributes that are read out or shown.
SPOKEN = {"title", "aria-label", "alt", "placeholder"}


class Brackets:
    """A translation that puts every message into brackets."""

    domain = "django"

    def gettext(self, message: str) -> str:
        return f"{OPEN}{message.rpartition(chr(4))[2]}{CLOSE}" if message else ""

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.gettext(singular if number == 1 else plural)

    def to_language(self) -> str:
        return "en"


class Shown(HTMLParser):
    """The texts of a page, without scripts, what is typed into forms, and foreign text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "bdi", "code", "textarea", "template", "time"):
            self.skipped.append(tag)
        if not self.skipped:
            self.texts += [value for name, value in attrs if name in SPOKEN and value]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.skipped:
            while self.skipped.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.texts.append(data)


def untranslated(text: str) -> str:
    """What stands outside of all brackets."""
    depth, out = 0, []
    for letter in text:
        depth += (letter == OPEN) - (letter == CLOSE)
        if not depth and letter != CLOSE:
            out.append(letter)
    return "".join(out)


@pytest.fixture
def rows(conversion: Any, contact: Contact, engagement: Engagement, company: Company) -> list[Any]:
    """A row of each kind, in each state that says something else."""
    now = db_now("default")
    change = SubscriptionChange.objects.create(
        contact=contact, address=contact.key, status="SUBSCRIBED", requested_by="sam"
    )
    deletion = Deletion.objects.create(kind="contact", key="old@x.example")
    state(company, sync_status="SYNCED", last_synced_at=now, due_at=None)
    state(contact, sync_status="FAILED", last_error_code="NO_ANSWER", last_attempt_at=now)
    state(engagement, sync_status="UNCONFIRMED", last_error_code="NO_ANSWER", last_attempt_at=now)
    state(change, sync_status="FAILED", last_error_code="CONSENT_BLOCKED", last_attempt_at=now)
    state(deletion, attempts=2, last_error_code="INTERNAL_ERROR", last_attempt_at=now)
    return [company, contact, engagement, change, deletion]


def pages(rows: list[Any]) -> Iterator[str]:
    yield "/admin/"
    yield f"{BASE}/apigate/"
    yield f"{BASE}/apicall/"
    yield f"{BASE}/bulkjob/"
    for row in rows:
        name = row._meta.model_name
        yield f"{BASE}/{name}/"
        yield f"{BASE}/{name}/{row.pk}/change/"
        yield f"{BASE}/{name}/{row.pk}/history/"
    for name in ("contact", "company", "engagement"):
        yield f"{BASE}/{name}/add/"
    for row in rows[:3]:
        yield f"{BASE}/{row._meta.model_name}/{row.pk}/delete/"
    for row in rows[:2]:
        yield f"{BASE}/{row._meta.model_name}/{row.pk}/compare/"
        yield f"{BASE}/{row._meta.model_name}/import/"
    yield f"{BASE}/subscriptionchange/{rows[3].pk}/override/"


#: What the rows say, the names of things, and Django's own words that it does not translate.
NAMES = {
    *("Ann", "ann", "Ross", "example", "old", "Lumentum", "Call", "two", "lines", "good"),
    *("lead_score", "room", "outcome", "priority", "urgent", "tags", "duration_minutes"),
    *("sam", "admin", "Conversion", "Sync", "Django", "UTC"),
    *("NO_ANSWER", "CONSENT_BLOCKED", "INTERNAL_ERROR"),
    *("Search", "False"),
}


def test_every_word_is_translatable(
    admin_client: Client, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {page: partial(admin_client.get, page) for page in pages(rows)}
    assert not (missing := untranslated_words(answers, monkeypatch)), missing


class CustomerMirror(mirrors.Mirror[Customer]):
    email = F("email")
    include = Q(is_active=True)
    on_exit = mirrors.DELETE


@pytest.fixture
def sources(contact: Contact) -> Iterator[list[MirrorLink]]:
    """A source in each state, and with each trouble."""
    reasons = [*Message]
    with registry.only(Declared(MirrorLink.Kind.CONTACT, Customer, CustomerMirror)):
        for number, state in enumerate([*MirrorLink.State, *MirrorLink.State]):
            ann = Customer.objects.create(name="ann", is_active=bool(number % 2))
            link = MirrorLink(mirror="tests.CustomerMirror", source=str(ann.pk), state=state)
            link.kind, link.row = "contact", contact.pk if state == "mirrored" else None
            link.row = link.row if number < len(MirrorLink.State) else None
            link.reason = stored(reasons[number % len(reasons)])
            link.fault = "Call" if number == 1 else ""
            link.note_trouble()
            link.save()
        yield [*MirrorLink.objects.all()]


def pages_of(sources: list[MirrorLink]) -> Iterator[str]:
    yield "/admin/"
    yield f"{BASE}/apigate/"
    yield f"{BASE}/mirrorlink/"
    yield f"{BASE}/mirrorlink/?mirror=tests.CustomerMirror&trouble=any"
    yield f"{BASE}/mirrorlink/let-leave/?mirror=tests.CustomerMirror"
    for link in sources:
        yield f"{BASE}/mirrorlink/{link.pk}/change/"
        yield f"/admin/shop/customer/{link.source}/conversion/"


def test_every_word_of_mirrors_is_translatable(
    admin_client: Client, sources: list[MirrorLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {page: partial(admin_client.get, page) for page in pages_of(sources)}
    assert not (missing := untranslated_words(answers, monkeypatch)), missing


#: Files whose previews say all that a preview can say.
FILES = {
    "contact": (
        b",Email,Phone,Company,Opted out,subscription_status,zip,visits,,vip\n"
        b"1,ann@x.example,4.92E+11,Acme,x,,01234,1.500,odd,TRUE\n"
        b"2,nobody,#N/A,,perhaps,PERHAPS,94105,2.750,,FALSE\n"
        b"3,new@x.example\n"
        b"4,Ann@x.example,1,,,,,,,\n"
        b"5,x@x.example,,,,,,,,,,,too long\n"
        b'6,"x@x.example"x\n'
    ),
    "company": (
        b"Report\n"
        b"id,name,Annual Revenue,size,website,Domain,Z\xfcrich\n"
        b"42.0,Acme,1.500,10-Jan,no site,no domain,M\xc3\xbcller\n"
        b"1E+05,,\x80 5,,,,1E+15\n"
    ),
}


def test_every_word_of_an_import_is_translatable(
    admin_client: Client, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def upload(kind: str, content: bytes) -> Any:
        file = SimpleUploadedFile("people.csv", content)
        data = {"format": "0", "resource": "0", "import_file": file}
        return admin_client.post(f"{BASE}/{kind}/import/", data)

    answers = {kind: partial(upload, kind, content) for kind, content in FILES.items()}
    answers["unclear"] = partial(upload, "contact", b"first_name,Correo\nAnn,ann@x.example\n")
    assert not (missing := untranslated_words(answers, monkeypatch)), missing


def untranslated_words(
    answers: Mapping[str, Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> dict[str, set[str]]:
    """The words of some pages that no translation could reach."""
    monkeypatch.setattr(trans_real, "translation", lambda language: Brackets())
    trans_real.activate("en")
    missing: dict[str, set[str]] = {}
    try:
        for page, ask in answers.items():
            answer = ask()
            assert answer.status_code == 200, page
            shown = Shown()
            shown.feed(answer.content.decode())
            for text in shown.texts:
                if words := set(WORD.findall(untranslated(text))) - NAMES:
                    missing.setdefault(page, set()).update(words)
    finally:
        trans_real.deactivate()
    return missing
