"""A request is data: it can be looked at, and its body is fixed when it is made."""

import json

import pytest

from conversion_sync.api import ContactRecord, v1


def test_a_request_says_what_will_be_sent():
    request = v1.upsert_contacts([ContactRecord("A@x.example", {"title": "T"})])

    assert (request.method, request.path) == ("POST", "/contacts/batch")
    assert (request.endpoint, request.rows) == ("POST /contacts/batch", 1)
    assert request.body == {"contacts": [{"email": "A@x.example", "variables": {"title": "T"}}]}
    assert json.loads(request.content or b"") == request.body
    assert list(request.keys) == ["A@x.example"]


def test_a_request_for_one_record_has_no_body():
    request = v1.get_contact("a@x.example")

    assert (request.body, request.content, request.rows) == (None, None, 1)
    assert request.endpoint == "GET /contacts/by-email"


def test_its_repr_shows_no_key_of_a_record():
    assert "ann" not in repr(v1.get_contact("ann@x.example"))
    assert "ann" not in repr(v1.upsert_contacts([ContactRecord("ann@x.example")]))


def test_a_later_change_of_the_body_is_not_sent():
    value = ["a"]
    request = v1.upsert_contacts([ContactRecord("a@x.example", {"x": value})])
    value.append("b")

    assert b"b" not in (request.content or b"").rpartition(b"variables")[2]


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_is_not_json_makes_no_request(value):
    with pytest.raises((ValueError, TypeError)):
        v1.upsert_contacts([ContactRecord("a@x.example", {"x": value})])
