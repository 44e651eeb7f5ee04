"""Each call, against mocked answers and against the sandbox over HTTP."""

import json
import re
import time
from dataclasses import replace

import pytest
import requests
import responses
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, ProtocolError

from conversion_sync.api import (
    Bug,
    Client,
    CompanyRecord,
    ContactRecord,
    ConversionError,
    EngagementRecord,
    ForeignAnswer,
    NoAnswer,
    NotFound,
    NotSent,
    RateLimited,
    Refused,
    ServerError,
    StatusChange,
    Unauthorized,
    ValidationFailed,
    Withheld,
    v1,
)
from conversion_sync.sandbox import Sandbox

KEY = "sk_live_very_secret"
BASE = "https://api.example/api/v1"
ODD = "a/b+c%@x.example"


@pytest.fixture
def mocked():
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def box():
    with Sandbox(keys=[KEY]) as box:
        yield box


@pytest.fixture
def calls():
    return []


@pytest.fixture
def client(calls):
    return Client(KEY, BASE, on_call=calls.append)


@pytest.fixture
def local(box, calls):
    client = Client(KEY, box.base_url, deadline=5, on_call=calls.append)
    yield client
    client.close()


# Mocked: the exact requests


CASES = [
    (
        "upsert_contacts",
        [ContactRecord("A@x.example")],
        "POST",
        "/contacts/batch",
        {"contacts": [{"email": "A@x.example"}]},
        {"data": [{"email": "a@x.example", "contactId": "1", "operation": "created"}]},
    ),
    (
        "set_subscriptions",
        [StatusChange("A@x.example", "SUBSCRIBED")],
        "POST",
        "/contacts/batch-subscription",
        {"contacts": [{"email": "A@x.example", "subscriptionStatus": "SUBSCRIBED"}]},
        {"data": [{"email": "a@x.example", "contactId": "1", "operation": "updated"}]},
    ),
    (
        "track_engagement",
        EngagementRecord("a@x.example", "n", "d"),
        "POST",
        "/contacts/engagements",
        {"contactEmail": "a@x.example", "type": "ACTIVITY", "name": "n", "description": "d"},
        {"data": {"id": "1"}},
    ),
    (
        "upsert_companies",
        [CompanyRecord("Acme")],
        "POST",
        "/companies/batch",
        {"companies": [{"id": "Acme"}]},
        {"data": [{"id": "Acme", "companyId": "1", "operation": "created"}]},
    ),
    (
        "get_contact",
        ODD,
        "GET",
        "/contacts/by-email/a%2Fb%2Bc%25%40x.example",
        None,
        {"data": {"id": "1", "email": ODD}},
    ),
    (
        "delete_contact",
        ODD,
        "DELETE",
        "/contacts/by-email/a%2Fb%2Bc%25%40x.example",
        None,
        {"message": "Contact deleted successfully"},
    ),
    ("get_company", "..", "GET", "/companies/by-external-id/%2E%2E", None, {"data": {"id": ".."}}),
    ("delete_company", "é", "DELETE", "/companies/by-external-id/%C3%A9", None, {}),
]


@pytest.mark.parametrize(("name", "argument", "method", "path", "body", "answer"), CASES)
def test_each_call_sends_exactly_this(
    mocked, client, calls, name, argument, method, path, body, answer
):
    mocked.add(method, re.compile(r".*"), json={"success": True, **answer})

    getattr(client, name)(argument)

    request = mocked.calls[0].request
    assert request.url == BASE + path
    assert request.method == method
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Accept"] == "application/json"
    assert (json.loads(request.body) if request.body else None) == body
    assert ("Content-Type" in request.headers) == (body is not None)
    assert [(call.status, call.rows, call.error_code) for call in calls] == [(200, 1, "")]


