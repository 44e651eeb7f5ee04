"""From the text of a cell to a value, and how a cell is made safe (pure)."""

from __future__ import annotations

import json
import re
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _

from conversion_sync.models.fields import WebAddressField
from conversion_sync.models.validators import too_deep

__all__ = ["protected", "read_cell", "unprotected"]

# A spreadsheet takes for a formula what begins with one of these, in full width too; and a cell
# begins, for one that is set to another country, behind a semicolon, a tab or a line break.
_START = r"(^|[;\t\r\n])"
_FORMULA = r"('*[^\S\t\r\n]*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_BARE = re.compile(_START + _FORMULA)
_PROTECTED = re.compile(f"{_START}'{_FORMULA}")


def protected(text: str) -> str:
    """The text with an apostrophe before whatever a spreadsheet would compute."""
    return _BARE.sub(r"\1'\2", text)


def unprotected(text: str) -> str:
    """What was given to ``protected``; a text that it would not write stays as it is."""
    return _PROTECTED.sub(r"\1\2", text) if "'" in text else text


def read_cell(field: models.Field[Any, Any], text: str) -> Any:
    """The value of a column of a model, validated as a form would.

    Raises:
        ValidationError: with a message for people.
    """
    value: Any = text
    if field.choices:
        value = _choice(field, text)
    elif isinstance(field, models.JSONField):
        value = _object(text)
    elif isinstance(field, WebAddressField) and "://" not in text:
        value = f"https://{text}"
    value = field.clean(value, None)
    if isinstance(field, models.DateTimeField) and settings.USE_TZ and timezone.is_naive(value):
        value = _aware(value)
    return value


def _choice(field: models.Field[Any, Any], text: str) -> str:
    choices = [str(value) for value, _label in field.flatchoices if value]
    if text.upper() not in choices:
        raise ValidationError(
            _("“%(value)s” is not one of %(choices)s")
            % {"value": text, "choices": ", ".join(choices)}
        )
    return text.upper()


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except RecursionError:
        raise too_deep() from None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValidationError(_('this is not a JSON object such as {"outcome": "won"}'))
    return value


def _aware(value: Any) -> Any:
    try:
        return timezone.make_aware(value)
    except (ValueError, OverflowError):
        raise ValidationError(_("there is no such time")) from None
