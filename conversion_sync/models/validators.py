"""What people may enter, and what they are told when they err."""

from __future__ import annotations

import json
import re
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

__all__ = ["validate_domain", "validate_json_object", "validate_json_values"]

_DOMAIN = re.compile(r"(?=.{1,253}\Z)([^\W_]([\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{0,61}[^\W_]\Z")

#: A NUL as JSON writes it, and not the same six letters as a person may.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def validate_domain(value: str) -> None:
    """A bare host name: no scheme, no path, no spaces."""
    if "://" in value or "/" in value:
        raise ValidationError(
            _("Enter only the domain, such as “example.com”, without “https://” or a path."),
            code="domain",
        )
    if not _DOMAIN.match(value):
        raise ValidationError(
            _("This is not a domain. Enter something like “example.com”."), code="domain"
        )


def validate_json_object(value: Any) -> None:
    """A JSON object with names that are not blank."""
    if not isinstance(value, dict):
        raise ValidationError(
            _("Enter names and values (a JSON object such as {“plan”: “pro”})."), code="object"
        )
    for name in value:
        if not isinstance(name, str) or not name.strip():
            raise ValidationError(_("A variable needs a name."), code="name")
    validate_json_values(value)


def validate_json_values(value: Any) -> None:
    """Whatever JSON and every database can carry: no NaN, no NUL, no half of a character."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError) as error:
        raise ValidationError(_("This value can't be written as JSON."), code="json") from error
    if _NUL.search(text):
        raise ValidationError(_("A value holds a NUL character; remove it."), code="nul")
