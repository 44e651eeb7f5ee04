"""What is followed now: the models of which changes concern mirrors."""

from __future__ import annotations

from django.db import models

from conversion_sync.mirrors.follow import table_of
from conversion_sync.mirrors.registry import registry
from conversion_sync.mirrors.table import Sender, Table

__all__ = ["forget", "sender_of", "table"]


class _Followed:
    """What is followed now; made when it is first asked for."""

    table: Table | None = None


def table() -> Table:
    """What concerns the mirrors that are declared."""
    if _Followed.table is None:
        _Followed.table = table_of(registry)
    return _Followed.table


def forget() -> Table | None:
    """Have it made anew when it is next asked for. Returns what was followed until now."""
    before, _Followed.table = _Followed.table, None
    return before


def sender_of(model: type[models.Model]) -> Sender | None:
    """What a change of an instance of this model marks; None: no mirror reads it."""
    return table().senders.get(model)
