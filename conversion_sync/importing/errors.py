"""What an import raises."""

from __future__ import annotations

__all__ = ["UnreadableCell", "UnusableFile"]


class UnusableFile(Exception):
    """No line of the file can be read. Nothing was imported.

    Args:
        reason: in the words of a person.
        line: where, counted from 1; None if it is nowhere in particular.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class UnreadableCell(ValueError):
    """A cell is not what its column holds; the message is for people."""
