"""The API key as a thing that no repr, log or traceback shows, and its removal from texts."""

from __future__ import annotations

import re
from typing import Any, NoReturn

__all__ = ["HIDDEN", "Secret"]

#: What stands where the key stood.
HIDDEN = "***"

#: A shorter key is no secret: it is a word that may be part of any email or name.
_SHORTEST = 8

_ENTITIES = {'"': "quot", "&": "amp", "'": "apos", "<": "lt", ">": "gt"}

#: Bytes with one of these in them may hold the key in another spelling.
_MARKS = (b"%", b"\\", b"&")


class Secret:
    """An API key. Equal secrets are equal; none can be pickled.

    A plain text would stand among the locals of each frame that a traceback passes, and error
    reports show those.
    """

    __slots__ = ("_spellings", "_value")

    def __init__(self, value: Any) -> None:
        if isinstance(value, Secret):
            value = value._value
        self._value: str = value.strip() if isinstance(value, str) else ""
        self._spellings: re.Pattern[bytes] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled.")

    def reveal(self) -> str:
        """Return the key, to be sent and to be kept in no variable."""
        return self._value

    def is_sendable(self) -> bool:
        """Tell whether the key can stand in a header: ASCII that can be seen, without a space."""
        return self._value.isascii() and self._value.isprintable() and " " not in self._value

    def hide(self, text: str) -> str:
        """Return the text without the key, however it is spelled in it."""
        if not self._value:
            return text
        hidden = self._pattern().sub(HIDDEN.encode(), text.encode(errors="surrogatepass"))
        return hidden.decode(errors="surrogatepass")

    def hide_in(self, body: bytes) -> bytes:
        """Return an answer without the key; as it is where the key is too short to tell."""
        if len(self._value) < _SHORTEST:
            return body
        if self._value.encode() not in body and not any(mark in body for mark in _MARKS):
            return body
        return self._pattern().sub(HIDDEN.encode(), body)

    def _pattern(self) -> re.Pattern[bytes]:
        if self._spellings is None:
            self._spellings = re.compile("".join(map(_spellings_of, self._value)).encode())
        return self._spellings


def _spellings_of(char: str) -> str:
    """Return a pattern: the character as it is, or escaped for a URL, JSON or HTML, or twice so."""
    number = "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in f"{ord(char):02x}")
    ways = [
        rf"\\*{re.escape(char)}" if char in "\"'\\/" else re.escape(char),
        f"%(?:25)*{number}",
        rf"\\+u00{number}",
        f"&#0*{ord(char)};",
        f"&#[xX]0*{number};",
    ]
    if name := _ENTITIES.get(char):
        ways.append(f"&{name};")
    return f"(?:{'|'.join(ways)})"
