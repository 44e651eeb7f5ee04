"""What staff have said of a header: kept for the next file that has it, whoever brings it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from conversion_sync.importing.columns import REASON
from conversion_sync.models import ColumnMapping

__all__ = ["digest", "remember", "remembered"]


def digest(titles: Iterable[str]) -> str:
    """By what a header is known, in whatever order it has its titles."""
    # A file of rejected lines has the same header, and the reasons.
    known = sorted(title for title in titles if title != REASON)
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def remembered(kind: str, header: str) -> ColumnMapping | None:
    """What was said of a file of this kind with this header."""
    return ColumnMapping.objects.filter(kind=kind, header=header).first()


def remember(
    kind: str, header: str, choices: Mapping[str, str], encoding: str = "", by: str = ""
) -> None:
    """Keep what is said; nothing is kept of a file that is read as its titles say."""
    if not choices and not encoding:
        ColumnMapping.objects.filter(kind=kind, header=header).delete()
        return
    ColumnMapping.objects.update_or_create(
        kind=kind,
        header=header,
        defaults={"choices": dict(choices), "encoding": encoding, "changed_by": by},
    )
