"""What the database knows of the rows that are to say something."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conversion_sync.models import Company, Record, SubscriptionChange
from conversion_sync.records.company_links import EXTERNAL_ID, CompanyLinks
from conversion_sync.records.wanted import Wanted
from conversion_sync.records.write import locked

__all__ = ["Known", "look_up", "opted_out"]


@dataclass(slots=True, kw_only=True)
class Known:
    """What the database knows of some keys.

    Args:
        rows: those that have them, locked.
        companies: that contacts may be linked to.
        opted_out: the keys of those of whom an opt-out stands in the consent log.
    """

    rows: Mapping[str, Any]
    companies: CompanyLinks = field(default_factory=CompanyLinks)
    opted_out: frozenset[str] = frozenset()

    def row(self, wanted: Wanted) -> Any:
        """The row that is to say this; None: there is none yet."""
        return self.rows.get(wanted.snapshot.key) if wanted.row is None else wanted.row


def look_up(model: type[Record], using: str, wanted: Sequence[Wanted]) -> Known:
    """What the database knows of the keys of these, and of what they name. In a transaction."""
    keys = {one.snapshot.key for one in wanted if one.row is None}
    companies = [key for one in wanted if (key := one.snapshot.company.get(EXTERNAL_ID))]
    known = Known(
        rows=locked(model, using, keys), companies=CompanyLinks(_companies(using, companies))
    )
    people = [(known.row(one), one.snapshot.key) for one in wanted if one.subscription]
    known.opted_out = opted_out(using, [(row and row.pk, key) for row, key in people])
    return known


def _companies(using: str, keys: Collection[str]) -> dict[str, int]:
    """The primary keys of the companies of these keys."""
    if not keys:
        return {}
    rows = Company.unmarked.using(using).filter(key__in=keys)
    return dict(rows.values_list("key", "pk"))


def opted_out(using: str, people: Iterable[tuple[int | None, str]]) -> frozenset[str]:
    """The keys of those of whom an opt-out stands in the consent log.

    Args:
        people: pairs of a contact's primary key, or None, and a key.
    """
    asked = list(people)
    if not asked:
        return frozenset()
    standing = SubscriptionChange.standing_opt_outs(using, asked)
    return frozenset(
        key for (_pk, key), out in zip(asked, standing, strict=True) if out is not None
    )
