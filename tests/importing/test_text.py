"""A text file is read as it was written, in whatever dialect."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.importing import TABLES, UnusableFile
from conversion_sync.importing.files.text import TextSource
from conversion_sync.importing.headers import CONTACTS, Guide
from tests.importing.kit import written

GUIDE = Guide(CONTACTS, frozenset({"email"}), {})

CELLS = st.text(alphabet="abc\"';,|\n\tü", max_size=6).map(str.strip)


def read(data: bytes) -> list[list[str]]:
    return [list(record.cells) for record in TextSource(io.BytesIO(data), GUIDE).records()]


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_the_csv_module_writes_is_read_as_it_was(rows, delimiter, quoting, end, encoding):
    lines = [("email", "title", "Note"), *rows]
    data = written(
        lines, delimiter=delimiter, quoting=quoting, lineterminator=end, encoding=encoding
    )
    assert read(data) == [list(line) for line in lines]


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><table><tr><td>email</td></tr></table>",
        b"\r\n <HTML>\n",
        b"<table><tr><td>email",
        b'\xef\xbb\xbf<?xml version="1.0"?><Workbook>',
    ],
)
def test_a_web_page_that_is_called_a_spreadsheet_is_told_so(data):
    with pytest.raises(UnusableFile, match="this is a web page: open it in a spreadsheet"):
        read(data)


def test_a_file_is_read_more_than_once():
    source = TextSource(io.BytesIO(b"email\na@x.example\n"), GUIDE)
    assert list(source.records()) == list(source.records())


def test_all_tables_know_their_own_columns_by_their_titles():
    for table in TABLES.values():
        for name in (*table.names(), *table.others):
            assert table.titles.known(name.replace("_", " ").title()) == (
                name,
                table.titles.words[name].split().index(name.replace("_", "")),
            )


def test_a_reading_that_was_given_up_says_nothing_of_a_file_that_is_closed():
    """A signal ends it anywhere; the file is closed before the reading is thrown away."""
    file = io.BytesIO(b"email\nann@x.example\nbob@x.example\n")
    records = TextSource(file, GUIDE).records()
    next(records)
    file.close()
    records.close()  # type: ignore[attr-defined]  # it is a generator
