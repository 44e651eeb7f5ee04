"""Each error that staff can meet has a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversion_sync.admin.remedies import REMEDIES, remedy
from conversion_sync.api import errors
from conversion_sync.sync.gate import BROKEN, LIMITED

DOCS = Path(__file__).parents[2] / "docs" / "errors.md"

BASES = (errors.ConversionError, errors.ApiError)

CODES = sorted(
    {
        error.default_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, BASES) and error not in BASES
    }
    # Those of the rows and of the gate that no error of the API stands behind.
    | {"CONSENT_BLOCKED", "MISSING", "BUG", BROKEN, LIMITED}
)


@pytest.mark.parametrize("code", CODES)
def test_each_code_is_explained_on_the_page_and_in_the_docs(code):
    assert code in REMEDIES
    assert f"`{code}`" in DOCS.read_text()


def test_a_code_that_nobody_knows_is_answered_too():
    assert "support" in remedy("TEAPOT")
    assert remedy("") == ""
