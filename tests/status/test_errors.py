"""Each error that can be stored has words, and a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversion_sync.api.errors import ErrorCode
from conversion_sync.status.errors import EXPLANATIONS, is_known, remedy, words

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


@pytest.mark.parametrize("code", ErrorCode)
def test_each_code_is_explained_on_the_page_and_in_the_docs(code):
    assert is_known(code)
    assert words(code) != code
    assert remedy(code) not in ("", remedy("TEAPOT"))
    assert f"`{code}`" in DOCS.read_text()


def test_nothing_is_explained_that_can_not_be_stored():
    assert set(EXPLANATIONS) == set(ErrorCode)


def test_a_code_that_nobody_knows_is_answered_too():
    assert not is_known("TEAPOT")
    assert words("TEAPOT") == "TEAPOT"
    assert "support" in remedy("TEAPOT")
    assert words("") == remedy("") == ""
