"""What Conversion has is taken over into a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F

from conversion_sync.models import Status
from conversion_sync.models.locking import locking
from conversion_sync.models.record import Record
from conversion_sync.records.edit import Edit
from conversion_sync.records.last_sent import changed
from conversion_sync.records.mappers import mapper_of
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.sync.compare.comparison import Remote, push_of_row
from conversion_sync.sync.states import arrived
from conversion_sync.sync.transactions import short_transaction

__all__ = ["take_theirs"]


def take_theirs(row: Record, remote: Remote, names: Sequence[str]) -> list[str]:
    """Write these fields of the remote record into the row, read anew under its lock.

    Conversion has them already. Of a row that was in sync nothing is sent, for a push carries all
    fields, and would change others there; one that waits for a push is pushed as before. The name
    of a contact's company is no field of the contact, and is left alone.

    Returns:
        The names that were taken.

    Raises:
        ValidationError: a remote value is none that the row can have.
        ObjectDoesNotExist: the row was deleted meanwhile.
    """
    using, mapper = str(row._state.db), mapper_of(type(row))
    taken = [name for name in names if name not in mapper.not_its_own]
    with short_transaction(using):
        locking(type(row).unmarked.using(using).filter(pk=row.pk)).get()
        row.refresh_from_db(using=using)
        was_idle = row.claim is None and row.remote_is_known
        was_in_sync = was_idle and row.sync_status == Status.SYNCED
        edit = Edit(row=row, is_new=False, key=row.wanted_key)
        theirs = mapper.of_remote(remote)
        mapper.fill(edit, theirs.only(taken, instead_of=mapper.of_row(row)))
        row.full_clean(exclude=["subscription_status"])
        if edit.changed:
            row.save(using=using, update_fields=edit.changed)
        if was_idle:
            _note_taken(row, taken, was_in_sync)
    return taken


def _note_taken(row: Record, names: Sequence[str], in_sync: bool) -> None:
    """Have a saved row, which nobody holds, know that Conversion has these fields as it has.

    Args:
        in_sync: it owed Conversion nothing before, and owes it nothing now.
    """
    ours, sent = push_of_row(row), row.sent_payload
    if ours is None or sent is None:
        return
    change = ours.only(names, instead_of=Snapshot(ours.key))
    columns: dict[str, Any] = {"sent_payload": changed(sent, change)}
    if in_sync:
        columns |= arrived() | {"sent_revision": F("revision"), "synced_revision": F("revision")}
    type(row).unmarked.using(row._state.db).filter(pk=row.pk).update(**columns)
    row._reload_state()
