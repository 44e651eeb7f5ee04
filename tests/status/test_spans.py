"""Lengths of time in words."""

from __future__ import annotations

import pytest

from conversion_sync.status.spans import span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (240, "4 min"), (7200, "2 h"), (3 * 86400, "3 d")],
)
def test_a_span_is_told_in_its_largest_unit(seconds, words):
    assert span(seconds) == words
