"""The page of one source: what its mirror makes of it, and why."""

from __future__ import annotations

from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from conversion_sync.admin.lists.sources import mirror_name
from conversion_sync.admin.pages.sources.shown import shown
from conversion_sync.admin.pages.sources.words import REASON, REMEDIES, badge, readable, wrong
from conversion_sync.mirrors.explain import Explanation, explain
from conversion_sync.mirrors.registry import registry
from conversion_sync.models import MirrorLink

__all__ = ["source_page"]


def source_page(link: MirrorLink) -> dict[str, Any]:
    """What the template shows of a link that was noted."""
    found, declared = shown(link), registry.get(link.mirror)
    return {
        "title": _("Mirrored source"),
        "name": capfirst(f"{found.kind} {found.name}".strip()),
        "link": link,
        "shown": found,
        "mirror": link.mirror if declared is None else mirror_name(declared),
        "is_declared": declared is not None,
        "badge": badge(link),
        "reason": wrong(link, REASON),
        "remedy": REMEDIES.get(link.trouble or "", ""),
        "explanations": [] if found.instance is None else _explained(link, found.instance),
    }


def _explained(link: MirrorLink, instance: Any) -> list[tuple[Explanation, str]]:
    """What the mirror of the link makes of the instance now; for those who may look at it."""
    row = shown(link).row_address
    return [(readable(each), row) for each in explain(instance) if each.mirror == link.mirror]
