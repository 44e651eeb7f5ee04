"""Names and values in a form, instead of raw JSON.

A value is written as text. What reads as a number, ``true``, ``false`` or ``null`` exactly as JSON
would write it is that; what begins with ``[`` or ``{`` is a list or an object, and must be one;
what stands in quotes is the text between them; everything else is text as it stands. So ``42`` is a
number, and ``042``, ``1.10`` and ``"42"`` are text. `as_text` is the inverse of `parse`: what a
form shows and nobody touches comes back as it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.api.canonical import same

__all__ = [
    "KeyValue",
    "KeyValueField",
    "KeyValueWidget",
    "as_text",
    "name_as_text",
    "parse",
    "parse_name",
]

SPARE = 3

#: So many rows have fields of their own; Django takes a thousand values of a form
#: (DATA_UPLOAD_MAX_NUMBER_FIELDS), and there may be two such fields in one.
MOST = 200


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _loads(text: str) -> Any:
    """Strict JSON.

    Raises:
        ValueError: it is none, is nested too deeply, or holds half a character.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def parse(text: str) -> Any:
    """The value that a text means.

    Raises:
        ValidationError: it begins like a list or an object, and is none.
    """
    text = text.strip()
    try:
        value = _loads(text)
    except ValueError as error:
        if text.startswith(("[", "{")):
            raise ValidationError(
                _("“%(text)s” is not a valid list or object. In double quotes it is plain text."),
                code="json",
                params={"text": text[:80]},
            ) from error
        return text
    if isinstance(value, str | list | dict) or json.dumps(value) == text:
        return value
    return text


def as_text(value: Any) -> str:
    """The text that means a value, as plain as can be."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)


def parse_name(text: str) -> str:
    """The name that a text means: the text, or what stands in its quotes."""
    text = text.strip()
    try:
        value = _loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def name_as_text(name: str) -> str:
    """The text that means a name."""
    if _survives(name) and parse_name(name) == name:
        return name
    return json.dumps(name, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    return _survives(text) and not text.startswith(("[", "{")) and bool(parse(text) == text)


def _survives(text: str) -> bool:
    # A browser keeps no control characters; a line break it sends as two.
    return not any(ord(character) < 32 for character in text)


@dataclass(frozen=True)
class KeyValue:
    """One row as somebody filled it in."""

    name: str = ""
    value: str = ""
    remove: bool = False

    @property
    def is_blank(self) -> bool:
        return not self.name.strip() and not self.value.strip()


class KeyValueWidget(forms.Widget):
    """Rows of name and value; a few spare ones, and more with JavaScript.

    Where they would be more than a form may hold, they are one text, in JSON.
    """

    template_name = "admin/conversion_sync/widgets/key_values.html"
    use_fieldset = True

    class Media:
        css = {"all": ("conversion_sync/admin.css",)}  # noqa: RUF012  # Django's own convention
        js = ("conversion_sync/key_values.js",)

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        if isinstance(value, str) or (isinstance(value, dict) and len(value) > MOST):
            context["widget"]["text"] = value if isinstance(value, str) else _laid_out(value)
            return context
        rows = [row for row in _rows(value) if not row.is_blank]
        context["widget"]["rows"] = [*rows, *[KeyValue()] * SPARE]
        context["widget"]["blank"] = KeyValue()
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        if name in data:
            return data[name]
        return [
            KeyValue(
                data.get(f"{name}-{number}-name", ""),
                data.get(f"{name}-{number}-value", ""),
                f"{name}-{number}-remove" in data,
            )
            for number in sorted(_numbers(data, name))
        ]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data and not any(_numbers(data, name))

    def id_for_label(self, id_: str) -> str:
        return f"{id_}-0-name" if id_ else id_


def _laid_out(value: Any) -> str:
    """The text of an object, a line for each name."""
    pairs = (
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(content, ensure_ascii=False)}"
        for name, content in value.items()
    )
    return "{\n" + ",\n".join(pairs) + "\n}"


def _numbers(data: Mapping[str, Any], name: str) -> set[int]:
    pattern = re.compile(re.escape(name) + r"-([0-9]{1,9})-(?:name|value)")
    return {int(match[1]) for match in map(pattern.fullmatch, data) if match}


def _rows(value: Any) -> Iterator[KeyValue]:
    """The rows of a value: typed ones as they are, stored ones as text."""
    if isinstance(value, list) and all(isinstance(row, KeyValue) for row in value):
        yield from value
    elif isinstance(value, dict):
        for name, content in value.items():
            yield KeyValue(name_as_text(name), as_text(content))
    elif value not in (None, ""):
        yield KeyValue("", as_text(value))


class HiddenKeyValues(forms.HiddenInput):
    """What a form had shown, as JSON."""

    def format_value(self, value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)


class KeyValueField(forms.Field):
    """A JSON object, edited by name and value."""

    widget = KeyValueWidget
    hidden_widget = HiddenKeyValues
    default_error_messages = {  # noqa: RUF012  # Django's own convention
        "required": gettext_lazy("Enter at least one name and value."),
        "object": gettext_lazy("Enter names and values, not another kind of JSON."),
        "text": gettext_lazy("This is no JSON: %(why)s."),
        "nameless": gettext_lazy("“%(value)s” needs a name."),
        "twice": gettext_lazy("“%(name)s” is there twice: keep one."),
    }

    def __init__(self, *, encoder: Any = None, decoder: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"aria-label": self.label} if self.label else {}

    def to_python(self, value: Any) -> dict[str, Any]:
        """The object.

        Raises:
            ValidationError: a name is missing or there twice, a value can't be parsed, or it is no
                object at all.
        """
        if isinstance(value, str):
            value = self._object(value)
        if not isinstance(value, list):
            return value or {}
        pairs: dict[str, Any] = {}
        errors: list[ValidationError] = []
        for row in value:
            if not row.remove and not row.is_blank:
                try:
                    self._add(pairs, row)
                except ValidationError as error:
                    errors.append(error)
        if errors:
            raise ValidationError(errors)
        return pairs

    def _object(self, text: str) -> dict[str, Any]:
        try:
            value = _loads(text) if text.strip() else {}
        except ValueError as error:
            params = {"why": str(error)}
            raise ValidationError(
                self.error_messages["text"], code="text", params=params
            ) from error
        if not isinstance(value, dict):
            raise ValidationError(self.error_messages["object"], code="object")
        return value

    def _add(self, pairs: dict[str, Any], row: KeyValue) -> None:
        name = parse_name(row.name)
        if not name.strip():
            params: dict[str, str] = {"value": row.value[:80]}
            raise ValidationError(self.error_messages["nameless"], code="nameless", params=params)
        if name in pairs:
            raise ValidationError(self.error_messages["twice"], code="twice", params={"name": name})
        pairs[name] = parse(row.value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        if self.disabled:
            return False
        try:
            return not same(self.to_python(data), self.to_python(initial))
        except ValidationError:
            return True
