"""Against real sockets: what is sent, for how long, and what is never sent."""

import contextlib
import errno
import gzip
import os
import socket
import ssl
import threading
import time
from queue import SimpleQueue
from typing import Any

import pytest
import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from conversion_sync.api import transport as module
from conversion_sync.api import v1
from conversion_sync.api.base_url import check_base_url
from conversion_sync.api.calls import Call, GivenUpError, Handle, Phase, current_call
from conversion_sync.api.errors import ConfigurationError, NoAnswer, NotSent, Redirected
from conversion_sync.api.transport import Transport
from conversion_sync.api.workers import Work, Workers
from conversion_sync.sandbox import Sandbox
from tests.api.kit import (
    KEY,
    OK,
    Raw,
    answering,
    answering_once,
    dripping,
    promptly,
    request,
    silent,
)
from tests.kit import PROMPT, wait_until

#: Seconds: a deadline that a test lets pass; no other wait is as long.
DEADLINE = 30.5


@pytest.fixture
def overdue_when(monkeypatch):
    """Have the deadline of the next call pass when something is so, and not before."""

    def arrange(condition):
        real = threading.Event.wait

        def wait(event, timeout=None):
            if timeout != DEADLINE:
                return real(event, timeout)
            monkeypatch.setattr(threading.Event, "wait", real)
            wait_until(condition, "nothing was sent")
            return event.is_set()

        monkeypatch.setattr(threading.Event, "wait", wait)

    return arrange


# Settings


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example/api/v1",
        "http://localhost:8000/x",
        "http://127.9.9.9/x",
        "http://[::1]:80/x",
    ],
)
def test_base_urls_that_are_accepted(url):
    assert check_base_url(f" {url}/ ") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example",
        "http://10.0.0.1",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "ftp://api.example",
        "https://",
        "api.example",
        "",
        "https://user:pass@api.example",
        "https://api.example?x=1",
        "https://api.example#x",
        "https://api.example/a b",
        "https://api.example:port",
        "https://[api",
    ],
)
def test_base_urls_that_are_refused(url):
    with pytest.raises(ConfigurationError) as caught:
        Transport(KEY, url, key_header=v1.KEY_HEADER)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", None, "a b", "a\nb", "schl\u00fcssel"])
def test_keys_that_are_refused_are_not_shown(key):
    with pytest.raises(ConfigurationError) as caught:
        Transport(key, "https://api.example", key_header=v1.KEY_HEADER)
    assert not key or not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize("options", [{"deadline": 0}, {"max_answer_bytes": 0}])
def test_limits_must_be_positive(options):
    with pytest.raises(ConfigurationError):
        Transport(KEY, "https://api.example", key_header=v1.KEY_HEADER, **options)


# Deadlines


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ],
    ids=["status", "header", "body", "close"],
)
def test_the_deadline_holds_against_a_drip_and_ends_the_connection(make, head, overdue_when):
    with Raw(dripping(head)) as server:
        transport = make(server.url, deadline=DEADLINE)
        overdue_when(lambda: server.received)

        with promptly(), pytest.raises(NoAnswer, match="within"):
            transport.send(request("GET", "/x"))

        assert server.ended.wait(PROMPT)


def test_the_deadline_holds_against_silence(make):
    with Raw(silent) as server, promptly(), pytest.raises(NoAnswer):
        make(server.url, deadline=2).send(request("POST", "/x", {}))


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"])
def test_the_words_are_the_same_where_the_socket_is_the_first_to_end(make, monkeypatch, head):
    def serve(server, connection):
        server.request(connection)
        connection.sendall(head)
        silent(server, connection)

    monkeypatch.setattr(Transport, "_wait_for", lambda transport, call: call.done.wait(PROMPT))
    with Raw(serve) as server, promptly(), pytest.raises(NoAnswer, match=r"within 0\.5 s\."):
        make(server.url, deadline=0.5).send(request("POST", "/x", {}))


