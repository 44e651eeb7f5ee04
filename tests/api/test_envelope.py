"""Which failure an answer says, and whether the API said it or something before it."""

import inspect
import json
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.api import envelope, v1
from conversion_sync.api.batch import parse_batch
from conversion_sync.api.errors import (
    ApiError,
    ContentRefused,
    Duplicate,
    ForeignAnswer,
    ItemError,
    NoAnswer,
    NotFound,
    RateLimited,
    Refused,
    ServerError,
    Unauthorized,
    Unavailable,
    ValidationFailed,
)
from conversion_sync.api.item_errors import match_item_errors
from conversion_sync.api.keys import normal_email
from conversion_sync.api.retry_after import parse_retry_after

KEYS = ["a@x.example", "B@x.example", "c@x.example"]

KONG = {"message": "no Route matched with those values"}
NEST = {"message": "Cannot DELETE /x", "error": "Not Found", "statusCode": 404}
FASTIFY = {"message": "Route DELETE:/x not found", "error": "Not Found", "statusCode": 404}
AWS = {"message": "Not Found"}
EXPRESS = b"<!DOCTYPE html><pre>Cannot DELETE /x</pre>"
NGINX = b"<html><center><h1>404 Not Found</h1></center><hr>nginx</html>"
VERCEL = {"error": {"code": "NOT_FOUND", "message": "The page could not be found"}}
CLOUDFLARE = {"success": False, "errors": [{"code": 7003, "message": "No route for that URI"}]}
EXPRESS_JSON = {"success": False, "message": "Route not found"}
GOOGLE = {"error": {"code": 404, "message": "Not found.", "status": "NOT_FOUND"}}
STRAPI = {"data": None, "error": {"status": 404, "name": "NotFoundError", "message": "Not Found"}}
GO = b"404 page not found\n"

ROUTERS = [
    KONG, NEST, FASTIFY, AWS, EXPRESS, NGINX, VERCEL, CLOUDFLARE, EXPRESS_JSON, GOOGLE, STRAPI, GO,
    {"code": "NOT_FOUND"}, {"error": "NOT_FOUND", "message": "m"}, {"detail": "no"}, {}, [], b"",
]  # fmt: skip


def read(status, answer, headers=None):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return envelope.read_envelope(status, headers or {}, body, "GET /x")


def test_success_returns_the_envelope():
    assert read(200, {"success": True, "data": [1]}) == {"success": True, "data": [1]}


@pytest.mark.parametrize(
    ("status", "answer", "error_class", "code", "message"),
    [
        (
            400,
            {"success": False, "error": {"code": "VALIDATION_ERROR", "message": "m"}},
            ValidationFailed,
            "VALIDATION_ERROR",
            "m",
        ),
        (
            200,
            {"success": False, "error": {"code": "NOT_FOUND", "message": "m"}},
            NotFound,
            "NOT_FOUND",
            "m",
        ),
        (
            409,
            {"success": False, "code": "DUPLICATE_ERROR", "message": "m"},
            Duplicate,
            "DUPLICATE_ERROR",
            "m",
        ),
        (500, {"message": "m"}, ServerError, "INTERNAL_ERROR", "m"),
        (
            200,
            {"error": {"code": "internal_error", "message": "m"}},
            ServerError,
            "INTERNAL_ERROR",
            "m",
        ),
        (
            402,
            {"success": False, "error": {"code": "PLAN_LIMIT", "message": "m"}},
            Refused,
            "PLAN_LIMIT",
            "m",
        ),
        (200, {"success": False}, Refused, "HTTP_200", "The API answered HTTP 200."),
        (
            400,
            {"success": False, "error": {"code": 7, "message": ["m"]}},
            ValidationFailed,
            "VALIDATION_ERROR",
            "The API answered HTTP 400.",
        ),
        (403, {"success": False}, Refused, "FORBIDDEN", "The API answered HTTP 403."),
        (
            400,
            {"code": "VALIDATION_ERROR"},
            ValidationFailed,
            "VALIDATION_ERROR",
            "The API answered HTTP 400.",
        ),
        (
            413,
            {"success": False, "error": {"code": "VALIDATION_ERROR", "message": "m"}},
            ValidationFailed,
            "VALIDATION_ERROR",
            "m",
        ),
        (
            404,
            {"success": False, "code": "CONTACT_GONE", "message": "m"},
            Refused,
            "CONTACT_GONE",
            "m",
        ),
        (
            500,
            {"success": False, "code": "NOT_FOUND", "message": "m"},
            ServerError,
            "INTERNAL_ERROR",
            "m",
        ),
        (500, {"success": False, "code": "DB_DOWN", "message": "m"}, ServerError, "DB_DOWN", "m"),
        (
            500,
            {"success": False, "code": "VALIDATION_ERROR", "message": "m"},
            ValidationFailed,
            "VALIDATION_ERROR",
            "m",
        ),
        (500, {"code": "NOT_FOUND", "message": "m"}, ServerError, "INTERNAL_ERROR", "m"),
        (401, b"<html>", Unauthorized, "UNAUTHORIZED", "The API answered HTTP 401."),
        (429, b"slow down", RateLimited, "RATE_LIMIT_EXCEEDED", "The API answered HTTP 429."),
        (
            429,
            {"success": False, "code": "PLAN_LIMIT"},
            RateLimited,
            "RATE_LIMIT_EXCEEDED",
            "The API answered HTTP 429.",
        ),
        (504, {"success": False, "error": "x"}, ServerError, "INTERNAL_ERROR", "x"),
        (
            502,
            {"error": {"code": "INTERNAL_ERROR"}},
            ServerError,
            "INTERNAL_ERROR",
            "The API answered HTTP 502.",
        ),
    ],
)
def test_failures_in_every_accepted_envelope(status, answer, error_class, code, message):
    with pytest.raises(ApiError) as caught:
        read(status, answer)

    error = caught.value
    assert type(error) is error_class
    assert (error.code, error.message) == (code, message)
    assert (error.status, error.endpoint) == (status, "GET /x")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, b"<html>"),
        (503, b"upstream connect error"),
        (200, b""),
        (204, b""),
        (200, b"{"),
        (200, b"\xff\xfe\xfa"),
        (200, b"[" * 100_000),
        (200, '{"success": true}'.encode("utf-16")),
        (200, {"error": "no"}),
        (200, {"message": "no", "code": "SOME_CODE"}),
        (503, b'{"message": "busy"}'[:-1]),
        (200, {"data": []}),
        (200, {"message": "fine"}),
        (200, {"success": "yes"}),
        (200, {"error": None}),
        (500, {"success": True}),
        # A gateway's words: the API behind it may have done the work.
        (502, {"message": "Internal server error"}),
        (504, {"message": "Endpoint request timed out"}),
        (504, {"error": "timeout"}),
    ],
)
def test_anything_else_is_no_answer_and_keeps_the_status(status, answer):
    with pytest.raises(NoAnswer) as caught:
        read(status, answer)

    assert caught.value.status == status
    assert caught.value.message


