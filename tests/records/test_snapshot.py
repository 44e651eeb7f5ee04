"""What a record says."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.api import UNSAID
from conversion_sync.records.change import Change
from conversion_sync.records.snapshot import Snapshot, difference
from tests.kit import ANN, EQUAL_BUT_DIFFERENT

ALIKE = [0, 0.0, False, 1, 1.0, True, "1", None]


def said(**variables: object) -> Snapshot:
    return Snapshot(ANN, variables)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
SNAPSHOTS = st.builds(
    Snapshot,
    st.text(),
    OBJECTS,
    OBJECTS,
    base_domain=st.just(UNSAID) | st.none() | st.text(),
    reference=st.just(UNSAID) | JSON,
)


# Equality


@pytest.mark.parametrize(("one", "other"), [*itertools.permutations(ALIKE, 2)])
def test_what_json_writes_differently_differs(one, other):
    assert said(x=one) != said(x=other)
    assert said(x=[{"y": one}]) != said(x=[{"y": other}])
    assert Snapshot(ANN, company={"x": one}) != Snapshot(ANN, company={"x": other})
    assert Snapshot(ANN, reference=one) != Snapshot(ANN, reference=other)
    assert [change.name for change in difference(said(x=[one]), said(x=[other]))] == ["x"]


@pytest.mark.parametrize(("one", "other"), EQUAL_BUT_DIFFERENT)
def test_so_do_numbers_that_python_takes_for_equal(one, other):
    assert said(x=one) != said(x=other)


def test_what_is_the_same_on_the_wire_is_equal():
    one = Snapshot(ANN, {"a": 1, "b": [1.0, {"c": True, "d": None}]}, reference={"x": 1, "y": 2})
    other = Snapshot(ANN, {"b": (1.0, {"d": None, "c": True}), "a": 1}, reference={"y": 2, "x": 1})
    assert one == other
    assert hash(one) == hash(other)


def test_nothing_said_is_not_said_to_be_blank():
    assert said() != said(x=None)
    assert Snapshot(ANN) != Snapshot(ANN, reference=None)
    assert Snapshot(ANN) != Snapshot(ANN, base_domain=None)
    assert Snapshot(ANN) != Snapshot("bob@x.example")
    assert said() != {}


@given(SNAPSHOTS)
def test_it_can_be_kept_as_json(snapshot):
    kept = json.loads(json.dumps(snapshot.as_json()))
    assert Snapshot.from_json(kept) == snapshot


def test_names_of_a_later_release_are_passed_over():
    assert Snapshot.from_json({"key": ANN, "colour": "red", "variables": {"x": 1}}) == said(x=1)


# What is cleared


@given(SNAPSHOTS, SNAPSHOTS)
def test_what_only_the_previous_one_says_is_cleared(before, after):
    made = after.clearing(before)
    assert made.changed_by(after) == made
    assert made.cleared >= {*before.variables} - {*after.variables}
    assert {*made.variables} == {*before.variables} | {*after.variables}
    assert {*made.company} == {*before.company} | {*after.company}
    assert made.clearing(before) == made
    assert after.clearing(None) is after


def test_nothing_is_cleared_that_was_never_said():
    before = Snapshot(ANN, {"title": "Boss", "plan": None}, {"company_name": "Acme"}, reference={})
    after = said(title="Chief")
    made = after.clearing(before)
    assert made.as_json() == {
        "key": ANN,
        "variables": {"title": "Chief", "plan": None},
        "company": {"company_name": None},
        "reference": None,
    }
    assert made.cleared == {"plan", "company_name", "external_contact"}
    assert made.without_cleared() == after


# Differences


def test_a_difference_names_what_changes():
    before = Snapshot("C1", {"size": "1-10", "plan": 1, "x": ""}, base_domain="a.example")
    after = Snapshot("C1", {"plan": True, "city": "Rome"}, base_domain="b.example")
    assert difference(before, after) == [
        Change("base_domain", "a.example", "b.example"),
        Change("city", None, "Rome"),
        Change("plan", 1, True),
        Change("size", "1-10", None),
    ]
    assert difference(before, before) == []
    assert difference(None, said(a=1)) == [Change("a", None, 1)]
    assert difference(said(a=1), None) == [Change("a", 1, None)]


def test_blanks_are_no_fields():
    blank = Snapshot("C1", {"x": "", "y": None}, {"z": None}, base_domain="", reference={})
    assert blank.fields == {}
    assert said(zero=0, no=False, none=[]).fields == {"zero": 0, "no": False, "none": []}


def test_a_variable_named_as_a_column_is_a_variable():
    ours = Snapshot("C1", {"base_domain": "x"}, base_domain="a.example")
    assert ours.fields == {"base_domain": "a.example"}
    theirs = Snapshot(ANN, {"external_contact": 0})
    assert theirs.fields == {"external_contact": 0}


# Parts


def test_only_what_is_named_is_taken_and_what_the_other_lacks_is_cleared():
    ours = Snapshot(ANN, {"title": "Boss", "plan": "pro"}, reference={"crm": 7})
    theirs = Snapshot(ANN, {"title": "Chief", "city": "Rome"})
    names = ["title", "plan", "external_contact", "nothing"]
    chosen = theirs.only(names, instead_of=ours)
    assert chosen == Snapshot(ANN, {"title": "Chief", "plan": None}, reference=None)
    assert ours.changed_by(chosen).without_cleared() == said(title="Chief")