def test_a_name_that_is_never_resolved_is_not_sent_even_if_it_is_at_last(make, monkeypatch):
    with Raw(answering(OK)) as server:
        real = socket.getaddrinfo
        at_last = threading.Event()

        def slow(*args, **kwargs):
            at_last.wait(PROMPT)
            return real(*args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", slow)
        transport = make(server.url, deadline=0.2)

        with pytest.raises(NotSent):
            transport.send(request("POST", "/x", {}))

        at_last.set()
        wait_until(lambda: transport._state.workers.idle, "the call's thread does not end")
        assert server.received == b""


def test_a_handshake_that_hangs_is_not_sent(make):
    with Raw(silent) as server:
        url = server.url.replace("http:", "https:")
        with promptly(), pytest.raises(NotSent):
            make(url, deadline=0.3).send(request("POST", "/x", {}))


def test_after_an_overdue_call_the_next_works(make, overdue_when):
    with Sandbox(latency=0) as box:
        transport = make(box.base_url, deadline=DEADLINE)
        box.fail("hang", seconds=2)
        overdue_when(lambda: box.calls)
        with pytest.raises(NoAnswer):
            transport.send(request("GET", "/contacts/by-email/a@x.example"))

        assert transport.send(request("GET", "/contacts/by-email/a@x.example")).status == 404


def test_a_call_lets_go_of_its_connection_before_another_may_have_it(make, monkeypatch):
    calls: list[Call] = []
    handles: list[Any] = []
    put = HTTPConnectionPool._put_conn

    def watched(pool, conn):
        # A call that an earlier test gave up may end only now.
        if pool.port == server.port:
            call = current_call()
            assert call is not None
            calls.append(call)
            handles.append(call._handle)
        put(pool, conn)

    monkeypatch.setattr(HTTPConnectionPool, "_put_conn", watched)
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send(request("GET", "/x"))
        assert handles == [None]

        calls[0].give_up()
        transport.send(request("GET", "/x"))
        assert server.connections == 1


def test_an_interrupted_wait_gives_the_call_up(make, monkeypatch):
    real = threading.Event.wait

    def interrupted(event, timeout=None):
        if timeout != DEADLINE:
            return real(event, timeout)
        time.sleep(0.1)
        raise KeyboardInterrupt

    with Raw(dripping(b"")) as server:
        transport = make(server.url, deadline=DEADLINE)
        monkeypatch.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            transport.send(request("GET", "/x"))
        monkeypatch.undo()

        assert server.ended.wait(PROMPT)


def test_a_call_given_up_sends_nothing_more():
    call = Call()
    call.give_up()
    for step in (call.check, lambda: call.enter(Phase.SENDING)):
        with pytest.raises(GivenUpError):
            step()


def test_a_socket_that_opens_after_giving_up_is_shut():
    here, there = socket.socketpair()
    with here, there:
        call = Call()
        call.give_up()
        call.attach(Handle(here))
        there.settimeout(1)
        assert there.recv(1) == b""


# Never sent, or perhaps


def test_a_refused_connection_is_not_sent(make):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotSent, match="refused"):
        make(f"http://127.0.0.1:{port}").send(request("POST", "/x", {}))


def test_an_unknown_name_is_not_sent(make, monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotSent, match="not known"):
        make("https://api.example").send(request("POST", "/x", {}))


def fails(*args, **kwargs):
    raise OSError(errno.EMFILE, "Too many open files")


def missing_ca(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))


