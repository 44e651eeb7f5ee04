"""The lists of what has arrived and of the calls, latest first, with a search and pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from conversion_sync.sandbox.pages.frame import Column, Look, button, form, frame, table
from conversion_sync.sandbox.pages.html import Html, escaped, join, tag
from conversion_sync.sandbox.pages.overview import CALL_COLUMNS, call_row
from conversion_sync.sandbox.pages.words import address, clock, pairs, status, value

__all__ = ["LISTS", "show_list"]

PER_PAGE = 25

Record = Mapping[str, Any]
Shown = Callable[[Look, Any], Sequence[str]]


@dataclass(frozen=True)
class List:
    """A list: where its items are, what of them is searched, and how each is shown."""

    title: str
    columns: Sequence[Column]
    items: Callable[[Look], Iterable[Any]]
    text: Callable[[Any], str]
    row: Shown


def show_list(look: Look, path: str, *, query: str = "", page: int = 1) -> str:
    """Return a page of a list.

    Args:
        path: one of `LISTS`.
        query: words that must all be found in an item.
        page: from 1; what is beyond the last is the last.
    """
    what = LISTS[path]
    words = query.casefold().split()
    found = [item for item in what.items(look) if _has(what.text(item), words)]
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(max(1, page), pages)
    first = (page - 1) * PER_PAGE
    shown = found[first : first + PER_PAGE]
    rows = [what.row(look, item) for item in shown]
    turning = _turning(path, query, page, pages)
    return frame(
        look,
        what.title,
        tag("h2", what.title),
        _search(path, query),
        tag("p", _count(len(found), first, len(shown), query), role="status", class_="soft"),
        form(look, table(what.columns, rows)) if rows else "",
        turning,
    )


def _has(text: str, words: Sequence[str]) -> bool:
    text = text.casefold() if words else text
    return all(word in text for word in words)


def _count(found: int, first: int, shown: int, query: str) -> str:
    if not found:
        return "Nothing found." if query else "None yet."
    which = f"{first + 1:,} to {first + shown:,} of {found:,}" if shown < found else f"{found:,}"
    return f"{which}, the latest first."


def _search(path: str, query: str) -> Html:
    return tag(
        "form",
        tag("label", "Search", for_="q"),
        tag("input", id="q", name="q", type="search", value=query, autocomplete="off"),
        tag("button", "Search", type="submit"),
        tag("a", "Show all", href=path) if query else "",
        method="get",
        action=path,
        role="search",
        class_="line",
    )


def _turning(path: str, query: str, page: int, pages: int) -> Html:
    if pages == 1:
        return Html()

    def link(words: str, to: int) -> Html:
        if to == page or not 1 <= to <= pages:
            return tag("li", tag("span", words, class_="soft"))
        asked = {"q": query} if query else {}
        return tag("li", tag("a", words, href=f"{path}?{urlencode({**asked, 'page': to})}"))

    links = (
        link("First", 1),
        link("Newer", page - 1),
        tag("li", f"Page {page:,} of {pages:,}"),
        link("Older", page + 1),
        link("Last", pages),
    )
    return tag("nav", tag("ul", *links, class_="turning"), aria_label="Pages of the list")


def _latest(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: str(record["updatedAt"]), reverse=True)


def _text(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False)


def _contact(look: Look, record: Record) -> list[str]:
    email = record["email"]
    is_refused = email in look.troubles.refused
    engagements = "/engagements?" + urlencode({"q": email})
    return [
        join(
            [address(email), tag("div", tag("a", "Engagements", href=engagements), class_="small")]
        ),
        status(record["subscriptionStatus"]),
        pairs(record["variables"]),
        clock(record["updatedAt"]),
        button(
            "Accept again" if is_refused else "Refuse",
            "accept" if is_refused else "refuse-this",
            email,
            aria_label=f"{'Accept' if is_refused else 'Refuse'} {email}",
        ),
    ]


def _company(_look: Look, record: Record) -> list[str]:
    return [
        address(record["id"]),
        address(record["baseDomain"] or ""),
        pairs(record["variables"]),
        clock(record["updatedAt"]),
    ]


def _engagement(_look: Look, record: Record) -> list[str]:
    data = record["data"]
    return [
        address(record["contactEmail"]),
        join([tag("bdi", record["name"]), tag("div", record["description"], class_="small soft")]),
        pairs(data) if isinstance(data, Mapping) else escaped(value(data)),
        clock(record["createdAt"]),
    ]


LISTS: Mapping[str, List] = {
    "/contacts": List(
        "Contacts",
        (
            Column("Address", "address"),
            Column("Status"),
            Column("Variables"),
            Column("Changed", "fixed"),
            Column(""),
        ),
        lambda look: _latest(look.store.contacts.values()),
        _text,
        _contact,
    ),
    "/companies": List(
        "Companies",
        (
            Column("Id", "address"),
            Column("Domain"),
            Column("Variables"),
            Column("Changed", "fixed"),
        ),
        lambda look: _latest(look.store.companies.values()),
        _text,
        _company,
    ),
    "/engagements": List(
        "Engagements",
        (Column("Contact", "address"), Column("What"), Column("Data"), Column("Arrived", "fixed")),
        lambda look: reversed(look.store.engagements),
        _text,
        _engagement,
    ),
    "/calls": List(
        "Calls",
        CALL_COLUMNS,
        lambda look: reversed(look.traffic.calls),
        lambda call: f"{call.method} {call.path} {call.status} {call.fault} {' '.join(call.keys)}",
        lambda _look, call: call_row(call),
    ),
}
