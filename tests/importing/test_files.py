"""Each file brings what its program meant, says what a person should know, and no more."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest

from conversion_sync.importing import TABLES, Importer, Outcome, Result
from conversion_sync.models import Company, Contact
from tests.importing import files_programs, files_sheets, files_text, files_values
from tests.importing.kit import File

pytestmark = pytest.mark.django_db

FILES = [
    *files_text.FILES,
    *files_programs.FILES,
    *files_values.FILES,
    *files_sheets.FILES,
]


def test_there_are_enough_of_them():
    assert len(FILES) >= 60
    assert len({file.program for file in FILES}) == len(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.program)
def test_what_comes_of_a_file(file: File):
    for external_id, name in file.existing:
        Company.objects.create(external_id=external_id, company_name=name)
    if file.kind == "engagements":
        Contact.objects.create(email="ann@x.example")
    importer = _importer(file)
    _compare_notices(importer.notices, file.notices)
    outcomes = list(importer.outcomes())
    assert _rejected(outcomes).keys() == file.rejected.keys(), _rejected(outcomes)
    for line, reason in file.rejected.items():
        assert reason in _rejected(outcomes)[line]
    assert _rows(file) == _json(file.rows)
    again = {outcome.result for outcome in _importer(file).outcomes()}
    assert again <= {Result.UNCHANGED, Result.BAD}


def _importer(file: File) -> Importer:
    return Importer(
        file.kind,
        io.BytesIO(file.content),
        choices=file.choices,
        encoding=file.encoding,
    )


def _compare_notices(found: list[str], wanted: Any) -> None:
    assert len(found) == len(wanted), found
    for notice, part in zip(found, wanted, strict=True):
        assert part in notice


def _rejected(outcomes: list[Outcome]) -> dict[int, str]:
    return {one.number: one.message for one in outcomes if one.result is Result.BAD}


def _rows(file: File) -> str:
    """All rows of the kind as the database has them, but for those that were there before."""
    table = TABLES[file.kind]
    before = {external_id for external_id, _name in file.existing}
    lines = table.model._default_manager.values_list(*table.paths().values())
    rows = (dict(zip(table.names(), line, strict=True)) for line in lines)
    keyed = {row.pop(table.key): row for row in rows}
    return _json({key: row for key, row in keyed.items() if key not in before})


def _json(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """In JSON, where 1, 1.0 and true are three things; without blanks."""
    filled = {
        key: {name: value for name, value in row.items() if value not in ("", None, {})}
        for key, row in rows.items()
    }
    return json.dumps(filled, default=str, sort_keys=True, indent=1, ensure_ascii=False)