def damaged_ca(monkeypatch, tmp_path):
    (tmp_path / "damaged.pem").write_text("not a certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "damaged.pem"))


def no_sockets(monkeypatch, tmp_path):
    monkeypatch.setattr(socket, "socket", fails)


def no_resolver(monkeypatch, tmp_path):
    monkeypatch.setattr(socket, "getaddrinfo", fails)


def no_handshake(monkeypatch, tmp_path):
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", fails)


def no_descriptors(monkeypatch, tmp_path):
    monkeypatch.setattr("conversion_sync.api.calls.Handle.__init__", fails)


def no_preparation(monkeypatch, tmp_path):
    monkeypatch.setattr("requests.Session.prepare_request", fails)


def no_environment(monkeypatch, tmp_path):
    monkeypatch.setattr("requests.Session.merge_environment_settings", fails)


def a_bug(monkeypatch, tmp_path):
    monkeypatch.setattr(HTTPConnectionPool, "_make_request", lambda *args, **kwargs: 1 // 0)


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (missing_ca, "nowhere.pem"),
        (damaged_ca, "SSL"),
        (no_sockets, "Too many open files"),
        (no_resolver, "Too many open files"),
        (no_handshake, "Too many open files"),
        (no_descriptors, "Too many open files"),
        (no_preparation, "Too many open files"),
        (no_environment, "Too many open files"),
        (a_bug, "ZeroDivisionError"),
    ],
)
def test_whatever_fails_before_the_first_byte_is_not_sent(
    make, context, certificate, monkeypatch, tmp_path, breaks, says
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(answering(OK), context) as server:
        transport = make(server.url)
        with monkeypatch.context() as patch:
            breaks(patch, tmp_path)
            with pytest.raises(NotSent, match=says):
                transport.send(request("POST", "/x", {}))
        assert server.received == b""
        assert transport.send(request("POST", "/x", {})).status == 200


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 502 No\r\n\r\n", b"nonsense\r\n\r\n", None])
def test_whatever_a_proxy_says_instead_of_connecting_is_not_sent(make, monkeypatch, answer):
    serve = silent if answer is None else answering_once(answer)
    with Raw(serve) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NotSent):
            make("https://api.example", deadline=1).send(request("POST", "/x", {}))


def test_a_proxy_that_is_not_there_is_not_sent(make, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(NotSent, match="refused"):
        make("https://api.example").send(request("POST", "/x", {}))


def test_a_bug_after_the_first_byte_is_not_hidden(make, monkeypatch):
    monkeypatch.setattr(HTTPConnection, "getresponse", lambda self: 1 // 0)
    with Raw(answering(OK)) as server, pytest.raises(ZeroDivisionError):
        make(server.url).send(request("POST", "/x", {}))


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize("warm", [True, False])
def test_a_reset_is_no_answer_and_nothing_is_sent_again(make, kind, warm):
    with Sandbox() as box:
        transport = make(box.base_url)
        if warm:
            transport.send(request("GET", "/contacts/by-email/a@x.example"))
        before = len(box.calls)
        box.fail(kind)

        with pytest.raises(NoAnswer):
            transport.send(
                request("POST", "/contacts/batch", {"contacts": [{"email": "a@x.example"}]})
            )

        time.sleep(0.05)
        assert len(box.calls) == before + 1


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n",
        b"",
    ],
    ids=["status", "short", "chunk", "long header", "many headers", "nothing"],
)
def test_a_broken_answer_is_no_answer(make, answer):
    with Raw(answering_once(answer)) as server, pytest.raises(NoAnswer):
        make(server.url, deadline=PROMPT).send(request("POST", "/x", {}))


def test_the_status_of_a_broken_body_is_kept(make):
    answer = b"HTTP/1.1 503 No\r\nContent-Length: 50\r\n\r\n{}"
    with Raw(answering_once(answer)) as server, pytest.raises(NoAnswer) as caught:
        make(server.url).send(request("POST", "/x", {}))
    assert caught.value.status == 503


@pytest.mark.parametrize("serve", [answering_once, answering], ids=["cut", "late"])
@pytest.mark.parametrize("status", [401, 403, 413, 414, 429, 431, 503])
def test_a_status_that_says_all_needs_no_body(make, status, serve):
    head = b"HTTP/1.1 %d No\r\nRetry-After: 7\r\nContent-Length: 50\r\n\r\n{}" % status
    with Raw(serve(head)) as server:
        answer = make(server.url, deadline=1).send(request("POST", "/x", {}))
        assert (answer.status, answer.body) == (status, b"")
        assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize("serve", [answering_once, answering], ids=["cut", "late"])