@pytest.mark.parametrize(
    ("name", "argument", "endpoint"),
    [
        (
            case[0],
            case[1],
            f"{case[2]} {case[3].rpartition('/')[0]}" if case[2] != "POST" else f"POST {case[3]}",
        )
        for case in CASES
    ],
)
def test_each_call_fails_with_its_endpoint_and_its_record(
    local, calls, box, name, argument, endpoint
):
    box.fail("500")

    with pytest.raises(ServerError) as caught:
        getattr(local, name)(argument)

    error = caught.value
    assert (error.code, error.status, error.endpoint) == ("INTERNAL_ERROR", 500, endpoint)
    [call] = calls
    assert (call.endpoint, call.error_code) == (endpoint, "INTERNAL_ERROR")
    assert call.error_message == error.message
    assert call.duration >= 0
    assert len(box.calls) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.ConnectTimeout(), NotSent),
        (requests.exceptions.SSLError("certificate verify failed"), NotSent),
        (requests.exceptions.ProxyError(), NotSent),
        (requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."), NotSent),
        (requests.ConnectionError(MaxRetryError(None, "/", ConnectTimeoutError())), NotSent),  # type: ignore[arg-type]
        (
            requests.ConnectionError(ProtocolError("Connection aborted.", OSError(104, "reset"))),
            NoAnswer,
        ),
        (requests.ReadTimeout(), NoAnswer),
        (requests.exceptions.ChunkedEncodingError(), NoAnswer),
        (OSError("odd"), NoAnswer),
    ],
)
def test_without_a_connection_of_ours_the_type_decides(mocked, client, error, expected):
    mocked.post(f"{BASE}/contacts/batch", body=error)

    with pytest.raises(ConversionError) as caught:
        client.upsert_contacts([ContactRecord("a@x.example")])

    assert type(caught.value) is expected


def test_a_mistake_of_the_code_is_not_hidden(mocked, client):
    mocked.post(f"{BASE}/contacts/batch", body=ZeroDivisionError())

    with pytest.raises(Bug) as caught:
        client.upsert_contacts([ContactRecord("a@x.example")])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_key_that_a_server_echoes_is_in_no_text(mocked, client, calls):
    mocked.get(
        f"{BASE}/contacts/by-email/a%40x.example",
        status=403,
        json={
            "success": False,
            "error": {
                "code": f"BAD_{KEY}",
                "message": f"Key {KEY} is wrong",
                "details": {"key": [KEY, 1], "items": [{"index": 0, "message": KEY}]},
            },
        },
    )

    with pytest.raises(Refused) as caught:
        client.get_contact("a@x.example")

    error = caught.value
    text = f"{error} {error!r} {error.code} {error.message} {error.details} {error.items} {calls}"
    assert KEY not in text
    assert KEY.upper() not in text.upper()
    assert "***" in error.message


def test_a_key_that_a_cut_would_halve_is_taken_out_first(mocked, client):
    message = "x" * 490 + KEY + "y" * 9999
    mocked.get(f"{BASE}/contacts/by-email/a%40x.example", status=500, json={"message": message})

    with pytest.raises(ServerError) as caught:
        client.get_contact("a@x.example")

    assert caught.value.message == "x" * 490 + "***yyyyyyy"


def test_the_key_is_in_no_item_error(mocked, client):
    entry = {"email": "a@x.example", "success": False, "error": {"code": KEY, "message": KEY}}
    mocked.post(f"{BASE}/contacts/batch", json={"success": True, "data": [entry]})

    error = client.upsert_contacts([ContactRecord("a@x.example")]).items["a@x.example"].error

    assert (error.key, error.code, error.message) == ("a@x.example", "***", "***")


def test_repr_hides_the_key(client):
    assert KEY not in repr(client)
    assert KEY not in repr(client._transport)
    assert "api.example" in repr(client)


