"""Two rows of one key become one: the row that holds the key, with what the other one had."""

from __future__ import annotations

from typing import Any

from conversion_sync.api.canonical import same
from conversion_sync.models import Deletion
from conversion_sync.models.locking import locking
from conversion_sync.sync.clashes import Clash
from conversion_sync.sync.kinds import RECORD_KINDS
from conversion_sync.sync.transactions import short_transaction

__all__ = ["merge"]


def merge(clash: Clash, *, delete_remote: bool = False) -> bool:
    """Move what belongs to the other row to the one that holds the key, and delete the other.

    The engagements, the consent log and the contacts of a company move; what is blank is filled
    from the other row. An opt-out that stands is entered again for the record that stays.

    Args:
        delete_remote: delete the other spelling in Conversion, before the row is pushed again.

    Returns:
        Whether they were merged: False where one of them is no longer as it was.
    """
    model: Any = type(clash.holder)
    using = clash.holder._state.db
    pks = [clash.holder.pk, clash.other.pk]
    with short_transaction(using):
        rows = {
            r.pk: r for r in locking(model.unmarked.using(using).filter(pk__in=pks).order_by("pk"))
        }
        holder, other = (rows.get(pk) for pk in pks)
        if holder is None or other is None or other.key is not None:
            return False
        if holder.key != other.wanted_key:
            return False
        _merge(using, holder, other)
        if other.sent_key and other.sent_key != holder.key:
            if delete_remote:
                _delete_spelling(using, holder, other.sent_key)
            elif RECORD_KINDS[model].are_people:
                _leave(using, holder, other.sent_key, only_asks=True)
    return True


def _merge(using: str, holder: Any, other: Any) -> None:
    changed = _filled(holder, other)
    changed |= RECORD_KINDS[type(holder)].hand_over(using, holder, other)
    type(other).unmarked.using(using).filter(pk=other.pk).delete()
    if changed:
        holder.save(using=using, update_fields=changed)


def _filled(holder: Any, other: Any) -> set[str]:
    """Fill what is blank, and what a JSON object lacks. Returns the names of the columns."""
    changed = set()
    for field in holder._meta.concrete_fields:
        if (
            field.primary_key
            or not field.editable
            or field.name in (holder.KEY, "subscription_status")
        ):
            continue
        ours, theirs = getattr(holder, field.attname), getattr(other, field.attname)
        both = theirs
        if isinstance(ours, dict) and isinstance(theirs, dict):
            both = theirs | ours
        elif ours not in (None, ""):
            continue
        if not same(both, ours):
            setattr(holder, field.attname, both)
            changed.add(field.name)
    return changed


def _delete_spelling(using: str, holder: Any, spelling: str) -> None:
    """Leave the deletion of a spelling, for which the row that holds the key waits."""
    _leave(using, holder, spelling)
    # The vendor may take both spellings for one record, which is gone then.
    type(holder).objects.using(using).filter(pk=holder.pk).sync_now()


def _leave(using: str, holder: Any, spelling: str, *, only_asks: bool = False) -> None:
    """Have Conversion asked for the opt-out of a spelling and, unless that is all, delete it."""
    kind = RECORD_KINDS[type(holder)]
    Deletion.objects.using(using).create(
        kind=Deletion.Kind(kind.name),
        key=holder.key,
        spelling=spelling,
        successor_id=holder.pk if kind.are_people else None,
        only_asks=only_asks,
    )
