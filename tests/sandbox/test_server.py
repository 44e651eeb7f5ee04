"""Over HTTP, with plain requests: what is answered, and what goes wrong on purpose."""

import json
import socket
import statistics
import threading
import time

import pytest
import requests

from conversion_sync.sandbox import Sandbox
from conversion_sync.sandbox.traffic import RateLimit
from tests.kit import PROMPT

CONTACTS = {"contacts": [{"email": "a@x.example"}, {"email": "B@x.example"}]}


@pytest.fixture
def box():
    with Sandbox() as box:
        yield box


@pytest.fixture
def session():
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = "Bearer key"
        yield session


@pytest.fixture
def call(box, session):
    def call(method, path, body=None, **options):
        return session.request(
            method, box.base_url + path, json=body, timeout=PROMPT, allow_redirects=False, **options
        )

    return call


def error(answer):
    envelope = answer.json()
    assert envelope["success"] is False
    return answer.status_code, envelope["error"]["code"]


# The endpoints


def test_contacts_are_upserted(call, box):
    answer = call("POST", "/contacts/batch", CONTACTS)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "data": [
            {"email": key, "contactId": record["id"], "operation": "created"}
            for key, record in box.contacts.items()
        ],
    }
    assert list(box.contacts) == ["a@x.example", "b@x.example"]


def test_every_endpoint_answers(call, box):
    assert call("POST", "/contacts/batch", CONTACTS).ok
    changes = {"contacts": [{"email": "a@x.example", "subscriptionStatus": "SUBSCRIBED"}]}
    assert call("POST", "/contacts/batch-subscription", changes).json()["data"][0] == {
        "email": "a@x.example",
        "contactId": box.contacts["a@x.example"]["id"],
        "subscriptionStatus": "SUBSCRIBED",
        "operation": "updated",
    }
    body = {"contactEmail": "A@x.example", "type": "ACTIVITY", "name": "n", "description": "d"}
    answer = call("POST", "/contacts/engagements", body)
    assert answer.json() == {"success": True, "data": {"id": box.engagements[0]["id"]}}
    assert call("POST", "/companies/batch", {"companies": [{"id": "a/b"}]}).ok
    contact = call("GET", "/contacts/by-email/A%40x.example").json()["data"]
    assert {"id", "businessId", "email", "variables", "subscriptionStatus", "createdAt"} <= set(
        contact
    )
    assert call("GET", "/companies/by-external-id/a%2Fb").json()["data"]["id"] == "a/b"
    assert call("DELETE", "/companies/by-external-id/a%2Fb").ok
    assert call("DELETE", "/contacts/by-email/a@x.example").json() == {
        "success": True,
        "message": "Contact deleted successfully",
    }
    assert [c.status for c in box.calls] == [200] * 8
    assert box.calls[0].rows == 2
    assert box.calls[0].keys == ["a@x.example", "B@x.example"]
    assert box.calls[0].body == CONTACTS
    assert "python-requests" in box.calls[0].client


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/contacts/by-email/z@x.example", None, 404, "NOT_FOUND"),
        ("DELETE", "/contacts/by-email/z@x.example", None, 404, "NOT_FOUND"),
        ("GET", "/companies/by-external-id/z", None, 404, "NOT_FOUND"),
        ("DELETE", "/companies/by-external-id/z", None, 404, "NOT_FOUND"),
        ("POST", "/contacts/batch", {"contacts": [{"email": "no"}]}, 400, "VALIDATION_ERROR"),
        ("POST", "/contacts/batch", {"contacts": 7}, 400, "VALIDATION_ERROR"),
        ("POST", "/contacts/batch", [], 400, "VALIDATION_ERROR"),
        ("POST", "/companies/batch", {"companies": [{}]}, 400, "VALIDATION_ERROR"),
        (
            "POST",
            "/contacts/batch-subscription",
            {"contacts": [{"email": "z@x.example", "subscriptionStatus": "X"}]},
            400,
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/contacts/batch-subscription",
            {"contacts": [{"email": "z@x.example", "subscriptionStatus": "PENDING"}]},
            404,
            "NOT_FOUND",
        ),
        ("POST", "/contacts/engagements", [], 400, "VALIDATION_ERROR"),
        ("POST", "/contacts/engagements", {"contactEmail": "z@x.example"}, 400, "VALIDATION_ERROR"),
        (
            "POST",
            "/contacts/engagements",
            {"contactEmail": "z@x.example", "type": "ACTIVITY", "name": "n", "description": "d"},
            404,
            "NOT_FOUND",
        ),
    ],
)
def test_refusals_come_in_the_envelope(call, method, path, body, status, code):
    assert error(call(method, path, body)) == (status, code)


