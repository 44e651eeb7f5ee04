"""Staff, their rows, and their forms as a browser would send them."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from conversion_sync.models import Company, Contact, Engagement

BASE = "/admin/conversion_sync"


class Form(HTMLParser):
    """What a browser would send of the form with this id, left as it was shown."""

    def __init__(self, id: str) -> None:
        super().__init__()
        self.id, self.inside, self.data = id, False, dict[str, str]()
        self.select = self.area = ""
        self.template = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = a.get("id") == self.id
        if tag == "template":
            self.template = True
        if not self.inside or self.template:
            return
        kind = a.get("type", "text")
        if tag == "input" and a.get("name") and kind not in ("submit", "checkbox", "button"):
            self.data[a["name"]] = a.get("value", "")
        elif tag == "textarea":
            self.area = a["name"]
            self.data[self.area] = ""
        elif tag == "select":
            self.select = a.get("name", "")
            self.data[self.select] = ""
        elif tag == "option" and "selected" in a:
            self.data[self.select] = a["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.area:
            # As a browser: the first line break is none, and the others are two characters.
            text = self.data[self.area].removeprefix("\n")
            self.data[self.area] = text.replace("\n", "\r\n")
            self.area = ""
        if tag == "template":
            self.template = False
        if tag == "form":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.area:
            self.data[self.area] += data


@pytest.fixture
def form_of() -> Callable[..., dict[str, str]]:
    """The data that a page's form would send, untouched."""

    def read(client: Client, url: str) -> dict[str, str]:
        answer = client.get(url)
        assert answer.status_code == 200, answer
        parser = Form(f"{url.removeprefix(BASE).split('/')[1]}_form")
        parser.feed(answer.content.decode())
        assert parser.data, "no form on the page"
        return parser.data

    return read


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """A client that is logged in with these permissions."""

    def login(*permissions: str, name: str = "sam") -> Client:
        user = User.objects.create_user(name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    return login


@pytest.fixture
def company(db: None) -> Company:
    row: Company = Company.objects.create(external_id="C-1", company_name="Lumentum")
    return row


@pytest.fixture
def contact(company: Company) -> Contact:
    row: Contact = Contact.objects.create(
        email="Ann@x.example",
        first_name="Ann",
        last_name="Ross",
        company=company,
        custom_variables={"lead_score": 21},
    )
    return row


@pytest.fixture
def engagement(contact: Contact) -> Engagement:
    row: Engagement = Engagement.objects.create(
        contact=contact,
        name="Call",
        description="two\nlines",
        data={
            "tags": ["a", "b"],
            "room": "2",
            "duration_minutes": 30,
            "priority": "urgent",
            "outcome": "good",
        },
    )
    return row


def state(row: Any, **columns: Any) -> None:
    """Give a row a state, as the machinery would."""
    type(row).unmarked.filter(pk=row.pk).update(**columns)
