"""What a person can have done to one row with one press, on its page and in its list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from conversion_sync.admin import badges
from conversion_sync.models import Status, SyncedModel
from conversion_sync.models.record import Record

__all__ = ["FORM", "Button", "buttons", "in_list", "note"]

#: Where a row of a list keeps its buttons, beside its columns.
BUTTONS = "_conversion_buttons"

#: The id of the form that the buttons of a list send; the list's own form is about ticked rows.
FORM = "cs-row"

#: Characters of the name of a row.
NAME = 100


@dataclass(frozen=True)
class Button:
    """An action (``bulk/actions``) that makes sense in the row's state."""

    action: str
    words: str


def buttons(row: SyncedModel, allowed: Collection[str]) -> Iterator[Button]:
    """Those for the page of a row.

    Args:
        allowed: the names of the actions that this person may do.
    """
    return (button for button in _all(row) if button.action in allowed)


def _all(row: SyncedModel) -> Iterator[Button]:
    status = row.sync_status
    if status == Status.PENDING or (status == Status.SYNCED and isinstance(row, Record)):
        yield Button("sync_now", _("Sync now"))
    if status == Status.FAILED:
        yield Button("retry_failed", _("Retry"))
        yield Button("discard_failed", _("Discard"))
    if status == Status.UNCONFIRMED:
        yield Button("resend", _("Resend"))
        yield Button("mark_as_sent", _("Mark as sent"))


def note(
    rows: Iterable[SyncedModel],
    allowed: Collection[str],
    address: Callable[[SyncedModel], str],
) -> None:
    """Note on each of these rows the buttons that its list shows: where a person is wanted.

    Args:
        allowed: the names of the actions that this person may do.
        address: of the page of a row that does them.
    """
    for row in rows:
        if row.sync_status in (Status.FAILED, Status.UNCONFIRMED):
            found = [each for each in buttons(row, allowed) if each.action != "discard_failed"]
            vars(row)[BUTTONS] = _rendered(row, found, address(row))


def in_list(row: SyncedModel) -> SafeString:
    """The buttons that were noted of a row; blank where there are none."""
    found: SafeString = vars(row).get(BUTTONS, SafeString(""))
    return found


def _rendered(row: SyncedModel, found: Collection[Button], address: str) -> SafeString:
    if not found:
        return SafeString("")
    each = (
        (FORM, address, button.action, button.words, badges.one_line(str(row), NAME), button.words)
        for button in found
    )
    return format_html(
        '<span class="cs-row-buttons">{}</span>',
        format_html_join(
            " ",
            '<button type="submit" class="button" form="{}" formaction="{}" name="action" '
            'value="{}" aria-label="{}: {}">{}</button>',
            each,
        ),
    )
