"""What the API accepts, as far as its page says. Pure: takes bodies, returns problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conversion_sync.api.v1 import SUBSCRIPTION_STATUSES

__all__ = [
    "BadRequestError",
    "batch_items",
    "check_company",
    "check_contact",
    "check_engagement",
    "check_subscription",
]

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f,;<>()\[\]\"]+@[^@\s.,;<>()]+(\.[^@\s.,;<>()]+)+")
_MAX_EMAIL = 254


@dataclass
class BadRequestError(Exception):
    """The body as a whole can't be used."""

    message: str


Problem = str | None
Check = Callable[[Mapping[str, Any]], Problem]


def batch_items(body: Any, wrapper: str, max_batch: int) -> list[Mapping[str, Any]]:
    """Return the items of a batch; an item that is no object comes as an empty one.

    Raises:
        BadRequestError: no such list, an empty one, or more than ``max_batch`` items.
    """
    items = body.get(wrapper) if isinstance(body, Mapping) else None
    if not isinstance(items, list) or not items:
        raise BadRequestError(f"{wrapper} must be a list of at least one item")
    if len(items) > max_batch:
        raise BadRequestError(f"{wrapper} may hold {max_batch} items at most")
    return [item if isinstance(item, Mapping) else {} for item in items]


def check_contact(item: Mapping[str, Any]) -> Problem:
    """Return what is wrong with an item of a contact upsert."""
    return _email(item.get("email"), "email") or _variables(item)


def check_subscription(item: Mapping[str, Any]) -> Problem:
    """Return what is wrong with an item of a status change."""
    if problem := _email(item.get("email"), "email"):
        return problem
    if item.get("subscriptionStatus") not in SUBSCRIPTION_STATUSES:
        return f"subscriptionStatus must be one of {', '.join(SUBSCRIPTION_STATUSES)}"
    return None


def check_company(item: Mapping[str, Any]) -> Problem:
    """Return what is wrong with an item of a company upsert."""
    id = item.get("id")
    if not isinstance(id, str) or not id.strip():
        return "id is required"
    if not isinstance(item.get("baseDomain"), str | None):
        return "baseDomain must be a string"
    return _variables(item)


def check_engagement(body: Mapping[str, Any]) -> Problem:
    """Return what is wrong with an engagement."""
    if problem := _email(body.get("contactEmail"), "contactEmail"):
        return problem
    if body.get("type") != "ACTIVITY":
        return "type must be ACTIVITY"
    for name in ("name", "description"):
        value = body.get(name)
        if not isinstance(value, str) or not value.strip():
            return f"{name} is required"
    return None


def _email(value: Any, name: str) -> Problem:
    if not isinstance(value, str) or not value.strip():
        return f"{name} is required"
    if len(value.strip()) > _MAX_EMAIL or not _EMAIL.fullmatch(value.strip()):
        return f"{name} is not a valid email address"
    return None


def _variables(item: Mapping[str, Any]) -> Problem:
    variables = item.get("variables", {})
    return None if isinstance(variables, Mapping) else "variables must be an object"
