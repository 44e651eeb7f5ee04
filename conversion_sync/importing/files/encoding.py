"""In which encoding the text of a file is written."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conversion_sync.importing.errors import UnusableFile

__all__ = ["ENCODINGS", "Encoding", "find_encoding"]

BYTES_AT_ONCE = 1 << 20

#: What a person may choose from, by the names that Python knows.
ENCODINGS: Mapping[str, Any] = {
    "utf-8": gettext_lazy("UTF-8"),
    "utf-16": gettext_lazy("UTF-16"),
    "cp1252": gettext_lazy("Western Europe (Windows-1252)"),
    "cp1250": gettext_lazy("Central Europe (Windows-1250)"),
    "cp1251": gettext_lazy("Cyrillic (Windows-1251)"),
    "cp1253": gettext_lazy("Greek (Windows-1253)"),
    "cp1254": gettext_lazy("Turkish (Windows-1254)"),
    "cp1255": gettext_lazy("Hebrew (Windows-1255)"),
    "cp1256": gettext_lazy("Arabic (Windows-1256)"),
    "cp1257": gettext_lazy("Baltic (Windows-1257)"),
    "cp850": gettext_lazy("Western Europe (MS-DOS)"),
    "mac-roman": gettext_lazy("Western Europe (Macintosh)"),
    "cp932": gettext_lazy("Japanese (Shift JIS)"),
    "cp949": gettext_lazy("Korean (EUC-KR)"),
    "gb18030": gettext_lazy("Simplified Chinese (GB 18030)"),
    "big5": gettext_lazy("Traditional Chinese (Big5)"),
}

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Its mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}
_WORD = re.compile(r"[^\s,;|\"]+")


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding, and what a person should know of it ("" for UTF-8, which is expected)."""

    name: str
    notice: str = ""


def find_encoding(file: BinaryIO, wanted: str = "") -> Encoding:
    """The encoding of a file: by its mark, else UTF-8 where some of it is, else Windows-1252.

    Args:
        file: seekable; it is read whole, a part at a time.
        wanted: a name that Python knows, of somebody who knows better.

    Raises:
        UnusableFile: it is written in none of them.
    """
    if wanted:
        return Encoding(_checked(file, _codec(wanted)))
    if name := _marked(file):
        notice = "" if name == "utf-8-sig" else _("The file is read as UTF-16.")
        return Encoding(_checked(file, name), notice)
    try:
        return Encoding(_checked(file, "utf-8"))
    except _Undecodable as error:
        if _has_utf_8(file):
            raise
        _checked(file, "cp1252")
        notice = _(
            "The file is not UTF-8: it is read as Windows-1252 (line %(line)d: “%(word)s”)."
        ) % {"line": error.line, "word": error.word()}
        return Encoding("cp1252", notice)


class _Undecodable(UnusableFile):
    """There is a byte that the encoding does not know."""

    def __init__(self, error: UnicodeDecodeError, lines: int, name: str) -> None:
        self._error = error
        words = _("the file is not %(encoding)s (byte 0x%(byte)02x): save it as “CSV UTF-8”")
        values = {"encoding": _NAMES.get(name, name), "byte": error.object[error.start]}
        super().__init__(words % values, lines + error.object.count(b"\n", 0, error.start) + 1)

    def word(self) -> str:
        """The word that holds the byte, as Windows-1252 has it."""
        data, at = self._error.object, self._error.start
        before, after = data[max(0, at - 40) : at], data[at : at + 40]
        head = _WORD.findall(before.decode("cp1252", "replace") + "\0")[-1]
        tail = _WORD.match(after.decode("cp1252", "replace"))
        return f"{head[:-1]}{tail[0] if tail else ''}"


def _codec(name: str) -> str:
    try:
        "a".encode(name)
        found = str(codecs.lookup(name).name)
    except (LookupError, UnicodeError):
        raise UnusableFile(_("there is no encoding “%(name)s”") % {"name": name}) from None
    return "utf-8-sig" if found == "utf-8" else found


def _marked(file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(4)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if len(head) == 4 and head[1] == head[3] == 0 and head[0] and head[2]:
        return "utf-16-le"
    if len(head) == 4 and head[0] == head[2] == 0 and head[1] and head[3]:
        return "utf-16-be"
    return ""


def _has_utf_8(file: BinaryIO) -> bool:
    """Whether some letters are UTF-8: then a file is that, and broken."""
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    file.seek(0)
    return any(
        not decoder.decode(part).isascii() for part in iter(lambda: file.read(BYTES_AT_ONCE), b"")
    )


def _checked(file: BinaryIO, name: str) -> str:
    decoder = codecs.getincrementaldecoder(name)()
    file.seek(0)
    lines = 0
    try:
        while part := file.read(BYTES_AT_ONCE):
            decoder.decode(part)
            lines += part.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _Undecodable(error, lines, name) from None
    return name