def test_a_refused_batch_is_refused_whole_and_names_its_bad_items(call, box):
    body = {"contacts": [{"email": "a@x.example"}, {"email": "no"}, 7]}
    answer = call("POST", "/contacts/batch", body)
    details = answer.json()["error"]["details"]
    assert [(entry["index"], entry["email"]) for entry in details] == [(1, "no"), (2, None)]
    assert box.contacts == {}


def test_details_can_be_left_out(session):
    with Sandbox(details=False) as box:
        answer = session.post(
            box.base_url + "/contacts/batch", json={"contacts": [{}]}, timeout=PROMPT
        )
        assert "details" not in answer.json()["error"]


def test_bad_items_can_be_answered_one_by_one(session):
    with Sandbox(item_errors=True) as box:
        body = {"contacts": [{"email": "no"}, {"email": "a@x.example"}]}
        data = session.post(box.base_url + "/contacts/batch", json=body, timeout=PROMPT).json()[
            "data"
        ]
        assert [entry.get("success", True) for entry in data] == [False, True]
        assert data[0]["error"]["code"] == "VALIDATION_ERROR"
        assert list(box.contacts) == ["a@x.example"]
        body = {"contacts": [{"email": "z@x.example", "subscriptionStatus": "PENDING"}]}
        answer = session.post(
            box.base_url + "/contacts/batch-subscription", json=body, timeout=PROMPT
        )
        assert answer.json()["data"][0]["error"]["code"] == "NOT_FOUND"


def test_a_contact_deleted_meanwhile_is_not_found(call, box, monkeypatch):
    monkeypatch.setattr(box.app.store, "has_contact", lambda email: True)
    body = {"contacts": [{"email": "z@x.example", "subscriptionStatus": "PENDING"}]}
    assert error(call("POST", "/contacts/batch-subscription", body)) == (404, "NOT_FOUND")


def test_a_batch_has_a_limit(session):
    with Sandbox(max_batch=1) as box:
        answer = session.post(box.base_url + "/contacts/batch", json=CONTACTS, timeout=PROMPT)
        assert error(answer) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("header", ["", "Bearer ", "Basic a2V5", "key", "Bearer other"])
def test_the_key_is_checked(header):
    with Sandbox(keys=["key"]) as box:
        url = box.base_url + "/contacts/by-email/a@x.example"
        answer = requests.get(url, headers={"Authorization": header}, timeout=PROMPT)
        assert error(answer) == (401, "UNAUTHORIZED")
        assert (
            requests.get(url, headers={"Authorization": "Bearer key"}, timeout=PROMPT).status_code
            == 404
        )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/contacts/batch"),
        ("PATCH", "/contacts/batch"),
        ("GET", "/contacts"),
        ("GET", "/contacts/by-email/"),
        ("POST", "/contacts/by-email/a"),
    ],
)
def test_what_is_no_endpoint_is_an_html_page(call, method, path):
    answer = call(method, path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_other_paths_are_an_html_page(box):
    assert requests.get(box.url + "api/v2/contacts", timeout=PROMPT).text.startswith("<!doctype")


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused(box, session, data):
    answer = session.post(box.base_url + "/contacts/batch", data=data, timeout=PROMPT)
    assert error(answer) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Transfer-Encoding: chunked", b"411"),
        (b"Content-Length: x", b"411"),
        (b"Content-Length: 999999999", b"413"),
    ],
)
def test_bodies_of_unknown_or_great_length_are_refused(box, head, status):
    with socket.create_connection((box.host, box.port), timeout=PROMPT) as connection:
        connection.sendall(
            b"POST /api/v1/contacts/batch HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n"
        )
        assert status in connection.makefile("rb").read()


