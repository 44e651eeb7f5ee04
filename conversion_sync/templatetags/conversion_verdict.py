"""The banner that says how the whole stands, where that is not good."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import RequestContext

from conversion_sync.models.database import database
from conversion_sync.status.glance import glance

__all__ = ["conversion_verdict", "register"]

register = template.Library()


@register.inclusion_tag("admin/conversion_sync/includes/verdict.html", takes_context=True)
def conversion_verdict(context: RequestContext) -> dict[str, Any]:
    """The verdict for those who may look at rows of this app; nothing where it is good."""
    user: Any = getattr(context.get("request"), "user", None)
    if user is None or not user.has_module_perms("conversion_sync"):
        return {}
    found = glance(database())
    if found.is_good:
        return {}
    may_see = user.has_perm("conversion_sync.view_apigate")
    return {"verdict": found, "may_see": may_see}
