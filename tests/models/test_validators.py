"""What people may enter, and what they are told when they err."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion_sync.api.keys import normal_email
from conversion_sync.models.validators import (
    validate_address,
    validate_domain,
    validate_json_object,
    validate_json_values,
)


def is_taken(validate, value):
    try:
        validate(value)
    except ValidationError:
        return False
    return True


@settings(max_examples=1000, deadline=None)
@given(
    local=st.text('aZ9_+-."', min_size=1, max_size=6) | st.text("a.", min_size=60, max_size=70),
    domain=st.text("aZ9-._ß\u017f\n", max_size=9) | st.text("a-", min_size=60, max_size=66),
    end=st.sampled_from(["", ".io", ".IO", ".x", ".x1", ".io\n", ".io.", ".9", "." + "x" * 64]),
)
def test_an_address_is_taken_where_django_takes_what_is_sent(local, domain, end):
    address = f"{local}@{domain}{end}"
    assert is_taken(validate_address, address) == is_taken(validate_email, normal_email(address))


@pytest.mark.parametrize("length", [254, 255])
def test_an_address_is_no_longer_than_mail_allows(length):
    address = f"a@{'b.' * 124}".ljust(length, "x")
    assert is_taken(validate_address, address) == (length == 254)


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
