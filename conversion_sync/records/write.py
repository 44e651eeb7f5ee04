"""Rows that are brought in by their keys, in bulk: read and locked, edited, written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from conversion_sync.api.canonical import same
from conversion_sync.models import Subscription, SubscriptionChange, SyncedModel
from conversion_sync.records.change import Change

__all__ = ["Edit", "locked", "write"]

OUT = Subscription.UNSUBSCRIBED.value


@dataclass(slots=True, kw_only=True)
class Edit:
    """A row as it is to be.

    Attributes:
        key: in its normal form.
        changed: the columns that change, with what was there before.
        stays_unsubscribed: it would have lifted an opt-out; all else of it is written.
        opt_out_is_lost: the row is unsubscribed, as is said, and the consent log knows of none.
    """

    row: Any
    is_new: bool
    key: str
    changed: dict[str, Any] = field(default_factory=dict)
    stays_unsubscribed: bool = False
    opt_out_is_lost: bool = False

    def assign(self, name: str, value: Any) -> None:
        """Set a column, and note whether that changes it."""
        attname = self.row._meta.get_field(name).attname
        before = self.row.__dict__[attname]
        if _differ(before, value):
            setattr(self.row, attname, value)
            self.changed[name] = before

    def subscribe(self, status: str, *, opted_out: bool, opts_out: bool = False) -> None:
        """Set the subscription of a contact, unless that would lift an opt-out.

        Args:
            opted_out: an opt-out of this person stands in the consent log.
            opts_out: whoever brings this row brings an opt-out of this person, too.
        """
        if status != OUT and (opted_out or opts_out or self.row.subscription_status == OUT):
            self.stays_unsubscribed = True
            if self.is_new or opts_out:
                self.assign("subscription_status", OUT)
        else:
            self.assign("subscription_status", status)
        if "subscription_status" not in self.changed and not opted_out:
            self.opt_out_is_lost = self.row.subscription_status == OUT

    def changes(self) -> list[Change]:
        """What it changes."""
        fields = ((name, self.row._meta.get_field(name).attname) for name in self.changed)
        return [
            Change(name, self.changed[name], self.row.__dict__[attname]) for name, attname in fields
        ]


def locked(
    model: type[SyncedModel], using: str, keys: Collection[str], *, column: str = "key"
) -> dict[str, Any]:
    """Read and lock the rows of these keys. In a transaction.

    Args:
        column: that holds the keys, in their normal form.
    """
    rows = model._default_manager.using(using).filter(**{f"{column}__in": keys})
    return {getattr(row, column): row for row in rows.order_by("pk").select_for_update()}


def write(
    model: type[SyncedModel], using: str, edits: Sequence[Edit], *, opt_outs: Collection[str] = ()
) -> None:
    """Write rows that are new or locked, a few statements for all of them. In a transaction.

    Args:
        opt_outs: keys of contacts for whom an opt-out is entered, where none stands.

    Raises:
        IntegrityError, DataError: the database refuses one of them.
    """
    if opt_outs:
        SubscriptionChange.opt_out(using, opt_outs)
    table: Any = model._default_manager.using(using)
    table.bulk_create([edit.row for edit in edits if edit.is_new])
    for changed, rows in _alike(edit for edit in edits if not edit.is_new).items():
        table.bulk_update(rows, [*sorted(changed), "updated_at"])


def _alike(edits: Iterable[Edit]) -> dict[frozenset[str], list[Any]]:
    """The rows with the same changes together: what does not change is not written."""
    alike = defaultdict[frozenset[str], list[Any]](list)
    for edit in edits:
        edit.row.updated_at = timezone.now()
        alike[frozenset(edit.changed)].append(edit.row)
    return alike


def _differ(before: Any, after: Any) -> bool:
    if isinstance(before, dict):
        return not same(before, after)
    return bool(before != after)
