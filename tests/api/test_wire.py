import json
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion_sync.api import wire
from conversion_sync.api.errors import (
    ApiError,
    Duplicate,
    ItemError,
    NoAnswer,
    NotFound,
    RateLimited,
    Refused,
    ServerError,
    Unauthorized,
    ValidationFailed,
)


def read(status, answer, headers=None):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return wire.read_envelope(status, headers or {}, body, "GET /x")


# Keys


@given(st.text())
def test_normal_forms_are_stable(text):
    for normal in (wire.normal_email, wire.normal_id):
        once = normal(text)
        assert normal(once) == once
        assert unicodedata.is_normalized("NFC", once)


def test_normal_email_is_stripped_composed_and_lower():
    assert wire.normal_email("  JOSE\u0301@X.example\n") == "jos\u00e9@x.example"


def test_normal_id_keeps_case():
    assert wire.normal_id(" Acme-A\u030a ") == "Acme-\u00c5"


@pytest.mark.parametrize(
    ("key", "segment"),
    [
        ("a/b+c%@x.example", "a%2Fb%2Bc%25%40x.example"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "%2E%2E%2E"),
        ("é?#", "%C3%A9%3F%23"),
    ],
)
def test_keys_are_escaped_in_paths(key, segment):
    assert wire.contact_path(key) == f"/contacts/by-email/{segment}"
    assert wire.company_path(key) == f"/companies/by-external-id/{segment}"


@pytest.mark.parametrize("key", ["", "  "])
def test_a_blank_key_never_becomes_the_path_of_the_collection(key):
    with pytest.raises(ValueError, match="blank"):
        wire.contact_path(key)


# Requests


def test_items_leave_out_what_is_absent():
    assert wire.contact_item("a@x.example") == {"email": "a@x.example"}
    assert wire.company_item("1") == {"id": "1"}
    assert "data" not in wire.engagement_body("a@x.example", "n", "d")


def test_items_carry_what_is_given():
    assert wire.contact_item("a@x.example", {"title": None}, {"id": 7}) == {
        "email": "a@x.example",
        "variables": {"title": None},
        "externalContact": {"id": 7},
    }
    assert wire.company_item("1", "x.example", {"size": "1-10"}) == {
        "id": "1",
        "baseDomain": "x.example",
        "variables": {"size": "1-10"},
    }
    assert wire.subscription_item("a@x.example", "PENDING") == {
        "email": "a@x.example",
        "subscriptionStatus": "PENDING",
    }
    assert wire.engagement_body("a@x.example", "n", "d", {"tags": []}) == {
        "contactEmail": "a@x.example",
        "type": "ACTIVITY",
        "name": "n",
        "description": "d",
        "data": {"tags": []},
    }


# Envelopes


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
        (404, {"code": "NOT_FOUND"}, NotFound, "NOT_FOUND", "The API answered HTTP 404."),
        (404, {"message": "m"}, NotFound, "NOT_FOUND", "m"),
        (500, {"message": "m"}, ServerError, "INTERNAL_ERROR", "m"),
        (422, {"error": "bad input"}, ValidationFailed, "VALIDATION_ERROR", "bad input"),
        (404, {"error": "NOT_FOUND", "message": "m"}, NotFound, "NOT_FOUND", "m"),
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
        (418, {"message": "m"}, Refused, "HTTP_418", "m"),
        (
            400,
            {"success": False, "error": {"code": 7, "message": ["m"]}},
            ValidationFailed,
            "VALIDATION_ERROR",
            "The API answered HTTP 400.",
        ),
        (401, b"<html>", Unauthorized, "UNAUTHORIZED", "The API answered HTTP 401."),
        (403, b"", Refused, "FORBIDDEN", "The API answered HTTP 403."),
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
        (404, b"<!doctype html><h1>Not found</h1>"),
        (404, {}),
        (404, []),
        (404, {"detail": "no such route"}),
        (500, b"<html>"),
        (503, b"upstream connect error"),
        (200, b""),
        (204, b""),
        (200, b"{"),
        (200, b"\xff\xfe\xfa"),
        (200, b"[" * 100_000),
        (200, {"data": []}),
        (200, {"message": "fine"}),
        (200, {"success": "yes"}),
        (200, {"error": None}),
        (500, {"success": True}),
        (400, {"error": {}}),
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
        read(400, {"message": " a\n b\r\n"})

    assert caught.value.message == "a b"


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
    assert wire.parse_retry_after(value, NOW) == seconds


@given(st.text())
def test_retry_after_never_raises(value):
    seconds = wire.parse_retry_after(value)
    assert seconds is None or seconds >= 0


def test_retry_after_reaches_the_error():
    with pytest.raises(RateLimited) as caught:
        read(429, b"", {"Retry-After": "7"})

    assert caught.value.retry_after == 7


# Items of a refusal

KEYS = ["a@x.example", "B@x.example", "c@x.example"]


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

    found = wire.match_item_errors(caught.value.items, KEYS, wire.normal_email)
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
    except (ApiError, NoAnswer):
        return
    result = wire.parse_batch(
        envelope, KEYS, key_name="email", id_names=("contactId",), normal=wire.normal_email
    )
    assert set(result.items) <= set(KEYS)