def test_half_a_request_is_no_request(box):
    with socket.create_connection((box.host, box.port), timeout=PROMPT) as connection:
        connection.sendall(
            b"POST /api/v1/contacts/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
        )
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert box.calls == []


# Rate and speed


def test_the_rate_holds_and_is_told(session, monkeypatch):
    # Five calls may take more than a second.
    now = [time.monotonic()]
    take = RateLimit.take
    monkeypatch.setattr(RateLimit, "take", lambda limit, key: take(limit, key, now[0]))
    with Sandbox(rate=3) as box:
        url = box.base_url + "/contacts/by-email/a@x.example"
        answers = [session.get(url, timeout=PROMPT) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [404, 404, 404, 429, 429]
        assert error(answers[3]) == (429, "RATE_LIMIT_EXCEEDED")
        assert answers[3].headers["Retry-After"] == "1"
        assert 1 <= box.worst_second <= 5
        now[0] += 1
        assert session.get(url, timeout=PROMPT).status_code == 404


def test_an_answer_does_not_wait_for_a_packet(call):
    call("POST", "/contacts/batch", CONTACTS)
    times = []
    for _ in range(30):
        started = time.perf_counter()
        call("POST", "/contacts/batch", CONTACTS)
        times.append(time.perf_counter() - started)
    assert statistics.median(times) < 0.02


def test_latency_is_added(session):
    with Sandbox(latency=0.2) as box:
        started = time.monotonic()
        session.get(box.base_url + "/contacts/by-email/a", timeout=PROMPT)
        assert time.monotonic() - started >= 0.2


# Faults


@pytest.mark.parametrize(
    ("fault", "options", "status", "done"),
    [
        ("status", {"status": 503}, 503, False),
        ("html", {}, 200, False),
        ("html", {"status": 502}, 502, False),
        ("redirect", {"status": 307}, 307, False),
        ("redirect", {}, 302, False),
        ("success_false_200", {"code": "NOT_FOUND"}, 200, False),
        ("poison", {"email": "b@X.example"}, 500, False),
        ("poison", {"email": "b@x.example", "html": True}, 500, False),
        ("truncated_json", {}, 200, True),
        ("garbage", {}, 200, True),
        ("huge", {"size": 1000}, 200, True),
        ("drip", {"rate": 100_000}, 200, True),
        ("short_data", {}, 200, True),
        ("item_errors", {}, 200, True),
        ("status", {"status": 500, "worked": True}, 500, True),
        ("html", {"status": 500, "worked": True}, 500, True),
        ("merged", {}, 200, True),
        ("deep", {"size": 5}, 200, True),
        ("echo", {}, 200, True),
        ("interim", {"status": 100}, 200, True),
    ],
)
def test_a_fault_is_answered_once_with_or_without_the_work(call, box, fault, options, status, done):
    box.fail(fault, **options)
    answer = call("POST", "/contacts/batch", CONTACTS)
    assert answer.status_code == status
    assert bool(box.contacts) is done
    assert (box.calls[0].fault, box.calls[0].status) == (fault, status)
    assert call("POST", "/contacts/batch", CONTACTS).json()["success"] is True
    assert box.faults == []


@pytest.mark.parametrize(
    ("fault", "done"), [("drop_before", False), ("drop_after", True), ("hang", True)]
)
def test_a_dropped_connection(call, box, fault, done):
    box.fail(fault, seconds=0.1)
    with pytest.raises(requests.ConnectionError):
        call("POST", "/contacts/batch", CONTACTS)
    assert bool(box.contacts) is done
    assert (box.calls[0].fault, box.calls[0].status) == (fault, 0)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "VALIDATION_ERROR"),
        (401, "UNAUTHORIZED"),
        (403, "FORBIDDEN"),
        (404, "NOT_FOUND"),
        (409, "DUPLICATE_ERROR"),
        (429, "RATE_LIMIT_EXCEEDED"),
        (500, "INTERNAL_ERROR"),
    ],
)
def test_a_status_brings_its_code(call, box, status, code):
    box.fail(str(status))
    assert error(call("GET", "/contacts/by-email/a")) == (status, code)


