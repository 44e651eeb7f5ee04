"""What new contacts say in the consent log, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from conversion_sync.models.erased import PREFIX
from conversion_sync.models.subscription import OUT
from conversion_sync.models.subscription_change import SubscriptionChange
from conversion_sync.models.subscription_column import write_subscriptions

__all__ = ["Newcomer", "enter_new"]


class Newcomer(Protocol):
    """A new contact, as far as it matters here."""

    pk: Any
    subscription_status: Any

    @property
    def wanted_key(self) -> str: ...
    def keep_subscription(self) -> None: ...


def enter_new(using: str, rows: Sequence[Newcomer]) -> None:
    """Enter what new contacts say; they, in the database and in memory, then say what stands."""
    SubscriptionChange.enter(
        using,
        (
            SubscriptionChange(
                contact_id=row.pk, address=row.wanted_key, status=row.subscription_status
            )
            for row in rows
            if row.subscription_status
        ),
    )
    _show_standing(using, rows)


def _show_standing(using: str, rows: Sequence[Newcomer]) -> None:
    """Have new rows, in the database and in memory, say what stands for their addresses."""
    others = [row for row in rows if row.subscription_status != OUT]
    people = [(row.pk, row.wanted_key) for row in others]
    standing = SubscriptionChange.standing_opt_outs(using, people)
    opted_out = [row for row, out in zip(others, standing, strict=True) if out is not None]
    _recall(using, people, standing)
    write_subscriptions(using, {OUT: [row.pk for row in opted_out]})
    for row in opted_out:
        row.subscription_status = OUT
    for row in rows:
        row.keep_subscription()


def _recall(
    using: str,
    people: Sequence[tuple[int, str]],
    standing: Sequence[SubscriptionChange | None],
) -> None:
    """Whose address was erased is back: the log says it again."""
    back = {
        key
        for (_, key), opt_out in zip(people, standing, strict=True)
        if opt_out is not None and opt_out.address.startswith(PREFIX)
    }
    SubscriptionChange.recall(using, back)
