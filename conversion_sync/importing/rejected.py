"""The lines that were rejected, as a file to be mended and imported again."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from typing import TextIO

from django.utils.translation import gettext as _

from conversion_sync.importing.cells import protected
from conversion_sync.importing.columns import REASON
from conversion_sync.importing.exporter import BYTE_ORDER_MARK
from conversion_sync.importing.layout import Layout
from conversion_sync.importing.outcome import Outcome

__all__ = ["RejectedLines"]


class RejectedLines:
    """Writes lines in the columns of their file, and why each was rejected.

    Args:
        layout: how the file is read.
        open_file: opens a file for text, without translation of line ends; called once, and not
            before there is a line to write.
    """

    def __init__(self, layout: Layout, open_file: Callable[[], TextIO]) -> None:
        columns = layout.columns
        self._columns = [c for c in columns if not c.is_empty and c.title != REASON]
        self._width = len(columns)
        self._open_file = open_file
        self._file: TextIO | None = None
        self.count = 0

    def add(self, outcome: Outcome) -> None:
        """Write a line."""
        reason = _("line %(number)d: %(reason)s")
        words = reason % {"number": outcome.number, "reason": outcome.message}
        cells = [*outcome.record, *[""] * (self._width - len(outcome.record))]
        known = [cells[column.place] for column in self._columns]
        self._write([*known, words, *cells[self._width :]])
        self.count += 1

    def _write(self, cells: Sequence[str]) -> None:
        if self._file is None:
            self._file = self._open_file()
            self._file.write(BYTE_ORDER_MARK)
            self._write([*(column.title for column in self._columns), REASON])
        csv.writer(self._file).writerow(map(protected, cells))
