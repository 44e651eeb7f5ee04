"""When two values are the same on the wire."""

from __future__ import annotations

import decimal
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.api.canonical import canonical, same

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)

#: Python takes those of one group for equal.
APART: list[list[Any]] = [[1, 1.0, True], [0, 0.0, -0.0, False], [10**22, 1e22]]


@pytest.mark.parametrize("group", APART, ids=str)
@pytest.mark.parametrize(
    "wrap",
    [lambda v: v, lambda v: [v], lambda v: {"a": v}, lambda v: {"a": [{"b": v}]}],
    ids=["bare", "list", "object", "nested"],
)
def test_what_json_writes_differently_is_not_the_same(group, wrap):
    assert all(value == other for value, other in itertools.combinations(group, 2))
    assert not any(same(wrap(one), wrap(other)) for one, other in itertools.combinations(group, 2))


@given(VALUES)
def test_it_is_the_json_of_the_value(value):
    assert canonical(value) == json.dumps(value, sort_keys=True)
    assert same(json.loads(json.dumps(value)), value)


def test_the_order_of_the_names_makes_no_difference():
    assert same({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1})
    assert not same([1, 2], [2, 1])


def test_names_are_what_json_makes_of_them():
    value = {1: "a", 10: "b", 2: "c", None: "d", "x": "e"}
    assert same(value, json.loads(json.dumps(value)))


def test_depth_and_size_raise_nothing():
    deep: Any = 1
    for _ in range(20_000):
        deep = [{"a": deep}]
    assert canonical(deep).count("[") == 20_000
    assert not same(10**20_000, 10**20_000 + 1)
    assert same(10**20_000, 10**20_000)


def test_what_json_has_no_form_for_is_its_text():
    assert same({"a": decimal.Decimal("1.0")}, {"a": "1.0"})
    assert canonical([float("nan"), float("-inf"), "\ud800", (1,)])


_NEARLY: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, 1, 0.0, 1.0, True, False, "", "0", [], {}]
)
_OBJECTS = st.dictionaries(st.sampled_from("ab"), _NEARLY)


@given(_OBJECTS, _OBJECTS)
def test_objects_of_plain_values_are_the_same_where_their_json_is(one, other):
    assert same(one, other) is (canonical(one) == canonical(other))
