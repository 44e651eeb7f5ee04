"""Names and values: what is shown and not touched comes back as it was."""

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.http import QueryDict

from conversion_sync.admin.forms.key_values import (
    KeyValue,
    KeyValueField,
    KeyValueWidget,
    as_text,
    parse,
)

VALUES: list[Any] = [
    *("", "text", "Bùi", "two words", " padded ", "two\nlines", "a\r\nb", "tab\there"),
    *(
        "42",
        "042",
        "1.10",
        "1e5",
        "-0",
        "true",
        "null",
        "True",
        "[draft]",
        "{x",
        '"quoted"',
        '"a" b',
    ),
    *("NaN", "Infinity", "-", "\x7f", "<b>&amp;</b>", "\u202egnp"),
    *(0, 42, -1, 1.5, 1.0, 1e22, 2**70, True, False, None),
    *([], {}, [1, "1", None], {"a": {"b": [True]}}, ["ü"]),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_that_is_shown_and_read_again_is_the_same(value):
    again = parse(as_text(value))
    assert (json.dumps(again), type(again)) == (json.dumps(value), type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        (" 42 ", 42),
        ("-1.5", -1.5),
        ("true", True),
        ("null", None),
        ('"42"', "42"),
        ("[1, 2]", [1, 2]),
        ('{"a":1}', {"a": 1}),
        ("042", "042"),
        ("1.10", "1.10"),
        ("1e5", "1e5"),
        ("True", "True"),
        ("+49 30 1", "+49 30 1"),
        ("NaN", "NaN"),
        ('"Ace" Ventura', '"Ace" Ventura'),
    ],
)
def test_what_a_person_types_means(text, value):
    assert parse(text) == value
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize("text", ["[draft]", "{a: 1}", "[NaN]", '["\\ud800"]', "[" * 100_000])
def test_what_begins_like_a_list_or_an_object_has_to_be_one(text):
    with pytest.raises(ValidationError, match="not a valid list or object"):
        parse(text)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([KeyValue("", "lonely")], "“lonely” needs a name"),
        ([KeyValue("a", "1"), KeyValue(" a ", "2")], "“a” is there twice"),
        ([KeyValue("a", "[")], "not a valid list"),
        ("[1, 2]", "Enter names and values"),
        ("12", "Enter names and values"),
        ("no json", "This is no JSON"),
    ],
)
def test_wrong_input_is_an_error(rows, message):
    with pytest.raises(ValidationError, match=message):
        KeyValueField().clean(rows)


def test_blank_and_removed_rows_are_none():
    rows = [KeyValue("a", "1"), KeyValue(), KeyValue("b", "2", remove=True), KeyValue("c", "")]
    assert KeyValueField(required=False).clean(rows) == {"a": 1, "c": ""}


def test_rows_are_read_in_the_order_of_their_numbers():
    data = QueryDict("v-10-name=b&v-10-value=2&v-2-name=a&v-2-value=1&v-x-name=no&vv-1-name=no")
    assert KeyValueWidget().value_from_datadict(data, {}, "v") == [
        KeyValue("a", "1"),
        KeyValue("b", "2"),
    ]


@pytest.mark.parametrize(("before", "text"), [(1, "1.0"), (True, "1"), ("1", "1"), (None, '""')])
def test_a_change_of_the_type_alone_is_a_change(before, text):
    assert KeyValueField().has_changed({"a": before}, [KeyValue("a", text)])


def test_what_was_not_touched_has_not_changed():
    variables = {f"v{number}": value for number, value in enumerate(VALUES)}
    rows = [KeyValue(name, as_text(value)) for name, value in reversed(variables.items())]
    assert not KeyValueField().has_changed(json.dumps(variables), rows)
    assert not KeyValueField().has_changed(variables, rows)


@pytest.mark.parametrize("name", [" padded", '"quoted"', "tab\t", "ünï", "a.b[0]"])
def test_an_odd_name_comes_back_as_it_was(name):
    html = KeyValueWidget().render("v", {name: 1}, {"id": "id_v"})
    assert 'placeholder="Name"' in html
    context = KeyValueWidget().get_context("v", {name: 1}, {})
    assert KeyValueField().clean(context["widget"]["rows"]) == {name: 1}