@given(JSON)
def test_no_data_whatever_breaks_the_parsers(data):
    envelope = {"success": True, "data": data}
    result = wire.parse_batch(
        envelope, KEYS, key_name="email", id_names=("contactId",), normal=wire.normal_email
    )
    assert set(result.items) <= set(KEYS)
    wire.parse_engagement(envelope)
    for parse in (wire.parse_contact, wire.parse_company):
        try:
            parse(envelope, "a@x.example")
        except NoAnswer:
            continue


# Batches


def batch(data, keys=KEYS):
    return wire.parse_batch(
        {"success": True, "data": data},
        keys,
        key_name="email",
        id_names=("contactId",),
        normal=wire.normal_email,
    ).items


def test_items_are_matched_by_normal_key_and_keyed_as_the_caller_wrote():
    items = batch(
        [
            {"email": "C@X.example ", "contactId": 3, "operation": "updated"},
            {"email": "b@x.example", "contactId": "2", "operation": "created"},
        ]
    )

    assert items == {
        "c@x.example": wire.ItemResult("c@x.example", "3", "updated", None),
        "B@x.example": wire.ItemResult("B@x.example", "2", "created", None),
    }


def test_strangers_and_junk_are_ignored():
    assert batch([None, 7, [], {}, {"email": 3}, {"email": "z@x.example"}]) == {}


@pytest.mark.parametrize("data", [None, {}, "text", 7, True])
def test_data_of_another_type_answers_no_item(data):
    assert batch(data) == {}


@pytest.mark.parametrize("bad_first", [True, False])
def test_an_error_in_any_repeat_wins(bad_first):
    good = {"email": "a@x.example", "contactId": "1"}
    bad = {"email": "a@x.example", "success": False, "error": {"code": "c", "message": "m"}}
    items = batch([bad, good] if bad_first else [good, bad])

    assert items["a@x.example"].error == ItemError(0, "a@x.example", "c", "m")


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        ({"success": False}, "ITEM_ERROR", "The API refused this item."),
        ({"error": "m"}, "ITEM_ERROR", "m"),
        ({"success": None, "code": "X", "message": "m"}, "X", "m"),
    ],
)
def test_an_item_without_success_is_an_error(entry, code, message):
    items = batch([{"email": "a@x.example", **entry}])

    assert items["a@x.example"].error == ItemError(0, "a@x.example", code, message)


def test_an_unknown_operation_and_a_missing_id_are_no_errors():
    items = batch([{"email": "a@x.example", "operation": "merged"}])

    assert items["a@x.example"] == wire.ItemResult("a@x.example", None, None, None)


# Records


def test_contact_with_everything():
    contact = wire.parse_contact(
        {
            "data": {
                "id": 5,
                "businessId": "b",
                "email": "A@x.example",
                "variables": {"title": "T"},
                "subscriptionStatus": "subscribed",
                "createdAt": "2026-11-24T12:00:00.000Z",
                "externalContact": {"id": 7},
            }
        },
        "a@x.example",
    )

    assert contact == wire.RemoteContact(
        "5", "A@x.example", {"title": "T"}, "SUBSCRIBED", NOW, {"id": 7}
    )


@pytest.mark.parametrize("created", [None, 7, "yesterday"])
def test_contact_with_nothing(created):
    contact = wire.parse_contact(
        {"data": {"createdAt": created, "variables": [], "subscriptionStatus": 1}}, "a@x.example"
    )

    assert contact == wire.RemoteContact(None, "a@x.example", {}, None, None, None)


def test_a_time_without_a_zone_is_utc():
    contact = wire.parse_contact({"data": {"createdAt": "2026-11-24T12:00:00"}}, "a@x.example")

    assert contact.created_at == NOW


def test_a_time_with_a_zone_keeps_it():
    contact = wire.parse_contact(
        {"data": {"createdAt": "2026-11-24T14:00:00+02:00"}}, "a@b.example"
    )

    assert contact.created_at == NOW.astimezone(timezone(timedelta(hours=2)))


@pytest.mark.parametrize("data", [None, [], "text", {"email": "other@x.example"}])
def test_another_contact_or_none_is_no_answer(data):
    with pytest.raises(NoAnswer):
        wire.parse_contact({"data": data}, "a@x.example")


@pytest.mark.parametrize(
    ("data", "remote_id"),
    [
        ({"id": "Acme", "companyId": "uuid"}, "uuid"),
        ({"id": "uuid", "externalId": "Acme"}, "uuid"),
        ({"id": "uuid"}, "uuid"),
        ({"id": "Acme"}, None),
        ({}, None),
    ],
)
def test_company_tells_our_id_from_theirs(data, remote_id):
    company = wire.parse_company({"data": {**data, "baseDomain": "x.example"}}, "Acme")

    assert company == wire.RemoteCompany("Acme", remote_id, "x.example", {})


def test_another_company_is_no_answer():
    with pytest.raises(NoAnswer):
        wire.parse_company({"data": {"externalId": "Other"}}, "Acme")


@pytest.mark.parametrize(
    ("data", "remote_id"),
    [({"id": "1"}, "1"), ({"engagementId": 2}, "2"), ({}, None), (None, None), ([], None)],
)
def test_engagement_needs_no_id(data, remote_id):
    assert wire.parse_engagement({"success": True, "data": data}).remote_id == remote_id
