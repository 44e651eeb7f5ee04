"""Files as programs write them, and what must come of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class File:
    """A small file, as its program writes it.

    Args:
        rows: what it brings, by key; columns that are not named must be blank.
        notices: a part of each notice, in their order; there are no others.
        rejected: a part of the reason for each bad line.
        existing: companies that are there already: their ids and names.
    """

    program: str
    content: bytes
    rows: Mapping[str, Row] = field(default_factory=dict)
    notices: Sequence[str] = ()
    rejected: Mapping[int, str] = field(default_factory=dict)
    kind: str = "contacts"
    choices: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    existing: Sequence[tuple[str, str]] = ()


def written(
    rows: Iterable[Sequence[object]],
    *,
    encoding: str = "utf-8",
    end: str = "",
    **dialect: Any,
) -> bytes:
    """A text file by the ``csv`` module, in this dialect; ``end`` comes after the last line."""
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)
    return (text.getvalue() + end).encode(encoding)
