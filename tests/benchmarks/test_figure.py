"""What `make bench` says of a figure, and how it ends."""

from __future__ import annotations

import json

import pytest

from benchmarks import table
from benchmarks.figure import Figure, Verdict, exit_status


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (20.0, Verdict.MET),
        (20.1, Verdict.NEARLY),
        (22.0, Verdict.NEARLY),
        (22.1, Verdict.MISSED),
        (None, Verdict.ABSENT),
    ],
)
def test_what_is_at_most_its_target_is_missed_by_more_than_a_tenth(value, verdict):
    assert Figure("statements", value, target=20).verdict is verdict


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (2000, Verdict.MET),
        (1999, Verdict.NEARLY),
        (1800, Verdict.NEARLY),
        (1799, Verdict.MISSED),
        (0, Verdict.MISSED),
    ],
)
def test_what_is_at_least_its_target_is_missed_by_more_than_a_tenth(value, verdict):
    assert Figure("rows", value, target=2000, at_least=True).verdict is verdict


def test_of_what_may_not_happen_at_all_one_is_too_many():
    assert Figure("deadlocks", 0, target=0).verdict is Verdict.MET
    assert Figure("deadlocks", 1, target=0).verdict is Verdict.MISSED


def test_a_figure_without_a_target_is_only_told():
    assert Figure("refused", 17).verdict is Verdict.NONE
    assert exit_status([Figure("refused", 17)]) == 0


def time(value):
    return Figure("a save", value, "times", target=1.5)


def count(value):
    return Figure("statements", value, target=8, is_count=True)


@pytest.mark.parametrize(
    ("figures", "status", "of_counts"),
    [
        ([], 0, 0),
        ([time(1.5), count(8)], 0, 0),
        ([time(1.6), count(8.5)], 0, 0),
        ([time(1.7), count(8)], 1, 0),
        ([time(1), count(9)], 1, 1),
        ([time(None), count(None)], 0, 0),
        ([Figure("edits", None, is_broken=True)], 1, 1),
    ],
)
def test_the_run_fails_where_one_is_missed_and_of_counts_only_where_that_is_a_count(
    figures, status, of_counts
):
    assert exit_status(figures) == status
    assert exit_status(figures, counts_only=True) == of_counts


def test_the_table_has_each_figure_beside_what_it_is_compared_with_and_its_target():
    figures = [
        Figure("a save", 1.07, "times", "1 ms, plain 0.9 ms", 1.5, database="SQLite"),
        Figure("drain", None, note="no server answers there", database="PostgreSQL"),
        Figure("a save", 1.7, "times", target=1.5, database="PostgreSQL"),
    ]
    *_, first, second, last = table.markdown(figures).splitlines()
    assert first == "| a save | SQLite | 1.07 times | ≤ 1.5 times | met | 1 ms, plain 0.9 ms |"
    assert second == "|  | PostgreSQL | 1.7 times | ≤ 1.5 times | missed |  |"
    assert last == "| drain | PostgreSQL | - |  | not measured | no server answers there |"


def test_what_is_written_for_programs_is_read_again():
    figures = [Figure("a save", 1.7, "times", target=1.5, database="SQLite")]
    written = table.as_json(figures, {"machine": "2 cores"})
    assert json.loads(written)["figures"][0]["verdict"] == "missed"
    assert json.loads(written)["machine"] == "2 cores"
    assert table.from_json(written) == figures