def test_a_message_is_put_on_one_line():
    with pytest.raises(ApiError) as caught:
        read(400, {"success": False, "message": " a\n b\r\n"})

    assert caught.value.message == "a b"


# What something between us and the API says


@pytest.mark.parametrize("answer", ROUTERS, ids=repr)
def test_a_router_says_nothing_of_a_record(answer):
    with pytest.raises(ForeignAnswer) as caught:
        read(404, answer)

    assert (caught.value.code, caught.value.status) == ("FOREIGN_ANSWER", 404)
    assert caught.value.message


@pytest.mark.parametrize("answer", ROUTERS[:-6], ids=repr)
@pytest.mark.parametrize("status", [413, 414, 431])
def test_a_call_that_is_too_large_is_so_whoever_says_it(status, answer):
    with pytest.raises(ContentRefused) as caught:
        read(status, answer)

    assert (caught.value.code, caught.value.status) == ("CONTENT_REFUSED", status)
    assert caught.value.message.startswith(f"HTTP {status}: ")


@pytest.mark.parametrize("answer", [b"<html>blocked</html>", b"", KONG, {"error": "bad"}, {}, []])
@pytest.mark.parametrize("status", [400, 403, 405, 422])
def test_a_content_that_is_refused_outside_of_the_envelope(status, answer):
    with pytest.raises(ContentRefused) as caught:
        read(status, answer)

    assert (caught.value.code, caught.value.status) == ("CONTENT_REFUSED", status)
    assert caught.value.message.startswith(f"HTTP {status}: ")


@pytest.mark.parametrize("status", [402, 406, 408, 409, 418, 451])
def test_any_other_4xx_outside_of_the_envelope(status):
    with pytest.raises(ForeignAnswer):
        read(status, {"message": "m"})


def test_what_a_gateway_says_is_kept_as_the_message():
    with pytest.raises(ForeignAnswer, match="no Route matched"):
        read(404, KONG)


@pytest.mark.parametrize("answer", [b"<html>", b"", {"success": False, "code": "INTERNAL_ERROR"}])
@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120), ("0", 0), ("soon", None), ("", None), (None, None)]
)
def test_503_says_when_to_come_back_or_is_like_any_5xx(answer, value, seconds):
    with pytest.raises((ApiError, NoAnswer)) as caught:
        read(503, answer, {} if value is None else {"Retry-After": value})

    if seconds is None:
        assert type(caught.value) in (NoAnswer, ServerError)
    else:
        assert isinstance(caught.value, Unavailable)
        assert (caught.value.code, caught.value.retry_after) == ("UNAVAILABLE", seconds)


# What nobody can use


def nested(levels):
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("levels", [64, 200, 900, 990, 100_000])
def test_an_answer_that_is_nested_too_deep_is_no_answer(levels):
    for name in (b"data", b"error", b"message"):
        body = b'{"success": true, "%s": %s}' % (name, nested(levels))
        with pytest.raises(NoAnswer, match="too deep"):
            read(200, body)
        with pytest.raises((ServerError, NoAnswer)):
            read(500, body.replace(b"true", b"false"))


