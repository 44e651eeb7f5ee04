"""What is wrong with a source, in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from conversion_sync.admin.badges import Badge, one_line, render
from conversion_sync.admin.forms.key_values import as_text
from conversion_sync.mirrors.explain import Condition, Explanation
from conversion_sync.models import MirrorLink
from conversion_sync.models.messages import Message, read
from conversion_sync.status.messages import in_words

__all__ = ["REMEDIES", "badge", "readable", "wrong"]

#: Characters of a value, and of a reason.
VALUE, REASON = 300, 1000

State, Trouble = MirrorLink.State, MirrorLink.Trouble

#: What to do about each trouble.
REMEDIES: Mapping[str, Promise] = {
    Trouble.FAULT: _(
        "Have a developer see to the place in the mirror's code that is named with each, then "
        "press “Look again”."
    ),
    Trouble.UNUSABLE: _(
        "Correct the value where it comes from: a save there is looked at by itself."
    ),
    Trouble.NO_KEY: _(
        "Nothing is wrong where these are to have none. Else enter it where it comes from."
    ),
    Trouble.CONFLICT: _(
        "Another one has the same key, and the row. Correct the key of the one or the other; when "
        "the other goes, this one takes over."
    ),
    Trouble.WAITING: _("It is entered by itself once what it refers to is mirrored."),
    Trouble.HELD: _(
        "Look at some of them, and why they would leave. If that is right, let them leave; else "
        "have the condition, or the keys, corrected: then they stay."
    ),
}

_TONES: Mapping[str, str] = {
    Trouble.FAULT: "bad",
    Trouble.UNUSABLE: "bad",
    Trouble.NO_KEY: "off",
    Trouble.CONFLICT: "retry",
    Trouble.WAITING: "wait",
    Trouble.HELD: "doubt",
    State.MIRRORED: "ok",
    State.RELEASED: "busy",
}


def badge(link: MirrorLink, length: int = 0) -> SafeString:
    """The badge: what is wrong, or the state.

    Args:
        length: so much of the reason is told to a pointer that rests on it.
    """
    name = link.trouble or link.state
    words = Trouble(name).label if link.trouble else State(name).label
    detail = wrong(link, length) if length else ""
    return render(Badge(_TONES.get(name, "off"), str(words), detail))


def wrong(link: MirrorLink, length: int = REASON) -> str:
    """Why the source has no row, or is not as it should be; cut to ``length``."""
    if link.fault and link.trouble == Trouble.FAULT:
        return one_line(link.fault, length)
    return one_line(in_words(_without_that_it_is_held(link.reason)), length)


def _without_that_it_is_held(reason: str) -> str:
    """The badge says that; what is left is why it would leave."""
    found = read(reason)
    if found is None or found.message is not Message.HELD_BACK:
        return reason
    return str(found.parameters.get("why", ""))


def readable(found: Explanation) -> Explanation:
    """As it is shown: what others have entered stands on a line, and is cut."""
    return dataclasses.replace(
        found,
        conditions=[
            Condition(one_line(each.words, VALUE), each.holds) for each in found.conditions
        ],
        key=one_line(found.key, VALUE),
        values={one_line(name, VALUE): _value(value) for name, value in found.values.items()},
        reason=one_line(found.reason, REASON),
        fault=one_line(found.fault, REASON),
    )


def _value(value: Any) -> str | None:
    return None if value is None else one_line(as_text(value), VALUE)
