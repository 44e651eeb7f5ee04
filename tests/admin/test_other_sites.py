"""Admin sites beside Django's own, and without it, with all of our models or some of them."""

from __future__ import annotations

from html.parser import HTMLParser
from types import ModuleType
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.admin import test_permissions
from tests.admin.other_sites import SITES, pattern
from tests.admin.test_permissions import Case, cases

#: A row of each kind, in a state in which the buttons do something.
pks, held = test_permissions.pks, test_permissions.held

#: A site of each name beside the others, and alone.
BESIDE = "tests.admin.other_sites_beside"
PLACES = [(name, is_alone) for name in SITES for is_alone in (False, True)]


class Links(HTMLParser):
    """Where the links and the forms of a page lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.found = page, set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name in ("href", "action", "formaction", "data-url", "data-src"):
            if value := given.get(name):
                self.found.add(urljoin(self.page, value))


def links_of(page: str, html: str) -> set[str]:
    parser = Links(page)
    parser.feed(html)
    ours = {link.partition("#")[0] for link in parser.found if not urlsplit(link).scheme}
    # The last is Django's “View site”.
    return {link for link in ours if not link.startswith("/static/") and link != "/"}


@pytest.fixture
def client(db: None) -> Client:
    made = Client(raise_request_exception=False)
    made.force_login(User.objects.create_superuser("root"))
    return made


def urls_of(name: str, is_alone: bool) -> Any:
    """A module of addresses, or its name."""
    if not is_alone:
        return BESIDE
    module: Any = ModuleType(f"only_{name}")
    module.urlpatterns = [pattern(name)]
    return module


def cases_of(name: str, pks: dict[str, int]) -> list[Case]:
    """What one of these sites has, of the cases of Django's own."""
    kinds = {model._meta.model_name for model in SITES[name]}
    may = [one for one in cases(pks) if "never" not in one.needs]
    return [one for one in may if one.path.split("/")[0] in kinds]


def address(name: str, one: Case) -> str:
    return f"/{name}/conversion_sync/{one.path}"


@pytest.mark.parametrize(("name", "is_alone"), PLACES)
def test_each_page_is_whole_and_leads_to_none_that_its_site_lacks(
    name: str, is_alone: bool, pks: dict[str, int], client: Client, settings: Any
) -> None:
    settings.ROOT_URLCONF = urls_of(name, is_alone)
    wrong, known = [], set[str]()
    pages = [address(name, one) for one in cases_of(name, pks) if one.method == "GET"]
    for page in [f"/{name}/", *pages]:
        answer = client.get(page)
        if answer.status_code >= 400 and "rejected" not in page:
            wrong.append(f"{page}: {answer.status_code}")
            continue
        for link in links_of(page, b"".join(answer).decode()) - known:
            known.add(link)
            if not link.startswith(f"/{name}/"):
                wrong.append(f"{page} leads out of its site, to {link}")
            elif client.get(link).status_code == 404:
                wrong.append(f"{page} leads nowhere, to {link}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("name", "is_alone"), PLACES)
def test_each_button_leads_back_to_its_site(
    name: str, is_alone: bool, pks: dict[str, int], client: Client, settings: Any
) -> None:
    settings.ROOT_URLCONF = urls_of(name, is_alone)
    wrong, before = [], test_permissions.snapshot()
    for one in cases_of(name, pks):
        if one.method == "POST":
            base = f"/{name}/conversion_sync"
            answer, _ = test_permissions.outcome(client, one, before, base)
            place = answer.get("Location", f"/{name}/")
            if answer.status_code >= 400 or not urljoin(address(name, one), place).startswith(
                f"/{name}/"
            ):
                wrong.append(f"{one.label}: {answer.status_code} {place}")
    assert not wrong, "\n".join(wrong)
