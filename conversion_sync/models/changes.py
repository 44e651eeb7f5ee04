"""What is known of a change of a locked row."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

__all__ = ["RowChange"]


class RowChange(NamedTuple):
    """A row before and after a change, both as they are under its lock, by column.

    ``written``: the columns and fields that were written, changed or not.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    written: Collection[str]
