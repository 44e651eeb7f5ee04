"""A row as it is to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conversion_sync.api.canonical import same
from conversion_sync.models.subscription import OUT
from conversion_sync.records.change import Change

__all__ = ["Edit"]


@dataclass(slots=True, kw_only=True)
class Edit:
    """A row as it is to be.

    Attributes:
        key: in its normal form.
        changed: the columns that change, with what was there before.
        stays_unsubscribed: it would have lifted an opt-out; all else of it is written.
        opt_out_is_lost: the row is unsubscribed, as is said, and the consent log knows of none.
        unknown_company: the key of a company that there is not, or a name that none has or several
            have: the row keeps the one that it has.
        invalid: why the row can't be written so, by column.
    """

    row: Any
    is_new: bool
    key: str
    changed: dict[str, Any] = field(default_factory=dict)
    stays_unsubscribed: bool = False
    opt_out_is_lost: bool = False
    unknown_company: str = ""
    invalid: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to be written, and it can be."""
        return not self.invalid and (self.is_new or bool(self.changed))

    def assign(self, name: str, value: Any) -> None:
        """Set a column, and note whether that changes it."""
        attname = self.row._meta.get_field(name).attname
        before = getattr(self.row, attname)
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


def _differ(before: Any, after: Any) -> bool:
    # What is empty differs from all that is not, however that would be written as JSON.
    if before and isinstance(before, dict):
        return not same(before, after)
    return bool(before != after)
