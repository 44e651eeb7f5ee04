"""Each error that can be stored has words, and a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversion_sync.api.errors import ErrorCode
from conversion_sync.status.errors import (
    EXPLANATIONS,
    error_words,
    is_known,
    needs_a_person,
    remedy,
)

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


@pytest.mark.parametrize("code", ErrorCode)
def test_each_code_is_explained_on_the_page_and_in_the_docs(code):
    assert is_known(code)
    assert error_words(code) != code
    assert remedy(code) not in ("", remedy("TEAPOT"))
    assert f"`{code}`" in DOCS.read_text()


def test_nothing_is_explained_that_can_not_be_stored():
    assert set(EXPLANATIONS) == set(ErrorCode)


def test_a_code_that_nobody_knows_is_answered_too():
    assert not is_known("TEAPOT")
    assert error_words("TEAPOT") == "TEAPOT"
    assert "support" in remedy("TEAPOT")
    assert error_words("") == remedy("") == ""


@pytest.mark.parametrize("code", ErrorCode)
def test_no_row_is_told_what_is_not_true_of_it(code):
    assert "Resend" in remedy(code, "UNCONFIRMED")
    assert "tried again" not in remedy(code, "UNCONFIRMED")
    for status in ("PENDING", "FAILED"):
        assert "engagement" not in remedy(code, status)
    assert "If it failed" not in remedy(code, "PENDING") or code == "NOTHING_TO_UNSUBSCRIBE"


#: What a row may be tried again with, and whether it arrives without anybody acting. A row with
#: any other code is not tried again, or the gate says what stops it.
TRIED_AGAIN = {
    "INTERNAL_ERROR": False,
    "NO_ANSWER": False,
    "NOT_SENT": False,
    "WITHHELD": False,
    "MISSING": False,
    "CONTENT_REFUSED": False,
    "RATE_LIMIT_EXCEEDED": False,
    "UNAVAILABLE": False,
    "UNAUTHORIZED": False,
    "REDIRECTED": False,
    "FORBIDDEN": True,
    "FOREIGN_ANSWER": True,
    "NOT_FOUND": True,
    "ITEM_ERROR": True,
    "BUG": True,
    "UNSENDABLE": True,
    "TEAPOT": True,
    "HTTP_402": True,
}


@pytest.mark.parametrize("code", [*ErrorCode, "TEAPOT", "HTTP_402"])
def test_which_errors_of_rows_that_are_tried_again_need_a_person(code):
    assert needs_a_person(code) is TRIED_AGAIN.get(code, False)
    if needs_a_person(code):
        told = remedy(code, "PENDING")
        assert "administrator" in told or "support" in told or "Correct" in told
        assert "retry" not in told.lower()
    assert not needs_a_person("")


def test_who_lacks_a_right_is_told_so_while_it_is_tried_again():
    assert "missing right" in remedy("FORBIDDEN", "PENDING")
    assert "by itself" in remedy("FORBIDDEN", "PENDING")
