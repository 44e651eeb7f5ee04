"""Whatever goes wrong: no report of the error, and no text of a server, shows the API key."""

from __future__ import annotations

import json
import logging
from functools import partial

import pytest
from django.views.debug import ExceptionReporter
from urllib3.connectionpool import HTTPConnectionPool

from conversion_sync.api import (
    CallRecord,
    Client,
    ConfigurationError,
    ContactRecord,
    ConversionError,
    EngagementRecord,
    StatusChange,
    v1,
)
from conversion_sync.api.errors import Bug
from conversion_sync.api.transport import Transport
from conversion_sync.sandbox import Sandbox
from conversion_sync.sync.remote import client
from tests.api.kit import KEY, Raw, answering, answering_once, request
from tests.api.test_secret import escaped

BROKEN = "sk_live_very\nsecret"


def frames(error):
    """All that an error report shows: each error of the chain, each frame, each local."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is None or any(error is one for one in seen):
            continue
        seen.append(error)
        yield f"{error!r} {error} {vars(error)!r} {error.args!r}"
        request = getattr(error, "request", None)
        yield repr(getattr(request, "headers", None))
        trace = error.__traceback__
        while trace is not None:
            # The test's own frames know the key.
            if not trace.tb_frame.f_code.co_filename.startswith(__file__):
                yield repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        waiting += [error.__cause__, error.__context__]
        waiting += [arg for arg in error.args if isinstance(arg, BaseException)]


def shown(error):
    return "".join(frames(error))


def page(error):
    """Django's page for the error, without the frames of this test."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return ExceptionReporter(None, type(error), error, trace).get_traceback_text()


@pytest.mark.parametrize("fault", ["refused", "reset", "drip", "mistake", "nonsense", "echo"])
def test_no_report_of_an_error_shows_the_key(make, monkeypatch, fault):
    say = {"nonsense": KEY.encode(), "echo": b"HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n"}
    said = say.get(fault, b"") + KEY.encode() + b"\r\n\r\n"
    with Sandbox() as box, Raw(answering_once(said)) as server:
        url = server.url if fault in say else box.base_url
        transport = make(url, deadline=0.5)
        if fault == "refused":
            box.stop()
        elif fault == "mistake":
            monkeypatch.setattr(HTTPConnectionPool, "urlopen", lambda *_, **headers: 1 / 0)
        elif fault not in say:
            box.fail("drop" if fault == "reset" else "drip")

        with pytest.raises(ConversionError) as caught:
            transport.send(request("POST", "/contacts/batch", {"contacts": []}))

    assert KEY not in shown(caught.value)
    assert KEY not in page(caught.value)
    # It shows something, though.
    assert "_exchange" in shown(caught.value) or "endpoint" in shown(caught.value)


@pytest.mark.parametrize("make_it", [partial(Transport, key_header=v1.KEY_HEADER), Client])
@pytest.mark.parametrize("key", [BROKEN, f"{KEY} x", f"{KEY}é"])
def test_no_report_of_a_wrong_key_shows_it(make_it, key):
    with pytest.raises(ConfigurationError) as caught:
        make_it(key, "https://api.example")
    for text in (shown(caught.value), page(caught.value)):
        assert KEY not in text
        assert "very" not in text.replace("every", "")


@pytest.mark.parametrize("key", [BROKEN, f"{KEY}é"])
def test_no_report_of_a_wrong_setting_shows_it(settings, key):
    settings.CONVERSION_SYNC = {"API_KEY": key}
    with pytest.raises(ConfigurationError) as caught:
        client()
    for text in (shown(caught.value), page(caught.value)):
        assert "sk_live" not in text


@pytest.mark.parametrize("url", ["http://api.example", "nonsense", "https://[api"])
def test_no_report_of_a_wrong_url_shows_the_key(settings, url):
    settings.CONVERSION_SYNC = {"API_KEY": KEY, "BASE_URL": url}
    with pytest.raises(ConfigurationError) as caught:
        client()
    assert KEY not in shown(caught.value) + page(caught.value)


def test_what_is_no_json_is_reported_without_the_key():
    with pytest.raises((TypeError, ValueError)) as caught:
        Client(KEY, "https://api.example").upsert_contacts([ContactRecord("a@x", {"x": object()})])
    assert KEY not in shown(caught.value) + page(caught.value)


def test_a_mistake_in_a_call_is_logged_without_the_key(monkeypatch, caplog):
    def mistaken(*args, **kwargs):
        raise RuntimeError("oops")

    body = json.dumps({"success": True, "data": {"email": "a@x.example"}, "key": KEY}).encode()
    answer = b"HTTP/1.1 200 X\r\nX: %s\r\nContent-Length: %d\r\n\r\n" % (KEY.encode(), len(body))
    monkeypatch.setattr("conversion_sync.api.v1.requests.parse_contact", mistaken)
    logged = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.exc_info)  # type: ignore[method-assign]  # a stand-in
    logger = logging.getLogger("conversion_sync")
    logger.addHandler(handler)
    try:
        with Raw(answering(answer + body)) as server:
            api = Client(KEY, server.url)
            found = api.make(v1.get_contact("a@x.example"))
    finally:
        logger.removeHandler(handler)
    assert isinstance(found.error, Bug)
    [trouble] = logged
    assert trouble is not None
    error = trouble[1]
    assert "oops" in shown(error)
    assert KEY not in shown(error) + page(error) + caplog.text


# What a server echoes

SPELLINGS = {
    "as it is": KEY.encode(),
    "URL": "".join(f"%{ord(char):02X}" for char in KEY).encode(),
    "JSON": escaped(KEY).encode(),
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_an_answer_holds_the_key_nowhere(make, spelled):
    body = b'{"success": true, "data": {"id": "%s", "%s": ["%s"]}}' % ((spelled,) * 3)
    head = b"HTTP/1.1 200 X\r\nX-Echo: Bearer %s\r\nContent-Length: %d\r\n\r\n"
    with Raw(answering(head % (spelled, len(body)) + body)) as server:
        answer = make(server.url).send(request("GET", "/x"))
    assert answer.headers["X-Echo"] in ("Bearer ***", "***")
    assert json.loads(answer.body) == {"success": True, "data": {"id": "***", "***": ["***"]}}
    assert KEY not in repr(answer)
    assert repr(answer) == "HttpResponse(status=200)"


@pytest.mark.parametrize("status", [None, 400, 403, 404, 422, 500, 503])
def test_no_result_and_no_error_holds_what_was_echoed(status):
    spelled = (KEY, SPELLINGS["URL"].decode(), SPELLINGS["JSON"].decode())
    with Sandbox() as box:
        calls: list[CallRecord] = []
        api = Client(KEY, box.base_url, on_call=calls.append)
        api.upsert_contacts([ContactRecord("a@x.example")])
        box.fail("echo", count=None, status=status)
        results = []
        for call in (
            lambda: api.upsert_contacts([ContactRecord("a@x.example")]),
            lambda: api.get_contact("a@x.example"),
            lambda: api.track_engagement(EngagementRecord("a@x.example", "n", "d")),
            lambda: api.set_subscriptions([StatusChange("a@x.example", "UNSUBSCRIBED")]),
            lambda: api.delete_contact("a@x.example"),
        ):
            try:
                results.append(repr(call()))
            except ConversionError as error:
                results.append(shown(error))
    text = "".join(results) + repr(calls)
    assert "***" in text
    for form in spelled:
        assert form not in text
        assert form.upper() not in text.upper()
