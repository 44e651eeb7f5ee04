"""What a page of differences has shown: noted in the page, and sent back with what is chosen."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from typing import Any

from django.http import HttpRequest

from conversion_sync.api.canonical import canonical
from conversion_sync.sync.compare import Field

__all__ = ["as_posted", "marks", "shown"]


def marks(fields: Collection[Field]) -> dict[str, str]:
    """What stands on both sides of each field, in short, for the page to note what it shows."""
    return {field.name: _mark(field) for field in fields}


def _mark(field: Field) -> str:
    text = canonical([field.ours, field.theirs])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shown(request: HttpRequest) -> dict[str, Any]:
    """What the page had noted; nothing where it is none of ours."""
    try:
        noted = json.loads(request.POST.get("shown", ""))
        json.dumps(noted, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def as_posted(name: str) -> str:
    """A name as browsers send it: they have one kind of line break."""
    return re.sub(r"\r\n|\r|\n", "\r\n", name)
