"""Sources of mirrors as staff see them: what each is called, where its pages are, what is wrong."""

from __future__ import annotations

from conversion_sync.admin.pages.sources.leaving import Leaving, leaving
from conversion_sync.admin.pages.sources.page import source_page
from conversion_sync.admin.pages.sources.shown import Shown, note, shown
from conversion_sync.admin.pages.sources.words import badge, wrong

__all__ = [
    "Leaving",
    "Shown",
    "badge",
    "leaving",
    "note",
    "shown",
    "source_page",
    "wrong",
]
