"""How actions on many rows are put to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy, ngettext_lazy

from conversion_sync.admin.bulk.forms import BulkForm, CompareForm, SubscriptionForm
from conversion_sync.models import BulkJob
from conversion_sync.status.numbers import grouped

__all__ = ["TEXTS", "ActionTexts", "counted", "left_alone"]

Action = BulkJob.Action


@dataclass(frozen=True)
class ActionTexts:
    """How an action is put to people; the texts about numbers are for ``counted``.

    Attributes:
        will: what will be done to the rows that it concerns.
        done: what was done to them.
        nothing: said where it concerns none.
        warning: what to think of first.
        form: what is asked.
        asks: also where the rows are few.
    """

    will: Any
    done: Any
    nothing: Any
    warning: Any = ""
    form: type[BulkForm] = BulkForm
    asks: bool = True


TEXTS: Mapping[BulkJob.Action, ActionTexts] = {
    Action.SYNC_NOW: ActionTexts(
        will=ngettext_lazy("%(count)s row will be sent.", "%(count)s rows will be sent.", "number"),
        done=ngettext_lazy("%(count)s row is sent now.", "%(count)s rows are sent now.", "number"),
        nothing=gettext_lazy("None of these rows waits to be sent."),
        asks=False,
    ),
    Action.RETRY_FAILED: ActionTexts(
        will=ngettext_lazy(
            "%(count)s of them has failed, and will be tried again.",
            "%(count)s of them have failed, and will be tried again.",
            "number",
        ),
        done=ngettext_lazy(
            "%(count)s failed row is tried again.",
            "%(count)s failed rows are tried again.",
            "number",
        ),
        nothing=gettext_lazy("None of these rows has failed."),
        asks=False,
    ),
    Action.SET_SUBSCRIPTION: ActionTexts(
        will="",
        done=ngettext_lazy(
            "The subscription of %(count)s contact is changed.",
            "The subscriptions of %(count)s contacts are changed.",
            "number",
        ),
        nothing=gettext_lazy("All of these contacts have that subscription already."),
        form=SubscriptionForm,
    ),
    Action.COMPARE: ActionTexts(
        will=ngettext_lazy(
            "Conversion will be asked for %(count)s record.",
            "Conversion will be asked for %(count)s records.",
            "number",
        ),
        done="",
        nothing=gettext_lazy("There is nothing to compare."),
        form=CompareForm,
    ),
    Action.RESEND: ActionTexts(
        will=ngettext_lazy(
            "%(count)s of them is in doubt, and will be sent again.",
            "%(count)s of them are in doubt, and will be sent again.",
            "number",
        ),
        done=ngettext_lazy(
            "%(count)s engagement in doubt is sent again.",
            "%(count)s engagements in doubt are sent again.",
            "number",
        ),
        nothing=gettext_lazy("None of these engagements is in doubt."),
        warning=gettext_lazy(
            "An engagement that did arrive will be in Conversion twice. Look there first."
        ),
    ),
    Action.MARK_AS_SENT: ActionTexts(
        will=ngettext_lazy(
            "%(count)s of them is in doubt, and will be taken for arrived.",
            "%(count)s of them are in doubt, and will be taken for arrived.",
            "number",
        ),
        done=ngettext_lazy(
            "%(count)s engagement in doubt is marked as sent.",
            "%(count)s engagements in doubt are marked as sent.",
            "number",
        ),
        nothing=gettext_lazy("None of these engagements is in doubt."),
        warning=gettext_lazy(
            "An engagement that did not arrive will never be sent. Look in Conversion first."
        ),
    ),
    Action.DISCARD_FAILED: ActionTexts(
        will=ngettext_lazy(
            "%(count)s of them has failed, and will be forgotten.",
            "%(count)s of them have failed, and will be forgotten.",
            "number",
        ),
        done=ngettext_lazy(
            "%(count)s failed deletion is discarded.",
            "%(count)s failed deletions are discarded.",
            "number",
        ),
        nothing=gettext_lazy("None of these deletions has failed."),
        warning=gettext_lazy(
            "Conversion keeps these records. What waits for the deletions will be sent. Of people, "
            "Conversion is still asked whether they have opted out."
        ),
    ),
}


def counted(words: Any, number: int) -> str:
    """A lazy plural (by ``number``) with its ``count``, for reading."""
    return str(words % {"number": number, "count": grouped(number)})


def left_alone(count: int) -> str:
    """Of those who opted out."""
    words = ngettext_lazy(
        "%(count)s contact has opted out, and was left so.",
        "%(count)s contacts have opted out, and were left so.",
        "number",
    )
    return counted(words, count)