def test_a_redirect_is_one_whatever_becomes_of_its_body(make, serve):
    head = b"HTTP/1.1 302 X\r\nLocation: https://e.example/\r\nContent-Length: 50\r\n\r\n"
    with Raw(serve(head)) as server, pytest.raises(Redirected) as caught:
        make(server.url, deadline=1).send(request("POST", "/x", {}))
    assert caught.value.location == "https://e.example/"


@pytest.mark.parametrize("serve", [answering_once, answering], ids=["cut", "late"])
@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_a_status_that_does_not_is_kept(make, status, serve):
    head = b"HTTP/1.1 %d No\r\nContent-Length: 50\r\n\r\n{}" % status
    with Raw(serve(head)) as server, pytest.raises(NoAnswer) as caught:
        make(server.url, deadline=1).send(request("POST", "/x", {}))
    assert caught.value.status == status


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_does_not_travel(make, status):
    with Raw(answering(OK)) as other, Sandbox() as box:
        box.fail("redirect", status=status, location=f"{other.url}/{KEY}")

        with pytest.raises(Redirected) as caught:
            make(box.base_url).send(request("POST", "/contacts/batch", {}))

        assert other.connections == 0
        assert caught.value.status == status
        assert caught.value.location == f"{other.url}/***"
        assert len(box.calls) == 1


def test_a_redirect_without_a_place_or_with_a_bad_one_is_one(make):
    for location in (b"", b"Location: http://[\r\n"):
        answer = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\n" + location + b"\r\n"
        with Raw(answering(answer)) as server, pytest.raises(Redirected):
            make(server.url).send(request("GET", "/x"))


# Size


def encoded(body, encoding=b"gzip"):
    return (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
        % (encoding, len(body))
    ) + body


def test_an_answer_of_just_the_cap_passes_and_one_byte_more_does_not(make):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    with Raw(answering(answer)) as server:
        assert len(make(server.url, max_answer_bytes=1000).send(request("GET", "/x")).body) == 1000
        with pytest.raises(NoAnswer, match="larger than 999 bytes"):
            make(server.url, max_answer_bytes=999).send(request("GET", "/x"))


def test_an_endless_answer_is_cut_off(make):
    with Sandbox() as box:
        box.fail("huge", size=1 << 40)
        with promptly(), pytest.raises(NoAnswer, match="larger"):
            make(box.base_url, max_answer_bytes=1 << 20).send(
                request("GET", "/contacts/by-email/a")
            )


def test_a_gzip_bomb_is_cut_off(make):
    bomb = Raw(answering(encoded(gzip.compress(b" " * 200_000_000))))
    with bomb as server, pytest.raises(NoAnswer, match="larger"):
        make(server.url, max_answer_bytes=1 << 20).send(request("GET", "/x"))


def test_gzip_is_understood(make):
    with Raw(answering(encoded(gzip.compress(b'{"a": 1}')))) as server:
        assert make(server.url).send(request("GET", "/x")).body == b'{"a": 1}'


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"not gzip", b"gzip"), (gzip.compress(b"x" * 99, mtime=0)[:-9], b"gzip"), (b"x", b"br")],
)
def test_a_damaged_or_unknown_compression_is_no_answer(make, body, encoding):
    with Raw(answering(encoded(body, encoding))) as server, pytest.raises(NoAnswer) as caught:
        make(server.url).send(request("GET", "/x"))
    assert caught.value.status == 200
    assert "compressed" in caught.value.message


# TLS


def test_a_certificate_that_nobody_signed_is_not_sent(make, context):
    with Raw(answering(OK), context) as server:
        with pytest.raises(NotSent, match="certificate"):
            make(server.url).send(request("POST", "/x", {}))
        assert server.received == b""


