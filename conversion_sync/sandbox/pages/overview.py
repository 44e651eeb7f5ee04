"""The first page: buttons for what goes wrong, and what was last received."""

from __future__ import annotations

from conversion_sync.sandbox.pages.frame import (
    FOLLOW_SECONDS,
    Column,
    Look,
    button,
    form,
    frame,
    table,
)
from conversion_sync.sandbox.pages.html import Html, join, tag
from conversion_sync.sandbox.pages.words import address, answer, call_words, clock, keys
from conversion_sync.sandbox.traffic import Call

__all__ = ["CALL_COLUMNS", "call_row", "overview"]

SHOWN = 12
CALL_COLUMNS = (
    Column("Time", "fixed"),
    Column("Call", "call"),
    Column("Of", "address"),
    Column("Answer"),
)


def overview(look: Look, *, email: str = "", problem: str = "", follow: bool = False) -> str:
    """Return the page.

    Args:
        email: what stands in the field for the contact to refuse.
        problem: what is wrong with it.
        follow: it loads itself again and again.
    """
    return frame(
        look, "Overview", _troubles(look, email, problem), _last(look, follow), follow=follow
    )


def _troubles(look: Look, email: str, problem: str) -> Html:
    current = look.troubles.current
    cards = [
        tag(
            "div",
            button(
                trouble.words,
                "end" if trouble in current else "begin",
                trouble.name,
                aria_pressed="true" if trouble in current else "false",
            ),
            tag("p", trouble.says, class_="small soft"),
            class_="card",
        )
        for trouble in look.troubles.offered
    ]
    return tag(
        "section",
        tag("h2", "Have something go wrong", id="troubles"),
        tag(
            "p",
            "Press a button, save something in the site's admin, and look at what its row says. "
            "Press it again, or “Back to normal”, and the site goes on.",
            class_="soft",
        ),
        tag(
            "div",
            _refuse(look, email, problem),
            form(look, tag("div", *cards, class_="cards")),
        ),
        aria_labelledby="troubles",
    )


def _refuse(look: Look, email: str, problem: str) -> Html:
    field = tag(
        "input",
        id="email",
        name="email",
        value=email,
        inputmode="email",
        autocomplete="off",
        autocapitalize="none",
        spellcheck="false",
        required=True,
        aria_describedby="refuse-says",
        aria_invalid="true" if problem else None,
    )
    refused = [
        tag(
            "li",
            address(key),
            "" if look.store.has_contact(key) else " (which has not arrived yet) ",
            " ",
            button("Accept again", "accept", key),
        )
        for key in look.troubles.refused
    ]
    return tag(
        "div",
        form(
            look,
            tag(
                "div",
                tag("label", "Refuse the contact", for_="email"),
                field,
                button("Refuse", "refuse"),
                class_="line",
            ),
        ),
        tag(
            "p",
            tag("strong", problem + " ", class_="bad") if problem else "",
            "What is written to this address is refused, as not valid; all else of its batch "
            "arrives. In the list of contacts each has this button, too.",
            class_="small soft",
            id="refuse-says",
        ),
        form(look, tag("ul", *refused)) if refused else "",
        class_="card",
    )


def _last(look: Look, follow: bool) -> Html:
    calls = look.traffic.calls[-SHOWN:][::-1]
    worst, rate = look.traffic.worst_second, look.limit.rate
    opted_out = sum(
        record["subscriptionStatus"] == "UNSUBSCRIBED" for record in look.store.contacts.values()
    )
    allowed = f" of {rate:g} allowed" if rate else ""
    return tag(
        "section",
        tag("h2", "Last received", id="last"),
        tag(
            "p",
            f"{opted_out:,} of the contacts are unsubscribed. "
            f"At most {worst:,}{allowed} calls came in one second. ",
            tag("a", "Stop following", href="/")
            if follow
            else tag("a", f"Follow (loads again every {FOLLOW_SECONDS} s)", href="/?follow#last"),
            class_="soft",
        ),
        table(CALL_COLUMNS, map(call_row, calls)) if calls else tag("p", "No call yet."),
        tag("p", tag("a", "All calls", href="/calls")) if calls else "",
        aria_labelledby="last",
    )


def call_row(call: Call) -> list[str]:
    """Return a call as a row of a table."""
    return [clock(call.time), call_words(call), join([keys(call.keys)]), answer(call)]
