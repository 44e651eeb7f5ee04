"""Takes the API key out of what a server may have echoed, and makes codes and messages short."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, TypeVar

from conversion_sync.api.errors import ApiError, Bug, ConversionError, ItemError, Refused
from conversion_sync.api.results import BatchResult
from conversion_sync.api.secret import Secret

__all__ = ["Scrubber"]

T = TypeVar("T")

_MESSAGE_LIMIT = 500
_CODE_LIMIT = 64


class Scrubber:
    """Scrubs what came of a call with one API key."""

    def __init__(self, api_key: Secret) -> None:
        self._api_key = api_key

    def scrub_error(self, error: ConversionError) -> None:
        """Scrub, in its place, what the API said, and the text of a bug."""
        if isinstance(error, ApiError | Bug):
            error.message = self._message(error.message)
            error.args = (error.message,)
        if isinstance(error, ApiError):
            error.details = self._json(error.details)
            error.items = [self._item_error(item) for item in error.items]
        if isinstance(error, Refused):
            error.code = self._code(error.code)

    def scrub_result(self, result: T) -> T:
        """Scrub, in its place, what a batch says of single items; return the result."""
        if isinstance(result, BatchResult):
            for key, item in result.items.items():
                if item.error is not None:
                    result.items[key] = replace(item, error=self._item_error(item.error))
        return result

    def _json(self, value: Any) -> Any:
        """Return a JSON value without the API key in any text of it."""
        if isinstance(value, str):
            return self._api_key.hide(value)
        if isinstance(value, list):
            return [self._json(item) for item in value]
        if isinstance(value, dict):
            return {self._json(name): self._json(item) for name, item in value.items()}
        return value

    def _item_error(self, item: ItemError) -> ItemError:
        return ItemError(item.index, item.key, self._code(item.code), self._message(item.message))

    def _code(self, code: str) -> str:
        """Return a code as a word that is safe wherever codes are shown and grouped by."""
        return re.sub(r"[^!-~]", "_", self._message(code))[:_CODE_LIMIT]

    def _message(self, text: str) -> str:
        """Return a text without the API key, then cut: a cut key would not be found."""
        return self._api_key.hide(text)[:_MESSAGE_LIMIT]