def test_details_come_back_under_the_callers_keys(mocked, client):
    mocked.post(
        f"{BASE}/contacts/batch",
        status=400,
        json={
            "success": False,
            "error": {
                "code": "VALIDATION_ERROR",
                "details": [
                    {"email": "b@x.example", "message": "m"},
                    {"email": "stranger@x.example"},
                ],
            },
        },
    )

    with pytest.raises(ValidationFailed) as caught:
        client.upsert_contacts([ContactRecord("a@x.example"), ContactRecord("B@x.example")])

    assert [(item.index, item.key) for item in caught.value.items] == [(1, "B@x.example")]


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_is_not_json_raises_before_anything_is_sent(client, calls, value):
    with pytest.raises((ValueError, TypeError)):
        client.upsert_contacts([ContactRecord("a@x.example", {"x": value})])
    assert calls == []


def test_make_returns_what_came_and_its_record(local, calls):
    answer = local.make(v1.upsert_contacts([ContactRecord("A@x.example")]))

    assert answer.error is None
    assert answer.result.items["A@x.example"].operation == "created"
    assert (answer.record.endpoint, answer.record.rows) == ("POST /contacts/batch", 1)
    assert (answer.record.status, answer.record.error_code) == (200, "")
    assert calls == [answer.record]


def test_make_returns_an_error_and_its_record(local, calls):
    answer = local.make(v1.get_contact("nobody@x.example"))

    assert isinstance(answer.error, NotFound)
    assert (answer.result, answer.error.endpoint) == (None, "GET /contacts/by-email")
    assert (answer.record.status, answer.record.error_code) == (404, "NOT_FOUND")
    assert calls == [answer.record]


def test_make_returns_a_mistake_of_this_program_as_a_bug(local, box, caplog):
    def mistaken(envelope):
        raise RuntimeError(f"oops {KEY}")

    request = replace(v1.upsert_contacts([ContactRecord("a@x.example")]), read=mistaken)
    answer = local.make(request)

    assert isinstance(answer.error, Bug)
    assert isinstance(answer.error.__cause__, RuntimeError)
    assert answer.error.message == "RuntimeError('oops ***')"
    assert (answer.record.status, answer.record.error_code) == (200, "BUG")
    assert "oops" in caplog.text
    assert list(box.contacts) == ["a@x.example"]


def test_what_withholds_a_call_right_before_its_first_byte_keeps_it_here(local, box):
    def withhold():
        raise Withheld("Not now.")

    answer = local.make(v1.get_contact("a@x.example"), before_sending=withhold)

    assert isinstance(answer.error, Withheld)
    assert (answer.error.message, answer.record.error_code) == ("Not now.", "WITHHELD")
    assert box.calls == []


def test_the_wait_for_its_turn_is_none_of_the_time_of_a_call(box):
    client, order = Client(KEY, box.base_url, deadline=2), []

    def turn():
        order.append("turn")
        time.sleep(2.5)

    answer = client.make(
        v1.get_contact("a@x.example"),
        before_sending=lambda: order.append("sending"),
        turn=turn,
    )

    assert isinstance(answer.error, NotFound)
    assert answer.record is not None
    assert answer.record.duration < 2
    assert order == ["turn", "sending"]


def test_a_turn_that_never_comes_keeps_the_call_here(local, box):
    def turn():
        raise Withheld("Not now.")

    answer = local.make(v1.get_contact("a@x.example"), turn=turn)

    assert isinstance(answer.error, Withheld)
    assert box.calls == []


def test_what_is_called_before_the_first_byte_is_called_once(local, box):
    seen = []
    answer = local.make(
        v1.get_contact("a@x.example"), before_sending=lambda: seen.append(len(box.calls))
    )

    assert isinstance(answer.error, NotFound)
    assert seen == [0]


def test_a_hook_that_fails_does_not_lose_the_answer(local, box, caplog):
    def hook(call):
        raise RuntimeError("no")

    local.on_call = hook

    assert local.upsert_contacts([ContactRecord("a@x.example")]).items
    assert "on_call" in caplog.text


def test_a_client_needs_no_hook(box):
    client = Client(KEY, box.base_url)
    assert client.upsert_contacts([ContactRecord("a@x.example")]).items


# The sandbox: what they do


