"""On whose behalf rows are changed, and how urgent that is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace

__all__ = ["Attribution", "attributed", "attribution", "in_bulk", "on_behalf_of"]


#: The columns hold so many characters; what is longer is cut, so that no save fails of it.
LONGEST_NAME, LONGEST_SOURCE = 255, 64


@dataclass(frozen=True)
class Attribution:
    """On whose behalf rows are changed, and how urgent that is."""

    requested_by: str = ""
    source: str = ""
    reason: str = ""
    bulk: bool = False
    override: bool = False


_NOBODY = Attribution()

_attribution: ContextVar[Attribution] = ContextVar("conversion_sync", default=_NOBODY)


def attribution() -> Attribution:
    """On whose behalf the code that runs now changes rows."""
    return _attribution.get()


@contextlib.contextmanager
def attributed(
    *,
    requested_by: str = "",
    source: str = "",
    reason: str = "",
    bulk: bool = False,
    override: bool = False,
) -> Iterator[None]:
    """Note who changes rows in this block, for the consent log and the deletions.

    Args:
        requested_by: the name of the person; its first 255 characters are kept.
        source: where the change came from: ``admin``, ``import``, a view's name; as far as its
            first 64 characters.
        reason: why, in the words of that person.
        bulk: nobody waits for these rows: they go after those that somebody waits for.
        override: subscription changes of this block may lift an older opt-out. Whoever
            passes it has checked the permission and asked for the reason.
    """
    name, source = requested_by[:LONGEST_NAME], source[:LONGEST_SOURCE]
    token = _attribution.set(Attribution(name, source, reason, bulk, override))
    try:
        yield
    finally:
        _attribution.reset(token)


@contextlib.contextmanager
def on_behalf_of(name: str) -> Iterator[None]:
    """What is changed in this block, the person of this name has asked for."""
    token = _attribution.set(replace(attribution(), requested_by=name[:LONGEST_NAME]))
    try:
        yield
    finally:
        _attribution.reset(token)


@contextlib.contextmanager
def in_bulk() -> Iterator[None]:
    """What is changed in this block, nobody waits for."""
    token = _attribution.set(replace(attribution(), bulk=True))
    try:
        yield
    finally:
        _attribution.reset(token)
