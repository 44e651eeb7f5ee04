"""No call ever reads the answer to another one, whatever a server says and when."""

from __future__ import annotations

import json
import threading
from collections import Counter

import pytest

from conversion_sync.api import connections
from conversion_sync.api.errors import ConversionError, NoAnswer, NotSent
from tests.api.kit import Raw, request
from tests.kit import PROMPT, wait_until

#: Seconds: for a call that gets no answer.
DEADLINE = 0.5


def whole(server, connection):
    """Read one request with its body; return its path, or "" at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return ""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    length = next((int(v) for name, _, v in lines if name.lower() == b"content-length"), 0)
    while len(body) < length:
        body += connection.recv(65536)
    server.received += data
    return head.split()[1].decode()


def answer(path, status=200, framing="length", extra=b""):
    """An answer that says which request it is for."""
    body = json.dumps({"path": path}).encode()
    head = b"HTTP/1.1 %d X\r\n%s" % (status, extra)
    if framing == "length":
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if framing == "chunked":
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return head + b"Connection: close\r\n\r\n" + body


INTERIM = b"HTTP/1.1 %d X\r\nLink: </a.css>\r\n\r\n"
STALE = answer("/stale")
SHORT = b'{"path": "/1"}'

#: What a server says to the first request, whether that is a usable answer, and whether it then
#: closes; every later request is answered as it should be.
CASES = {
    "100": (INTERIM % 100 + answer("/1"), True),
    "102": (INTERIM % 102 + answer("/1"), True),
    "103": (INTERIM % 103 + answer("/1"), True),
    "199": (INTERIM % 199 + answer("/1"), True),
    "several": (b"".join(INTERIM % n for n in (100, 103, 102, 100, 103)) + answer("/1"), True),
    "hundreds": (INTERIM % 103 * 300 + answer("/1"), True),
    "102 and a chunked answer": (INTERIM % 102 + answer("/1", framing="chunked"), True),
    "102 and a refusal": (INTERIM % 102 + answer("/1", status=400), True),
    "103 and no more": (INTERIM % 103, False),
    "half of an interim answer": (b"HTTP/1.1 103 X\r\nLink: <", False),
    "101": (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + STALE, False),
    "two answers": (answer("/1") + STALE, True),
    "two refusals": (answer("/1", status=404) + answer("/stale", status=404), True),
    "two chunked answers": (answer("/1", framing="chunked") + STALE, True),
    "an empty answer and another": (b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n" + STALE, True),
    "204 and a body": (b"HTTP/1.1 204 X\r\nContent-Length: 14\r\n\r\n" + SHORT, True),
    "204 and an answer": (b"HTTP/1.1 204 X\r\n\r\n" + STALE, True),
    "a length that is too small": (
        b"HTTP/1.1 200 X\r\nContent-Length: 14\r\n\r\n" + SHORT + STALE,
        True,
    ),
    "a length that is too large": (b"HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\n" + SHORT, False),
    "two lengths": (
        b"HTTP/1.1 200 X\r\nContent-Length: 14\r\nContent-Length: 20\r\n\r\n" + SHORT + STALE,
        None,
    ),
    "a list of lengths": (b"HTTP/1.1 200 X\r\nContent-Length: 14, 14\r\n\r\n" + SHORT, None),
    "a length with a sign": (b"HTTP/1.1 200 X\r\nContent-Length: +14\r\n\r\n" + SHORT, None),
    "a length and chunks": (
        b"HTTP/1.1 200 X\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"e\r\n" + SHORT + b"\r\n0\r\n\r\n",
        None,
    ),
    "chunks in another coding": (
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: gzip, chunked\r\n\r\ne\r\n"
        + SHORT
        + b"\r\n0\r\n\r\n",
        False,
    ),
    "chunks without their end": (
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n" + SHORT + b"\r\n",
        False,
    ),
    "chunks without the last line": (
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n" + SHORT + b"\r\n0\r\n",
        None,
    ),
    "a chunk that is cut": (
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + SHORT,
        False,
    ),
    "no length": (b"HTTP/1.1 200 X\r\n\r\n" + SHORT, False),
    "no length, kept alive by HTTP/1.0": (
        b"HTTP/1.0 200 X\r\nConnection: keep-alive\r\n\r\n" + SHORT + STALE,
        False,
    ),
    "nonsense": (b"nonsense\r\n\r\n" + STALE, False),
    "a blank line first": (b"\r\n" + answer("/1"), False),
    "a head that is cut": (b"HTTP/1.1 200 X\r\nContent-Le", False),
    "nothing": (b"", False),
}


def misbehaving(first, then_close):
    """Say that to the first request of all; answer the others as it should be."""
    seen = Counter[str]()

    def serve(server, connection):
        while path := whole(server, connection):
            seen[path] += 1
            if path != "/1":
                connection.sendall(answer(path))
                continue
            connection.sendall(first)
            if then_close:
                return

    return serve, seen


def said(transport, path, method="POST"):
    """The path that the answer is for, or None where there is no usable answer."""
    try:
        found = transport.send(request(method, path, {} if method == "POST" else None))
        return json.loads(found.body)["path"] if found.body else ""
    except (ConversionError, ValueError):
        return None


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("then_close", [False, True], ids=["stays open", "closes"])
@pytest.mark.parametrize("name", CASES)
def test_the_next_call_reads_its_own_answer(make, name, then_close, method):
    first, usable = CASES[name]
    serve, seen = misbehaving(first, then_close)
    with Raw(serve) as server:
        transport = make(server.url, deadline=PROMPT if usable else DEADLINE)

        found = said(transport, "/1", method)

        if then_close:
            # Nothing tells that a connection is closed while that is still on its way.
            assert server.ended.wait(PROMPT)
        transport.deadline = PROMPT
        if usable:
            assert found in ("/1", "")
        elif usable is False:
            assert found in (None, "/1", "") if then_close else found is None
        for number in range(2, 5):
            assert said(transport, f"/{number}", method) == f"/{number}"
        assert seen == {f"/{number}": 1 for number in range(1, 5)}


def test_an_answer_behind_the_answer_is_found_when_it_comes_later(make):
    asked_again, sent = threading.Event(), threading.Event()

    def serve(server, connection):
        while path := whole(server, connection):
            connection.sendall(answer(path))
            if path == "/1":
                asked_again.wait(PROMPT)
                connection.sendall(STALE)
                sent.set()

    with Raw(serve) as server:
        transport = make(server.url)
        assert said(transport, "/1") == "/1"
        asked_again.set()
        assert sent.wait(PROMPT)
        assert said(transport, "/2") == "/2"
        assert server.connections == 2


def test_a_refusal_before_the_body_was_read_ends_the_connection(make):
    """The server takes the rest of the body for another request, and answers that, too."""

    def serve(server, connection):
        while head := server.request(connection):
            path = head.split()[1].decode()
            if path != "/1":
                connection.sendall(answer(path))
                continue
            connection.sendall(answer(path, status=400))
            threading.Event().wait(0.05)
            connection.sendall(answer("/stale", status=400))

    with Raw(serve) as server:
        transport = make(server.url)
        assert said(transport, "/1") == "/1"
        assert said(transport, "/2", "GET") == "/2"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_a_server_that_speaks_first_is_sent_nothing(make, tls, context, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    accepted = threading.Event()

    def serve(server, connection):
        connection.sendall(STALE)
        accepted.set()
        server.request(connection)

    with Raw(serve, context if tls else None) as server:
        transport = make(server.url)
        # What the server says may arrive after we have sent: then nothing can tell.
        real = type(transport)._exchange

        def late(self, call, *args):
            quiet = connections._is_quiet

            def look(sock):
                accepted.wait(PROMPT)
                wait_until(lambda: not quiet(sock), "nothing was said")
                return False

            monkeypatch.setattr(connections, "_is_quiet", look)
            return real(self, call, *args)

        monkeypatch.setattr(type(transport), "_exchange", late)
        with pytest.raises(NotSent, match="before it was asked"):
            transport.send(request("POST", "/1", {}))
        assert server.received == b""


def test_an_overdue_call_leaves_no_connection_behind(make):
    def serve(server, connection):
        while path := whole(server, connection):
            if path == "/1":
                connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 14\r\n\r\n" + SHORT[:7])
                threading.Event().wait(3)
                connection.sendall(SHORT[7:])
            else:
                connection.sendall(answer(path))

    with Raw(serve) as server:
        transport = make(server.url, deadline=DEADLINE)
        with pytest.raises(NoAnswer):
            transport.send(request("POST", "/1", {}))
        transport.deadline = PROMPT
        assert said(transport, "/2") == "/2"
        assert server.connections == 2


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_a_connection_whose_answers_are_plain_is_used_again(
    make, framing, tls, context, certificate, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    def serve(server, connection):
        while path := whole(server, connection):
            connection.sendall(INTERIM % 103 + answer(path, framing=framing))

    with Raw(serve, context if tls else None) as server:
        transport = make(server.url)
        for number in range(20):
            assert said(transport, f"/{number}") == f"/{number}"
        assert server.connections == 1


def test_many_threads_with_a_server_that_says_too_much_get_their_own_answers(make):
    def serve(server, connection):
        number = 0
        while path := whole(server, connection):
            number += 1
            connection.sendall(answer(path) + (STALE if number % 3 == 0 else b""))

    wrong = []
    with Raw(serve) as server:
        transport = make(server.url)

        def work(thread):
            for number in range(25):
                path = f"/{thread}-{number}"
                if said(transport, path) != path:
                    wrong.append(path)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert wrong == []
