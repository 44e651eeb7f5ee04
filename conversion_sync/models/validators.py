"""What people may enter, and what they are told when they err."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from conversion_sync.api.keys import normal_email, normal_id

__all__ = [
    "check_depth",
    "name_clash",
    "too_deep",
    "validate_address",
    "validate_domain",
    "validate_external_id",
    "validate_json_object",
    "validate_json_values",
    "validate_text",
    "validate_time",
]

#: The longest address that mail can be sent to (RFC 5321), and the longest id that we keep.
LONGEST_ADDRESS, LONGEST_ID = 254, 255

#: Objects and lists in each other: MariaDB keeps 31 of them, and what is sent has some around it.
DEEPEST = 20

#: Bytes of a text, or of all names and values of a column: a batch has room for many such rows.
LARGEST = 100_000

#: In every zone there is such a time, and so the same one in UTC.
EARLIEST, LATEST = datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29)

_DOMAIN = re.compile(r"(?=.{1,253}\Z)([^\W_]([\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]{0,61}[^\W_]\Z")

#: What most addresses are: seen at a glance, none of them is refused by Django's validator.
_USUAL_ADDRESS = re.compile(
    rf"(?=.{{3,{LONGEST_ADDRESS}}}\Z)[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\Z",
    re.IGNORECASE | re.ASCII,
)

#: A NUL as JSON writes it, and not the same six letters as a person may.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def validate_address(value: str) -> None:
    """An email, in whichever spelling: what is looked at is what would be sent."""
    if _USUAL_ADDRESS.match(value):
        return
    validate_text(value)
    key = normal_email(value)
    if len(key) > LONGEST_ADDRESS:
        raise ValidationError(
            _("This email is too long: written out for the API it has %(length)d characters."),
            code="length",
            params={"length": len(key)},
        )
    validate_email(key)


def validate_external_id(value: str) -> None:
    """An id, in whichever spelling: what is looked at is what would be sent."""
    validate_text(value)
    key = normal_id(value)
    if not key:
        raise ValidationError(_("This id has no character that can be seen."), code="blank")
    if len(key) > LONGEST_ID:
        raise ValidationError(
            _("This id is too long: written out for the API it has %(length)d characters."),
            code="length",
            params={"length": len(key)},
        )


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
    """Whatever JSON and every database can carry, of a size that can be sent.

    Raises:
        ValidationError: a NaN, a NUL, half of a character, or what is no JSON at all; nested too
            deep, or too large.
    """
    check_depth(value)
    try:
        text = json.dumps(value, cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise ValidationError(_("This value can't be written as JSON."), code="json") from error
    if _NUL.search(text):
        raise ValidationError(_("A value holds a NUL character; remove it."), code="nul")
    _check_size(size)


def validate_text(value: str) -> None:
    """Text that every database can keep, and that can be sent.

    Raises:
        ValidationError: a NUL, half of a character, or too long.
    """
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise ValidationError(
            _("The text holds half of a character; remove it."), code="surrogate"
        ) from error
    if "\0" in value:
        raise ValidationError(_("The text holds a NUL character; remove it."), code="nul")
    _check_size(size)


def validate_time(value: datetime.datetime) -> None:
    """A time that every zone has.

    Raises:
        ValidationError: it is within two days of the first or the last one that there is.
    """
    if not EARLIEST <= value.replace(tzinfo=None) <= LATEST:
        raise ValidationError(
            _("Not every time zone has this time: enter one between the years 1 and 9999."),
            code="range",
        )


def too_deep() -> ValidationError:
    """What is said of lists and objects that are nested too deep."""
    return ValidationError(
        _("The values are nested too deep: at most %(most)d lists or objects in each other."),
        code="depth",
        params={"most": DEEPEST},
    )


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise ValidationError(
            _("This is too large: %(size)d bytes, of which %(most)d can be sent."),
            code="size",
            params={"size": size, "most": LARGEST},
        )


def check_depth(value: Any) -> None:
    """See how deep lists and objects are nested, however deep they are.

    Raises:
        ValidationError: deeper than ``DEEPEST``.
    """
    level = [value]
    for _depth in range(DEEPEST):
        level = [child for each in level for child in _children(each)]
    if any(isinstance(each, dict | list | tuple) for each in level):
        raise too_deep()


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def name_clash(variables: Any, common: Sequence[str]) -> ValidationError | None:
    """The error of a custom variable that has the name of a column; None if there is none.

    Args:
        variables: the custom variables of a row, or whatever stands in their place.
        common: the columns' names.
    """
    names = (
        [name for name in variables if name.strip() in common]
        if isinstance(variables, dict)
        else []
    )
    if not names:
        return None
    return ValidationError(
        _("“%(name)s” has a field of its own on this page: enter it there."),
        code="common",
        params={"name": names[0]},
    )