def test_contacts_are_created_updated_read_and_deleted(local, box):
    made = local.upsert_contacts(
        [ContactRecord("A@x.example", {"title": "T", "phone": "1"}, {"n": 1})]
    )
    again = local.upsert_contacts([ContactRecord("a@x.example", {"title": None})])

    assert made.items["A@x.example"].operation == "created"
    assert again.items["a@x.example"].operation == "updated"
    contact = local.get_contact("A@X.example")
    assert contact.id == made.items["A@x.example"].remote_id
    assert contact.variables == {"phone": "1"}
    assert contact.subscription_status == "PENDING"
    assert contact.external_contact == {"n": 1}
    assert contact.created_at is not None
    local.delete_contact("a@x.example")
    with pytest.raises(NotFound):
        local.get_contact("a@x.example")
    with pytest.raises(NotFound):
        local.delete_contact("a@x.example")


@pytest.mark.parametrize("key", [ODD, ".", "..", "é ü/../x", "a?b#c", "%2F", "名前"])
def test_odd_keys_work(local, box, key):
    local.upsert_companies([CompanyRecord(key, "x.example", {"size": "1-10"})])

    company = local.get_company(key)
    assert (company.id, company.base_domain) == (key, "x.example")
    assert company.remote_id == box.companies[key]["companyId"]
    local.delete_company(key)
    assert box.companies == {}


def test_odd_emails_work(local, box):
    local.upsert_contacts([ContactRecord(ODD)])

    assert local.get_contact(ODD).email == ODD
    local.delete_contact(ODD)
    assert box.contacts == {}


def test_subscriptions_are_set(local, box):
    local.upsert_contacts([ContactRecord("a@x.example")])

    result = local.set_subscriptions([StatusChange("A@x.example", "UNSUBSCRIBED")])

    assert result.items["A@x.example"].error is None
    assert box.contacts["a@x.example"]["subscriptionStatus"] == "UNSUBSCRIBED"


def test_engagements_are_tracked(local, box):
    local.upsert_contacts([ContactRecord("a@x.example")])

    result = local.track_engagement(
        EngagementRecord("a@x.example", "Call", "Hello", {"tags": ["a"]})
    )

    assert result.remote_id == box.engagements[0]["id"]
    assert box.engagements[0]["data"] == {"tags": ["a"]}


def test_a_wrong_key_is_unauthorized(box):
    with pytest.raises(Unauthorized):
        Client("other", box.base_url).get_contact("a@x.example")


def test_a_wrong_path_is_not_taken_for_not_found(box):
    with pytest.raises(ForeignAnswer) as caught:
        Client(KEY, box.url + "api/v9").get_contact("a@x.example")
    assert caught.value.status == 404


def test_a_rate_limit_says_when_to_come_back(box, local):
    box.app.limit.rate = 1
    local.upsert_contacts([ContactRecord("a@x.example")])

    with pytest.raises(RateLimited) as caught:
        local.get_contact("a@x.example")
    assert caught.value.retry_after == 1


@pytest.mark.parametrize("kind", ["reordered", "repeated", "strangers"])
def test_answers_are_matched_whatever_their_order(local, box, kind):
    keys = [f"{n}@x.example" for n in range(5)]
    box.fail(kind)

    result = local.upsert_contacts([ContactRecord(key) for key in keys])

    assert {key: item.remote_id for key, item in result.items.items()} == {
        key: box.contacts[key]["id"] for key in keys
    }


def test_an_item_that_is_not_answered_is_missing(local, box):
    box.fail("short_data")

    result = local.upsert_contacts([ContactRecord("a@x.example"), ContactRecord("b@x.example")])

    assert set(result.items) == {"a@x.example"}


def test_item_errors_are_reported(local, box):
    box.fail("item_errors", email="b@x.example", code="DUPLICATE_ERROR")

    result = local.upsert_contacts([ContactRecord("a@x.example"), ContactRecord("b@x.example")])

    assert result.items["a@x.example"].error is None
    assert result.items["b@x.example"].error.code == "DUPLICATE_ERROR"
    assert result.items["b@x.example"].error.index == 1
