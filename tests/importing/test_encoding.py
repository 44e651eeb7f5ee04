"""The encoding of a file is found out, and what it can't be is said."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.importing import UnusableFile
from conversion_sync.importing.files import encoding as encoding_module
from conversion_sync.importing.files.encoding import ENCODINGS, find_encoding


def found(data: bytes, wanted: str = "") -> str:
    return find_encoding(io.BytesIO(data), wanted).name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "utf-8"),
        (b"email\n", "utf-8"),
        ("Zoë".encode(), "utf-8"),
        ("Zoë".encode("utf-8-sig"), "utf-8-sig"),
        ("Zoë".encode("utf-16"), "utf-16"),
        ("Zoë".encode("utf-16-le"), "utf-16-le"),
        ("Zoë!".encode("utf-16-be"), "utf-16-be"),
        ("Zoë".encode("utf-32"), "utf-32"),
        ("Zoë".encode("cp1252"), "cp1252"),
    ],
)
def test_it_is_found_out(data, name):
    assert found(data) == name


@pytest.mark.parametrize("size", [1, 2, 3, 1 << 20])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_utf_8_is_found_wherever_the_parts_are_cut(text, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding_module, "BYTES_AT_ONCE", size)
        assert found(text.encode()) in ("utf-8", "utf-8-sig")


def test_the_first_word_that_is_no_utf_8_is_shown_with_its_line(monkeypatch):
    monkeypatch.setattr(encoding_module, "BYTES_AT_ONCE", 7)
    data = "email;name\r\na@x.example;Zoé\r\nb@x.example;Jürgen Müller;1\r\n"
    notice = find_encoding(io.BytesIO(data.encode("cp1252"))).notice
    assert notice == "The file is not UTF-8: it is read as Windows-1252 (line 2: “Zoé”)."


@pytest.mark.parametrize("name", ENCODINGS)
def test_each_that_a_person_may_choose_is_one(name):
    assert found("abc".encode(name), name)


@pytest.mark.parametrize(
    ("data", "wanted", "line", "reason"),
    [
        (b"a\nb\nZo\x81\n", "", 3, "the file is not Windows-1252 (byte 0x81)"),
        (b"\xef\xbb\xbfa\nZo\xeb\n", "", 2, "the file is not UTF-8 (byte 0xeb)"),
        (b"\xff\xfea", "", 1, "the file is not UTF-16 (byte 0x61)"),
        (b"a\nZo\xeb\n", "utf-8", 2, "the file is not UTF-8 (byte 0xeb)"),
        ("Zoë\n".encode() + b"Zo\xeb\n", "", 2, "the file is not UTF-8 (byte 0xeb)"),
        (b"a", "klingon", None, "there is no encoding “klingon”"),
        (b"a", "hex", None, "there is no encoding “hex”"),
    ],
)
def test_what_it_is_not_is_said_with_the_line(data, wanted, line, reason):
    with pytest.raises(UnusableFile) as failure:
        found(data, wanted)
    assert failure.value.line == line
    assert reason in failure.value.reason
