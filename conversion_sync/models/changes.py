"""What is known of a change of a locked row."""

from __future__ import annotations

from typing import Any

__all__ = ["WRITTEN", "Pair"]

#: Of a row after a change: the names of the columns that were written, changed or not.
WRITTEN = "written"

#: What is known of a row before and after a change, both read under the row's lock.
Pair = tuple[dict[str, Any], dict[str, Any]]