def test_a_certificate_of_the_environment_is_trusted(make, context, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(answering(OK), context) as server:
        assert make(server.url).send(request("POST", "/x", {})).status == 200
        assert f"Authorization: Bearer {KEY}".encode() in server.received


def test_a_tls_drip_meets_the_deadline(make, context, certificate, monkeypatch, overdue_when):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(dripping(b"HTTP/1.1 200 OK\r\nX: "), context) as server:
        overdue_when(lambda: server.received)
        with promptly(), pytest.raises(NoAnswer):
            make(server.url, deadline=DEADLINE).send(request("POST", "/x", {}))
        assert server.ended.wait(PROMPT)


def test_plain_text_where_tls_was_expected_is_not_sent(make):
    with Raw(answering_once(OK)) as server, pytest.raises(NotSent):
        make(server.url.replace("http:", "https:"), deadline=2).send(request("POST", "/x", {}))


# Proxies, netrc, cookies


def tunnel(port):
    def serve(server, connection):
        server.request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        forward(connection, port)

    return serve


def forward(connection, port):
    """Carry bytes both ways until one side ends."""
    with socket.create_connection(("127.0.0.1", port)) as onward:

        def back():
            with contextlib.suppress(OSError):
                while data := onward.recv(65536):
                    connection.sendall(data)
                connection.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=back, daemon=True)
        thread.start()
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                onward.sendall(data)
        with contextlib.suppress(OSError):
            onward.shutdown(socket.SHUT_RDWR)
        thread.join(2)