def test_a_status_with_a_body_and_headers_of_its_own(call, box):
    box.fail("status", status=429, body={"message": "m"}, headers={"Retry-After": "9"})
    answer = call("GET", "/contacts/by-email/a")
    assert answer.json() == {"message": "m"}
    assert answer.headers["Retry-After"] == "9"


@pytest.mark.parametrize(
    ("fault", "options", "expected"),
    [
        ("short_data", {"size": 5}, []),
        ("reordered", {}, ["b@x.example", "a@x.example"]),
        ("repeated", {}, ["a@x.example", "b@x.example"] * 2),
        ("strangers", {}, ["stranger@elsewhere.example", "a@x.example", "b@x.example"]),
        ("merged", {"email": "b@x.example"}, ["a@x.example", "merged@elsewhere.example"]),
        ("merged", {"email": "nobody@x.example"}, ["a@x.example", "b@x.example"]),
    ],
)
def test_a_list_can_be_spoiled(call, box, fault, options, expected):
    box.fail(fault, **options)
    data = call("POST", "/contacts/batch", CONTACTS).json()["data"]
    assert [entry["email"] for entry in data if isinstance(entry, dict) and entry] == expected


def test_an_answer_without_a_list_is_left_alone(call, box):
    box.fail("reordered")
    assert error(call("GET", "/contacts/by-email/a")) == (404, "NOT_FOUND")


def raw(box, method="GET", path="/contacts/by-email/a"):
    """All bytes of the answer, until the server says no more."""
    with socket.create_connection(("127.0.0.1", box.port)) as connection:
        head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n"
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_interim_answers_come_before_the_answer(box):
    box.fail("interim", status=102, size=3)
    said = raw(box)
    assert said.startswith(b"HTTP/1.1 102 Processing\r\n")
    assert said.count(b"HTTP/1.1 102") == 3
    assert said.count(b"HTTP/1.1 404") == 1


def test_more_than_one_answer_can_be_sent(box):
    box.fail("surplus", size=2)
    assert raw(box).count(b"HTTP/1.1 404") == 3


def test_the_api_key_can_be_echoed(call, box):
    answer = call("POST", "/contacts/batch", CONTACTS)
    key = answer.request.headers["Authorization"].partition(" ")[2]
    box.fail("echo", count=3)
    assert call("POST", "/contacts/batch", CONTACTS).json()["data"][0]["contactId"] == key
    assert call("GET", "/contacts/by-email/a@x.example").json()["data"]["variables"][key]
    box.clear_faults()
    box.fail("echo", status=400)
    failure = call("POST", "/contacts/batch", CONTACTS).json()["error"]
    assert failure["code"] == key
    assert key in failure["message"]


def test_an_answer_can_be_nested(call, box):
    box.fail("deep", size=3)
    assert call("GET", "/contacts/by-email/a").json()["data"] == {"a": {"a": {"a": 1}}}


