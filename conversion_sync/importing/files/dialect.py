"""How the cells of a text file are separated."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from conversion_sync.importing.headers import Guide

__all__ = ["Dialect", "find_dialect"]

DELIMITERS = ",;\t|"

# The first line by which a program tells Excel the separator.
_TOLD = re.compile(r'\s*"?sep=([^\w\s"]|\t)"?\s*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The separator, and whether the first line does nothing but name it."""

    delimiter: str = ","
    is_told: bool = False


def find_dialect(lines: Sequence[str], guide: Guide) -> Dialect:
    """The dialect in which the first lines of a file make the most sense."""
    if lines and (told := _TOLD.fullmatch(lines[0].rstrip("\r\n"))):
        return Dialect(told[1], is_told=True)
    return Dialect(max(DELIMITERS, key=lambda one: _merit(one, lines, guide)))


def _merit(delimiter: str, lines: Sequence[str], guide: Guide) -> tuple[int, int, int]:
    """Known titles, lines of one length, columns: the better separator has more of the first."""
    records = [record for record in _records(lines, delimiter) if any(record)]
    if not records:
        return (0, 0, 0)
    known = max(len(guide.names(record)) for record in records)
    widths = [len(record) for record in records]
    usual = max(widths, key=lambda width: (widths.count(width), width))
    return (known, widths.count(usual) if usual > 1 else 0, usual)


def _records(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    records = list[list[str]]()
    # What is read up to a fault has to do.
    with contextlib.suppress(csv.Error):
        records.extend(csv.reader(lines, delimiter=delimiter))
    return records
