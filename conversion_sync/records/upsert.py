"""Snapshots made into rows, in bulk: of new keys new rows, of others what changes."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from conversion_sync.models import Record
from conversion_sync.records.edit import Edit
from conversion_sync.records.known import Known, look_up
from conversion_sync.records.mapper import Mapper
from conversion_sync.records.mappers import mapper_of
from conversion_sync.records.wanted import Wanted
from conversion_sync.records.write import write

__all__ = ["edited", "upsert"]


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
    mapper, known = mapper_of(model), look_up(model, using, wanted)
    edits, seen = list[Edit](), set[str]()
    for one in wanted:
        if one.snapshot.key in seen:
            edits.append(_refused(mapper, one, known))
            continue
        edit = edited(mapper, one, known)
        _validate(edit)
        seen.add(edit.key)
        edits.append(edit)
    lost = {edit.key for edit in edits if edit.opt_out_is_lost and not edit.invalid}
    write(model, using, [edit for edit in edits if edit.is_needed], opt_outs=lost)
    return edits


def edited(mapper: Mapper, wanted: Wanted, known: Known) -> Edit:
    """The row as it is to be; it is neither validated nor written."""
    edit, key = _begun(mapper, wanted, known), wanted.snapshot.key
    if edit.is_new or edit.row.wanted_key != key:
        edit.assign(mapper.model.KEY, wanted.spelling or key)
    try:
        mapper.fill(edit, wanted.snapshot, known.companies)
    except ValidationError as error:
        edit.invalid = error.message_dict
    if wanted.subscription and not edit.invalid:
        out = key in known.opted_out
        edit.subscribe(wanted.subscription, opted_out=out, opts_out=wanted.opts_out)
    return edit


def _begun(mapper: Mapper, wanted: Wanted, known: Known) -> Edit:
    row = known.row(wanted)
    made = mapper.model() if row is None else row
    return Edit(row=made, is_new=row is None, key=wanted.snapshot.key)


def _refused(mapper: Mapper, wanted: Wanted, known: Known) -> Edit:
    """Of a second one that has the key of another: the row says what the first one wants."""
    edit = _begun(mapper, wanted, known)
    edit.invalid["key"] = [_("another one here has the same key")]
    return edit


def _validate(edit: Edit) -> None:
    """See that the row can be as it is to be; the company has been looked up."""
    looked_at = edit.changed.keys() - {"company"}
    if edit.is_new:
        looked_at |= {edit.row.KEY}
    others = {field.name for field in edit.row._meta.concrete_fields} - looked_at
    try:
        edit.row.clean_fields(exclude=others)
    except ValidationError as error:
        edit.invalid |= error.message_dict
