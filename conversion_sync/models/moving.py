"""Records that go on under other keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from conversion_sync.models.deletion import Deletion
from conversion_sync.models.locking import locking
from conversion_sync.models.record import Record
from conversion_sync.models.state import DOUBT
from conversion_sync.models.tombstones import leave_for_changed_key, withdraw

__all__ = ["Move", "move"]

#: A row as it was read under its lock, and the key that it has from now on.
Move = tuple[Mapping[str, Any], str | None]


def move(model: type[Record], using: str, kind: Deletion.Kind, moves: Sequence[Move]) -> set[int]:
    """Write the new keys of these rows, and forget what was known of the old ones.

    What may be in Conversion under an old key is deleted there. A row that returns to a key whose
    deletion nobody has claimed yet takes it back: what was known is known again, but in doubt.

    Returns:
        The primary keys of the rows that returned.

    Raises:
        IntegrityError: another row holds one of the keys.
    """
    table: Any = model.unmarked.using(using)
    rows = table.filter(pk__in=[before["pk"] for before, _ in moves])
    known = {row["pk"]: _as_json(row) for row in locking(rows).values("pk", *model.FORGOTTEN)}
    for before, _ in moves:
        leave_for_changed_key(using, kind, before, known[before["pk"]])
    if len(moves) > 1:
        # Rows may pass their keys on to each other.
        rows.update(key=None)
    keys = {before["pk"]: key for before, key in moves if key is not None}
    returned = withdraw(using, kind, keys)
    for before, key in moves:
        pk = before["pk"]
        columns = model.FORGOTTEN | _in_doubt(model, returned.get(pk))
        table.filter(pk=pk).update(key=key, **columns)
    return {*returned}


def _as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}


def _in_doubt(model: type[Record], known: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns of what a deletion has kept. Whether it still holds, the next push shows."""
    if known is None:
        return {}
    columns = {
        name: model._meta.get_field(name).to_python(value)  # type: ignore[union-attr]  # a column
        for name, value in known.items()
        if name in model.FORGOTTEN
    }
    return columns | {"sent_revision": DOUBT}