def test_only_the_item_that_is_named_fails(call, box):
    box.fail("item_errors", email="b@x.example", code="DUPLICATE_ERROR")
    data = call("POST", "/contacts/batch", CONTACTS).json()["data"]
    assert [entry.get("success") for entry in data] == [None, False]


def test_faults_with_a_probability_stay_and_others_go(box):
    assert [box.fail("500:0.3").count, box.fail("500").count, box.fail("drop").count] == [
        None,
        1,
        1,
    ]
    assert box.fail("500", count=3).count == 3
    assert len(box.faults) == 4
    box.clear_faults()
    assert box.faults == []


def test_hooks_run_before_and_after_the_work(call, box):
    seen = []
    box.before(
        lambda request: seen.append(("before", len(box.contacts), request.keys)),
        method="POST",
        path="^/contacts/batch$",
    )
    box.after(
        lambda request: seen.append(("after", len(box.contacts), request.body)),
        count=None,
        when=lambda body: body is not None,
    )
    call("GET", "/contacts/by-email/a")
    call("POST", "/contacts/batch", CONTACTS)
    call("POST", "/contacts/batch", CONTACTS)
    assert seen == [
        ("before", 0, ("a@x.example", "b@x.example")),
        ("after", 2, CONTACTS),
        ("after", 2, CONTACTS),
    ]


# Control


def test_the_state_is_json(call, box):
    call("POST", "/contacts/batch", CONTACTS)
    box.fail("500:0.3")
    state = requests.get(box.url + "_sandbox/state", timeout=PROMPT).json()
    assert state["counts"] == {"contacts": 2, "companies": 0, "engagements": 0}
    assert set(state["contacts"]) == {"a@x.example", "b@x.example"}
    assert state["worst_second"] == 1
    assert state["calls"][0]["keys"] == ["a@x.example", "B@x.example"]
    assert state["counters"]["endpoints"] == {"POST /contacts/batch": 1}
    assert len(state["faults"]) == 1


def test_the_control_changes_things(call, box):
    def control(method, path, body=None):
        return requests.request(method, box.url + "_sandbox/" + path, json=body, timeout=PROMPT)

    call("POST", "/contacts/batch", CONTACTS)
    status = {"email": "A@x.example", "status": "UNSUBSCRIBED"}
    assert control("POST", "contacts/status", status).json() == {"success": True}
    assert box.contacts["a@x.example"]["subscriptionStatus"] == "UNSUBSCRIBED"
    assert control("POST", "faults", {"spec": "500:0.5"}).ok
    assert control("POST", "faults", {"kind": "status", "status": 418, "count": 2}).ok
    assert [fault.status for fault in box.faults] == [500, 418]
    assert control("DELETE", "faults").ok
    assert box.faults == []
    assert control("POST", "reset").ok
    assert (box.contacts, box.calls) == ({}, [])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "contacts/status", {"email": "z@x.example", "status": "PENDING"}, 404),
        ("POST", "contacts/status", {"email": "z@x.example", "status": "X"}, 400),
        ("POST", "contacts/status", {}, 404),
        ("POST", "contacts/status", [], 400),
        ("POST", "faults", {"spec": "nonsense"}, 400),
        ("POST", "faults", {"kind": "html", "odd": 1}, 400),
        ("GET", "nothing", None, 404),
    ],
)
def test_the_control_refuses_what_it_does_not_know(box, method, path, body, status):
    answer = requests.request(method, box.url + "_sandbox/" + path, json=body, timeout=PROMPT)
    assert answer.status_code == status
    assert json.loads(answer.text)["success"] is False


def test_the_page_is_served(box):
    answer = requests.get(box.url, timeout=PROMPT)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Conversion sandbox" in answer.text


def test_many_connections_at_once_are_served(box):
    statuses = []

    def work():
        answer = requests.post(
            box.base_url + "/contacts/batch",
            json=CONTACTS,
            timeout=20,
            headers={"Authorization": "Bearer k"},
        )
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=work) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 100
