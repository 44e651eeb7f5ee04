"""What each page has around it: its head, the way to the others, and what is not normal now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conversion_sync.sandbox.pages.html import Html, join, tag
from conversion_sync.sandbox.pages.style import STYLE
from conversion_sync.sandbox.pages.words import address
from conversion_sync.sandbox.store import Store
from conversion_sync.sandbox.traffic import RateLimit, Traffic
from conversion_sync.sandbox.troubles import Troubles

__all__ = ["FOLLOW_SECONDS", "Column", "Look", "button", "form", "frame", "table"]

FOLLOW_SECONDS = 3


@dataclass(frozen=True)
class Look:
    """What the pages look at.

    ``token`` stands in each form, so that no page of another origin can post one; ``path`` is the
    page itself, with its query, which a form leads back to.
    """

    store: Store
    traffic: Traffic
    limit: RateLimit
    troubles: Troubles
    base_url: str
    token: str
    path: str = "/"


@dataclass(frozen=True)
class Column:
    """A head of a table (none: the cells say what they are), and the class of its cells."""

    head: str
    css: str | None = None


def frame(look: Look, title: str, *parts: str, follow: bool = False) -> str:
    """Return a whole page."""
    head = join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", http_equiv="refresh", content=str(FOLLOW_SECONDS)) if follow else "",
            tag("title", f"{title}: Conversion sandbox"),
            tag("style", Html(STYLE)),
        ]
    )
    body = join(
        [
            tag("a", "Skip to the content", href="#content", class_="skip"),
            tag("header", _banner(look), _ways(look)),
            _alarm(look),
            tag("main", *parts, id="content"),
        ]
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'


def _banner(look: Look) -> Html:
    return join(
        [
            tag("h1", tag("a", "Conversion sandbox", href="/")),
            tag(
                "p",
                "A local stand-in of the Conversion API at ",
                tag("code", look.base_url),
                class_="soft",
            ),
        ]
    )


def _ways(look: Look) -> Html:
    here = look.path.partition("?")[0]
    ways = (
        ("/", "Overview", None),
        ("/contacts", "Contacts", len(look.store.contacts)),
        ("/companies", "Companies", len(look.store.companies)),
        ("/engagements", "Engagements", len(look.store.engagements)),
        ("/calls", "Calls", look.traffic.total),
    )
    links = [
        tag(
            "li",
            tag(
                "a",
                name if count is None else f"{name} {count:,}",
                href=path,
                aria_current="page" if path == here else None,
            ),
        )
        for path, name, count in ways
    ]
    return tag("nav", tag("ul", *links), aria_label="Pages")


def _alarm(look: Look) -> Html:
    """What is not normal, and the way back."""
    items = [
        *(tag("li", trouble.words, ". ", trouble.says) for trouble in look.troubles.current),
        *(tag("li", "Refuse ", address(key), ".") for key in look.troubles.refused),
        *(tag("li", tag("code", str(fault))) for fault in look.troubles.others),
    ]
    if not items:
        return Html()
    return tag(
        "section",
        tag("strong", "Not normal now"),
        tag("ul", *items),
        form(look, button("Back to normal", "normal")),
        class_="alarm",
        aria_label="Not normal now",
    )


def form(look: Look, *parts: str, **attributes: str) -> Html:
    """Return a form whose buttons change something."""
    return tag(
        "form",
        tag("input", type="hidden", name="token", value=look.token),
        tag("input", type="hidden", name="back", value=look.path),
        *parts,
        method="post",
        action="/do",
        **attributes,
    )


def button(words: str, name: str, value: str = "", **attributes: str | bool) -> Html:
    """Return a button of a form; ``name`` is what is done, ``value`` to what."""
    return tag("button", words, type="submit", name=name, value=value, **attributes)


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Html:
    """Return a table; on a telephone each row is a card."""
    body = [
        tag(
            "tr",
            *(
                tag(
                    "td",
                    cell,
                    data_head=column.head or None,
                    class_=column.css,
                )
                for column, cell in zip(columns, row, strict=True)
            ),
        )
        for row in rows
    ]
    heads = [tag("th", column.head, scope="col") for column in columns]
    return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body))