def test_a_proxy_of_the_environment_sees_no_key(make, context, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(answering(OK), context) as server, Raw(tunnel(server.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        transport = make(server.url)

        assert transport.send(request("POST", "/x", {})).status == 200
        transport.close()

        assert proxy.received.startswith(b"CONNECT 127.0.0.1:")
        assert KEY.encode() not in proxy.received


def test_a_proxy_that_refuses_is_not_sent(make, monkeypatch):
    with Raw(answering_once(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NotSent):
            make("https://api.example").send(request("POST", "/x", {}))


def test_a_socks_proxy_without_its_library_is_not_sent(make, monkeypatch):
    def absent(*args, **kwargs):
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", absent)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(NotSent):
        make("https://api.example").send(request("POST", "/x", {}))


def socks(port, *, after):
    """A SOCKS 5 proxy that connects to that port, and does so ``after`` so many of its steps."""

    def serve(server, connection):
        connection.recv(3)
        if after < 1:
            return
        connection.sendall(b"\x05\x00")
        connection.recv(300)
        if after < 2:
            return
        connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
        forward(connection, port)

    return serve


@pytest.mark.parametrize("after", [0, 1])
def test_a_socks_proxy_that_does_not_connect_is_not_sent(make, monkeypatch, after):
    with Raw(socks(0, after=after)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http", "socks5"))
        with pytest.raises(NotSent):
            make("https://127.0.0.1:9").send(request("POST", "/x", {}))


def test_through_a_socks_proxy_calls_are_made(make, context, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(answering(OK), context) as server, Raw(socks(server.port, after=2)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http", "socks5"))
        transport = make(server.url)
        for _ in range(3):
            assert transport.send(request("POST", "/x", {})).status == 200
        transport.close()
        assert (proxy.connections, server.connections) == (1, 1)


@pytest.mark.parametrize("serve", [answering_once(b""), silent], ids=["closes", "silent"])
def test_through_a_socks_proxy_a_call_without_an_answer_may_have_arrived(
    make, context, certificate, monkeypatch, serve
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(serve, context) as server, Raw(socks(server.port, after=2)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http", "socks5"))
        with pytest.raises(NoAnswer):
            make(server.url, deadline=2).send(request("POST", "/x", {}))


def test_plain_http_to_loopback_goes_past_the_proxy(make, monkeypatch):
    with Raw(answering(OK)) as proxy, Raw(answering(OK)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        make(server.url).send(request("POST", "/x", {}))
        assert proxy.connections == 0


def test_a_netrc_does_not_replace_the_key(make, context, certificate, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(answering(OK), context) as server:
        make(server.url).send(request("GET", "/x"))
        assert f"Authorization: Bearer {KEY}".encode() in server.received
        assert b"Basic" not in server.received


def test_cookies_are_not_kept(make):
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 2\r\n\r\n{}"
    with Raw(answering(answer)) as server:
        transport = make(server.url)
        transport.send(request("GET", "/x"))
        transport.send(request("GET", "/x"))
        assert b"Cookie:" not in server.received


# The pool, threads and forks


def test_connections_and_threads_are_used_again(make, monkeypatch):
    threads = set()
    exchange = Transport._exchange

    def watched(*args):
        threads.add(threading.get_ident())
        return exchange(*args)

    monkeypatch.setattr(Transport, "_exchange", watched)
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        for _ in range(50):
            transport.send(request("POST", "/x", {}))
        assert server.connections == 1
        assert len(threads) == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(make, monkeypatch):
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send(request("GET", "/x"))
        monkeypatch.setattr("conversion_sync.api.connections.MAX_IDLE", 0.05)
        time.sleep(0.1)
        transport.send(request("POST", "/x", {}))
        assert server.connections == 2


def test_a_connection_that_the_server_closed_is_not_used_again(make):
    with Raw(answering_once(OK)) as server:
        transport = make(server.url)
        transport.send(request("GET", "/x"))
        assert server.ended.wait(PROMPT)
        assert transport.send(request("POST", "/x", {})).status == 200


def test_some_threads_share_one_transport(make):
    with Sandbox() as box:
        transport = make(box.base_url)
        bad = []

        def work(n):
            for i in range(20):
                body = {"contacts": [{"email": f"{n}-{i}@x.example"}]}
                answer = transport.send(request("POST", "/contacts/batch", body))
                if f"{n}-{i}@x.example".encode() not in answer.body:
                    bad.append(answer)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PROMPT)
        assert bad == []
        assert len(box.contacts) == 240


def test_idle_threads_end(make, monkeypatch):
    monkeypatch.setattr("conversion_sync.api.workers.IDLE", 0.05)
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send(request("GET", "/x"))
        wait_until(lambda: transport._state.workers.idle == [], "the thread does not end")
        assert transport.send(request("GET", "/x")).status == 200


def test_more_threads_than_are_kept_end_at_once(make, monkeypatch):
    monkeypatch.setattr("conversion_sync.api.workers.MAX_IDLE", 0)
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send(request("GET", "/x"))
        assert transport._state.workers.idle == []


def test_a_thread_that_is_taken_as_it_ends_does_the_work(monkeypatch):
    monkeypatch.setattr("conversion_sync.api.workers.IDLE", 0.02)
    workers = Workers()
    ran = threading.Event()
    inbox: SimpleQueue[Any] = SimpleQueue()
    # Not in the list of the idle: taken, and its work not there yet.
    thread = threading.Thread(target=workers._work, args=(inbox,), daemon=True)
    thread.start()
    time.sleep(0.06)
    assert thread.is_alive()
    inbox.put(Work(ran.set, threading.Event()))
    assert ran.wait(PROMPT)
    thread.join(PROMPT)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_uses_connections_and_threads_of_its_own(make):
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send(request("GET", "/x"))
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            code = 1
            with contextlib.suppress(BaseException):
                code = 0 if transport.send(request("GET", "/x")).status == 200 else 1
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert transport.send(request("GET", "/x")).status == 200
        assert server.connections == 2


def test_a_state_of_another_process_is_left_alone(make):
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        old = transport._state
        old.pid = -1
        assert transport.send(request("GET", "/x")).status == 200
        assert transport._state is not old
        assert old in module._abandoned


def test_paths_are_sent_as_they_are(make):
    with Raw(answering(OK)) as server:
        make(server.url).send(request("GET", "/a/%2E%2E/b%2Fc"))
        assert server.received.startswith(b"GET /a/%2E%2E/b%2Fc HTTP/1.1")
