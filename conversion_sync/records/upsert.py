"""Snapshots made into rows, in bulk: of new keys new rows, of others what changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from conversion_sync.models import Company, Record, SubscriptionChange
from conversion_sync.records.contact import COMPANY
from conversion_sync.records.edit import Edit
from conversion_sync.records.mapper import Mapper
from conversion_sync.records.mappers import mapper_of
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.records.write import locked, write

__all__ = ["Wanted", "edited", "opted_out", "upsert"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a row is to say.

    Args:
        snapshot: what it leaves out, the row keeps; what is None in it becomes blank. ``company``
            links a contact by ``external_id``, a company's key; None: to none.
        spelling: of the key, as people write it; "": as the snapshot has it.
        subscription: of a contact; "": nothing is said of it.
        row: locked, of this model: it is to say so, whichever key it has until now. None: the row
            that has the key, or a new one.
    """

    snapshot: Snapshot
    spelling: str = ""
    subscription: str = ""
    row: Any = None


def upsert(model: type[Record], using: str, wanted: Sequence[Wanted]) -> list[Edit]:
    """Write rows that say what is wanted, a few statements for all of them. In a transaction.

    An opt-out is entered in the consent log; none is lifted (`Edit.stays_unsubscribed`). What can't
    be written is left as it is, and says why (`Edit.invalid`); so is all but the first of a key.

    Returns:
        What became of each, in the order of ``wanted``.

    Raises:
        IntegrityError, DataError: the database refuses one of them: one takes a key that another
            row holds, or that somebody else has created meanwhile.
    """
    edits = edited(model, using, wanted)
    lost = {edit.key for edit in edits if edit.opt_out_is_lost and not edit.invalid}
    write(model, using, [edit for edit in edits if edit.is_needed], opt_outs=lost)
    return edits


def edited(model: type[Record], using: str, wanted: Sequence[Wanted]) -> list[Edit]:
    """As `upsert`, but written by nobody yet: what it would change. In a transaction."""
    mapper = mapper_of(model)
    keys = {one.snapshot.key for one in wanted if one.row is None}
    rows = locked(model, using, keys)
    companies = _companies(using, [one.snapshot for one in wanted])
    said = [one for one in wanted if one.subscription]
    people = [(_row(one, rows), one.snapshot.key) for one in said]
    out = opted_out(using, [(row and row.pk, key) for row, key in people])
    edits, seen = list[Edit](), set[str]()
    for one in wanted:
        edit = _edit(model, one, _row(one, rows))
        _fill(mapper, edit, one, companies)
        if one.subscription and not edit.invalid:
            edit.subscribe(one.subscription, opted_out=edit.key in out)
        if edit.key in seen:
            edit.invalid.setdefault("key", []).append(_("another one here has the same key"))
        seen.add(edit.key)
        edits.append(edit)
    return edits


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


def _row(wanted: Wanted, rows: Mapping[str, Any]) -> Any:
    return rows.get(wanted.snapshot.key) if wanted.row is None else wanted.row


def _edit(model: type[Record], wanted: Wanted, row: Any) -> Edit:
    key, spelling = wanted.snapshot.key, wanted.spelling or wanted.snapshot.key
    edit = Edit(row=model() if row is None else row, is_new=row is None, key=key)
    if edit.is_new or edit.row.wanted_key != key:
        edit.assign(model.KEY, spelling)
    return edit


def _fill(mapper: Mapper, edit: Edit, wanted: Wanted, companies: Mapping[str, int]) -> None:
    """Have the row say what is wanted, and see that it can."""
    try:
        mapper.fill(edit, wanted.snapshot, companies)
    except ValidationError as error:
        edit.invalid = error.message_dict
    looked_at = edit.changed.keys() | ({mapper.model.KEY} if edit.is_new else set())
    others = {field.name for field in edit.row._meta.concrete_fields} - looked_at
    try:
        edit.row.clean_fields(exclude=others)
    except ValidationError as error:
        edit.invalid |= error.message_dict


def _companies(using: str, snapshots: Collection[Snapshot]) -> dict[str, int]:
    """The primary keys of the companies that these contacts name."""
    keys = {snapshot.company.get(COMPANY) for snapshot in snapshots} - {None, ""}
    if not keys:
        return {}
    rows = Company.unmarked.using(using).filter(key__in=keys)
    return dict(rows.values_list("key", "pk"))