def test_an_answer_of_the_deepest_level_is_read_where_little_of_the_stack_is_left():
    body = b'{"success": true, "data": %s}' % nested(63)

    def below(frames):
        return read(200, body) if not frames else below(frames - 1)

    depth = len(inspect.stack())
    assert below(sys.getrecursionlimit() - depth - 300)["success"] is True


def test_half_a_character_becomes_one_that_can_be_encoded():
    found = read(200, b'{"success": true, "\\ud800x": ["\\udfff", "\\ud83d\\ude00"]}')
    assert found == {"success": True, "?x": ["?", "\U0001f600"]}


# How long to wait


NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        (" 0 ", 0),
        ("1.5", 1.5),
        ("99999999999", 99999999999),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30),
        ("Tue, 24 Nov 2026 12:00:30 -0000", 30),
        ("Tue, 24 Nov 2026 11:59:30 GMT", None),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("\u0663", None),
        (None, None),
        ("Tue, 99 Nov 2026 99:00:30 GMT", None),
    ],
)
def test_retry_after_forms(value, seconds):
    assert parse_retry_after(value, NOW) == seconds


@given(st.text())
def test_retry_after_never_raises(value):
    seconds = parse_retry_after(value)
    assert seconds is None or seconds >= 0


def test_retry_after_reaches_the_error():
    with pytest.raises(RateLimited) as caught:
        read(429, b"", {"Retry-After": "7"})

    assert caught.value.retry_after == 7


# Items of a refusal


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ([{"index": 1, "message": "m", "code": "c"}], [ItemError(1, "B@x.example", "c", "m")]),
        (
            [{"email": "b@X.example", "error": {"code": "c", "message": "m"}}],
            [ItemError(1, "B@x.example", "c", "m")],
        ),
        (
            [{"email": "c@x.example", "index": 3, "message": "m"}],
            [ItemError(2, "c@x.example", "", "m")],
        ),
        (
            [{"path": ["contacts", 2, "email"], "message": "m"}],
            [ItemError(2, "c@x.example", "", "m")],
        ),
        ([{"path": "contacts[0].email", "error": "m"}], [ItemError(0, "a@x.example", "", "m")]),
        ([{"field": "contacts.2.email", "message": "m"}], [ItemError(2, "c@x.example", "", "m")]),
        (
            ["contacts[1].email is not valid"],
            [ItemError(1, "B@x.example", "", "contacts[1].email is not valid")],
        ),
        ({"items": [{"index": 0}]}, [ItemError(0, "a@x.example", "", "")]),
        ({"2": "m"}, [ItemError(2, "c@x.example", "", "m")]),
        (
            {"contacts[1].email": ["m"], "contacts[2].email": "m"},
            [ItemError(1, "B@x.example", "", ""), ItemError(2, "c@x.example", "", "m")],
        ),
        ({"a@x.example": {"message": "m"}}, [ItemError(0, "a@x.example", "", "m")]),
        (
            [
                {"index": 99},
                {"index": -1},
                {"index": True},
                {"email": "z@x.example"},
                {},
                7,
                None,
                {"path": 4},
                {"path": ["contacts", True]},
                "plain",
            ],
            [],
        ),
        ("text", []),
        (None, []),
        (7, []),
    ],
)
def test_details_name_the_items_of_the_batch(details, expected):
    with pytest.raises(ValidationFailed) as caught:
        read(400, {"success": False, "error": {"code": "VALIDATION_ERROR", "details": details}})

    found = match_item_errors(caught.value.items, KEYS, normal_email)
    assert found == expected
    assert caught.value.details == details


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text()
            | st.sampled_from(
                [
                    "success",
                    "error",
                    "code",
                    "message",
                    "details",
                    "data",
                    "email",
                    "id",
                    "index",
                    "path",
                    "operation",
                ]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from([200, 204, 400, 401, 403, 404, 429, 500, 502]), JSON | st.binary())
def test_no_answer_whatever_breaks_the_reader(status, answer):
    try:
        envelope = read(status, answer)
    except (ApiError, ContentRefused, ForeignAnswer, NoAnswer):
        return
    result = parse_batch(
        envelope, KEYS, key_name="email", id_names=("contactId",), normal=normal_email
    )
    assert set(result.items) <= set(KEYS)


@given(JSON)
def test_no_data_whatever_breaks_the_parsers(data):
    envelope = {"success": True, "data": data}
    result = parse_batch(
        envelope, KEYS, key_name="email", id_names=("contactId",), normal=normal_email
    )
    assert set(result.items) <= set(KEYS)
    v1.parse_engagement(envelope)
    for parse in (v1.parse_contact, v1.parse_company):
        try:
            parse(envelope, "a@x.example")
        except NoAnswer:
            continue
