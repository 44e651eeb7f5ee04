"""From a request for a page to its answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import Message
from urllib.parse import parse_qs

from conversion_sync.sandbox.pages.frame import Look, frame
from conversion_sync.sandbox.pages.guard import is_foreign, is_token
from conversion_sync.sandbox.pages.html import tag
from conversion_sync.sandbox.pages.lists import LISTS, show_list
from conversion_sync.sandbox.pages.overview import overview
from conversion_sync.sandbox.pages.style import STYLE_SOURCE
from conversion_sync.sandbox.store import Store
from conversion_sync.sandbox.traffic import RateLimit, Traffic
from conversion_sync.sandbox.troubles import Troubles

__all__ = ["PAGE_HEADERS", "Answer", "Pages"]

PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {STYLE_SOURCE}; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Answer:
    """What to send: a page, or where to go from here."""

    status: int
    html: str = ""
    location: str = ""


class Pages:
    """The pages of one sandbox."""

    def __init__(
        self, store: Store, traffic: Traffic, limit: RateLimit, troubles: Troubles
    ) -> None:
        self._look = Look(store, traffic, limit, troubles, "", secrets.token_urlsafe(24))

    def answer(
        self, method: str, target: str, body: bytes, headers: Message, base_url: str
    ) -> Answer | None:
        """Return the answer, or None where there is no page.

        Args:
            target: the path with its query.
            base_url: where the API is.
        """
        path, _, query = target.partition("?")
        look = replace(self._look, base_url=base_url, path=target)
        asked = _fields(query)
        if method == "GET" and path == "/":
            email = asked.get("email", "")
            return Answer(200, overview(look, email=email, follow="follow" in asked))
        if method == "GET" and path in LISTS:
            page = asked.get("page", "1")
            number = int(page) if page.isdecimal() and len(page) < 10 else 1
            return Answer(200, show_list(look, path, query=asked.get("q", ""), page=number))
        if method == "POST" and path == "/do":
            return self._do(replace(look, path="/"), _fields(body.decode("latin-1")), headers)
        return None

    def _do(self, look: Look, given: Mapping[str, str], headers: Message) -> Answer:
        if is_foreign(headers) or not is_token(given.get("token", ""), look.token):
            words = (
                "This button is of an older page: the sandbox was started anew since, or the page "
                "is not its own. Nothing was changed. "
            )
            again = tag("a", "Open the page anew", href="/")
            return Answer(403, frame(look, "Not done", tag("p", words, again)))
        if "refuse" in given and not _is_address(given.get("email", "")):
            problem = "An address has a name, an @ and a domain."
            return Answer(400, overview(look, email=given.get("email", ""), problem=problem))
        try:
            _change(look.troubles, given)
        except OSError as error:
            return Answer(409, frame(look, "Not done", tag("p", f"{error.strerror}.")))
        except KeyError:
            return Answer(404, frame(look, "Not done", tag("p", "There is no such button.")))
        return Answer(303, location=_own(given.get("back", "/")))


def _fields(encoded: str) -> dict[str, str]:
    """Return the fields of a form or query; of several of one name, the last; of many, none."""
    try:
        pairs = parse_qs(encoded, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in pairs.items()}


def _is_address(email: str) -> bool:
    local, at, domain = email.strip().rpartition("@")
    return bool(local and at and domain)


def _own(path: str) -> str:
    """Return a path of these pages."""
    is_own = path.partition("?")[0] in ("/", *LISTS) and path.isascii() and path.isprintable()
    return path if is_own else "/"


def _change(troubles: Troubles, given: Mapping[str, str]) -> None:
    """Do what a button says.

    Raises:
        KeyError: there is no such button.
    """
    if "normal" in given:
        troubles.back_to_normal()
    elif "refuse" in given:
        troubles.refuse(given["email"])
    elif "refuse-this" in given:
        troubles.refuse(given["refuse-this"])
    elif "accept" in given:
        troubles.accept(given["accept"])
    elif "begin" in given:
        troubles.begin(given["begin"])
    else:
        troubles.end(given["end"])
