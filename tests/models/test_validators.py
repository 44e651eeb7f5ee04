"""What people may enter, and what they are told when they err."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from conversion_sync.models.validators import (
    validate_domain,
    validate_json_object,
    validate_json_values,
)


@pytest.mark.parametrize(
    "domain",
    ["example.com", "a.b.example", "x-y.example", "münchen.example", "xn--mnchen-3ya.de", "1.de"],
)
def test_a_domain_is_taken(domain):
    validate_domain(domain)


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("https://example.com", "without “https://”"),
        ("example.com/about", "without “https://”"),
        ("example", "not a domain"),
        ("exa mple.com", "not a domain"),
        ("-a.example", "not a domain"),
        ("a..example", "not a domain"),
        ("a.example.", "not a domain"),
        ("a_.example", "not a domain"),
        ("10.0.0.1", "not a domain"),
        ("a.example\n", "not a domain"),
        ("x" * 64 + ".example", "not a domain"),
        ("x." * 127 + "example", "not a domain"),
    ],
)
def test_what_is_no_domain_is_refused_in_words(domain, said):
    with pytest.raises(ValidationError, match=said):
        validate_domain(domain)


@pytest.mark.parametrize("value", [{}, {"plan": "pro", "seats": 3, "tags": ["a"], "x": None}])
def test_an_object_is_taken(value):
    validate_json_object(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "names and values"),
        ("text", "names and values"),
        (None, "names and values"),
        ({"": 1}, "needs a name"),
        ({"  ": 1}, "needs a name"),
        ({3: 1}, "needs a name"),
        ({"x": float("nan")}, "as JSON"),
        ({"x": float("inf")}, "as JSON"),
        ({"x": {1, 2}}, "as JSON"),
        ({"x": "a\0b"}, "NUL"),
        ({"x": {"y\0": 1}}, "NUL"),
    ],
)
def test_what_is_no_object_of_json_is_refused_in_words(value, said):
    with pytest.raises(ValidationError, match=said):
        validate_json_object(value)


@pytest.mark.parametrize("value", [{"a": "\0"}, {"a\0": 1}, {"a": ["b\\\0"]}])
def test_a_nul_is_refused(value):
    with pytest.raises(ValidationError, match="NUL"):
        validate_json_values(value)


def test_half_a_character_is_refused_and_what_only_looks_like_a_nul_is_not():
    with pytest.raises(ValidationError, match="JSON"):
        validate_json_values({"a": "\ud800"})
    validate_json_values({"a": r"\u0000", "b": r"\\u0000"})
