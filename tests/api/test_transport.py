"""Against real sockets: what is sent, for how long, and what is never sent."""

import contextlib
import gzip
import ipaddress
import os
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3.connectionpool import HTTPConnectionPool

from conversion_sync.api import transport as module
from conversion_sync.api.errors import ConfigurationError, NoAnswer, NotSent, Redirected
from conversion_sync.api.transport import Transport, check_base_url
from conversion_sync.sandbox import Sandbox

KEY = "sk_live_very_secret"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Raw:
    """A server of one function for each connection, on plain sockets."""

    def __init__(self, serve, context=None):
        self.serve, self.context = serve, context
        self.received = b""
        self.connections = 0
        self.ended = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        self.threads = []
        self.open = []
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            # A second descriptor: TLS takes the first one over.
            handle = connection.dup()
            self.open.append(handle)
            thread = threading.Thread(target=self.one, args=(connection, handle), daemon=True)
            self.threads.append(thread)
            thread.start()

    def one(self, connection, handle):
        with connection, contextlib.suppress(OSError):
            if self.context:
                with self.context.wrap_socket(connection, server_side=True) as secured:
                    self.serve(self, secured)
            else:
                self.serve(self, connection)
        with contextlib.suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)
        self.ended.set()

    def request(self, connection):
        """Read one request (without a long body)."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return b""
            data += part
        self.received += data
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(5)
        for connection in self.open:
            with connection, contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)


def answering(answer):
    def serve(server, connection):
        while server.request(connection):
            connection.sendall(answer)

    return serve


def answering_once(answer):
    def serve(server, connection):
        server.request(connection)
        connection.sendall(answer)

    return serve


def silent(server, connection):
    while connection.recv(65536):
        pass


def dripping(head):
    def serve(server, connection):
        server.request(connection)
        connection.sendall(head)
        for _ in range(1000):
            connection.sendall(b"x")
            time.sleep(0.02)

    return serve


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def make():
    made = []

    def make(url, **options):
        transport = Transport(KEY, url, **options)
        made.append(transport)
        return transport

    yield make
    for transport in made:
        transport.close()


@contextlib.contextmanager
def within(seconds):
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


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
        Transport(KEY, url)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", None, "a b", "a\nb", "schl\u00fcssel"])
def test_keys_that_are_refused_are_not_shown(key):
    with pytest.raises(ConfigurationError) as caught:
        Transport(key, "https://api.example")
    assert not key or not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize("options", [{"deadline": 0}, {"max_answer_bytes": 0}])
def test_limits_must_be_positive(options):
    with pytest.raises(ConfigurationError):
        Transport(KEY, "https://api.example", **options)


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
def test_the_deadline_holds_against_a_drip_and_ends_the_connection(make, head):
    with Raw(dripping(head)) as server:
        transport = make(server.url, deadline=0.3)

        with within(1), pytest.raises(NoAnswer, match="within"):
            transport.send("GET", "/x")

        assert server.ended.wait(2)


def test_the_deadline_holds_against_silence(make):
    with Raw(silent) as server, within(0.9), pytest.raises(NoAnswer):
        make(server.url, deadline=0.3).send("POST", "/x", {})


def test_a_name_that_is_never_resolved_is_not_sent_even_if_it_is_at_last(make, monkeypatch):
    with Raw(answering(OK)) as server:
        real = socket.getaddrinfo
        resolved = threading.Event()

        def slow(*args, **kwargs):
            time.sleep(0.6)
            resolved.set()
            return real(*args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", slow)

        with within(0.55), pytest.raises(NotSent):
            make(server.url, deadline=0.2).send("POST", "/x", {})

        assert resolved.wait(2)
        time.sleep(0.2)
        assert server.received == b""


def test_a_handshake_that_hangs_is_not_sent(make):
    with Raw(silent) as server:
        url = server.url.replace("http:", "https:")
        with within(0.9), pytest.raises(NotSent):
            make(url, deadline=0.3).send("POST", "/x", {})


def test_after_an_overdue_call_the_next_works(make):
    with Sandbox(latency=0) as box:
        transport = make(box.base_url, deadline=0.3)
        box.fail("hang", seconds=2)
        with pytest.raises(NoAnswer):
            transport.send("GET", "/contacts/by-email/a@x.example")

        assert transport.send("GET", "/contacts/by-email/a@x.example").status == 404


def test_a_call_lets_go_of_its_connection_before_another_may_have_it(make, monkeypatch):
    calls: list[module._Call] = []
    handles = []
    put = HTTPConnectionPool._put_conn

    def watched(pool, conn):
        call = module._current_call()
        assert call is not None
        calls.append(call)
        handles.append(call._handle)
        put(pool, conn)

    monkeypatch.setattr(HTTPConnectionPool, "_put_conn", watched)
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send("GET", "/x")
        assert handles == [None]

        calls[0].give_up()
        transport.send("GET", "/x")
        assert server.connections == 1


def test_an_interrupted_wait_gives_the_call_up(make, monkeypatch):
    real = threading.Event.wait

    def interrupted(event, timeout=None):
        if timeout != 30:
            return real(event, timeout)
        time.sleep(0.1)
        raise KeyboardInterrupt

    with Raw(dripping(b"")) as server:
        transport = make(server.url, deadline=30)
        monkeypatch.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            transport.send("GET", "/x")
        monkeypatch.undo()

        assert server.ended.wait(2)


def test_a_call_given_up_sends_nothing_more():
    call = module._Call()
    call.give_up()
    for step in (call.check, lambda: call.enter(module._Phase.SENDING)):
        with pytest.raises(module._GivenUpError):
            step()


def test_a_socket_that_opens_after_giving_up_is_shut():
    here, there = socket.socketpair()
    with here, there:
        call = module._Call()
        call.give_up()
        call.attach(module._Handle(here))
        there.settimeout(1)
        assert there.recv(1) == b""


# Never sent, or perhaps


def test_a_refused_connection_is_not_sent(make):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotSent, match="refused"):
        make(f"http://127.0.0.1:{port}").send("POST", "/x", {})


def test_an_unknown_name_is_not_sent(make, monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotSent, match="not known"):
        make("https://api.example").send("POST", "/x", {})


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize("warm", [True, False])
def test_a_reset_is_no_answer_and_nothing_is_sent_again(make, kind, warm):
    with Sandbox() as box:
        transport = make(box.base_url)
        if warm:
            transport.send("GET", "/contacts/by-email/a@x.example")
        before = len(box.calls)
        box.fail(kind)

        with pytest.raises(NoAnswer):
            transport.send("POST", "/contacts/batch", {"contacts": [{"email": "a@x.example"}]})

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
        make(server.url, deadline=2).send("POST", "/x", {})


def test_the_status_of_a_broken_body_is_kept(make):
    answer = b"HTTP/1.1 503 No\r\nContent-Length: 50\r\n\r\n{}"
    with Raw(answering_once(answer)) as server, pytest.raises(NoAnswer) as caught:
        make(server.url).send("POST", "/x", {})
    assert caught.value.status == 503


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_status_that_says_all_needs_no_body(make, status):
    answer = b"HTTP/1.1 %d No\r\nContent-Length: 50\r\n\r\n{}" % status
    with Raw(answering_once(answer)) as server:
        assert make(server.url).send("POST", "/x", {}).status == status


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_does_not_travel(make, status):
    with Raw(answering(OK)) as other, Sandbox() as box:
        box.fail("redirect", status=status, location=f"{other.url}/{KEY}")

        with pytest.raises(Redirected) as caught:
            make(box.base_url).send("POST", "/contacts/batch", {})

        assert other.connections == 0
        assert caught.value.status == status
        assert caught.value.location == f"{other.url}/***"
        assert len(box.calls) == 1


def test_a_redirect_without_a_place_or_with_a_bad_one_is_one(make):
    for location in (b"", b"Location: http://[\r\n"):
        answer = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\n" + location + b"\r\n"
        with Raw(answering(answer)) as server, pytest.raises(Redirected):
            make(server.url).send("GET", "/x")


# Size


def encoded(body, encoding=b"gzip"):
    return (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
        % (encoding, len(body))
    ) + body


def test_an_answer_of_just_the_cap_passes_and_one_byte_more_does_not(make):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    with Raw(answering(answer)) as server:
        assert len(make(server.url, max_answer_bytes=1000).send("GET", "/x").body) == 1000
        with pytest.raises(NoAnswer, match="larger than 999 bytes"):
            make(server.url, max_answer_bytes=999).send("GET", "/x")


def test_an_endless_answer_is_cut_off(make):
    with Sandbox() as box:
        box.fail("huge", size=1 << 40)
        with within(2), pytest.raises(NoAnswer, match="larger"):
            make(box.base_url, max_answer_bytes=1 << 20).send("GET", "/contacts/by-email/a")


def test_a_gzip_bomb_is_cut_off(make):
    bomb = Raw(answering(encoded(gzip.compress(b" " * 200_000_000))))
    with bomb as server, pytest.raises(NoAnswer, match="larger"):
        make(server.url, max_answer_bytes=1 << 20).send("GET", "/x")


def test_gzip_is_understood(make):
    with Raw(answering(encoded(gzip.compress(b'{"a": 1}')))) as server:
        assert make(server.url).send("GET", "/x").body == b'{"a": 1}'


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"not gzip", b"gzip"), (gzip.compress(b"x" * 99)[:-9], b"gzip"), (b"x", b"br")],
)
def test_a_damaged_or_unknown_compression_is_no_answer(make, body, encoding):
    with Raw(answering(encoded(body, encoding))) as server, pytest.raises(NoAnswer) as caught:
        make(server.url).send("GET", "/x")
    assert caught.value.status == 200
    assert "compressed" in caught.value.message


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "cert.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_that_nobody_signed_is_not_sent(make, context):
    with Raw(answering(OK), context) as server:
        with pytest.raises(NotSent, match="certificate"):
            make(server.url).send("POST", "/x", {})
        assert server.received == b""


def test_a_certificate_of_the_environment_is_trusted(make, context, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(answering(OK), context) as server:
        assert make(server.url).send("POST", "/x", {}).status == 200
        assert f"Authorization: Bearer {KEY}".encode() in server.received


def test_a_tls_drip_meets_the_deadline(make, context, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(dripping(b"HTTP/1.1 200 OK\r\nX: "), context) as server:
        with within(1), pytest.raises(NoAnswer):
            make(server.url, deadline=0.4).send("POST", "/x", {})
        assert server.ended.wait(2)


def test_plain_text_where_tls_was_expected_is_not_sent(make):
    with Raw(answering_once(OK)) as server, pytest.raises(NotSent):
        make(server.url.replace("http:", "https:"), deadline=2).send("POST", "/x", {})


# Proxies, netrc, cookies


def tunnel(port):
    def serve(server, connection):
        server.request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as onward:

            def back():
                with contextlib.suppress(OSError):
                    while data := onward.recv(65536):
                        connection.sendall(data)

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            with contextlib.suppress(OSError):
                while data := connection.recv(65536):
                    onward.sendall(data)
            with contextlib.suppress(OSError):
                onward.shutdown(socket.SHUT_RDWR)
            thread.join(2)

    return serve


def test_a_proxy_of_the_environment_sees_no_key(make, context, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(answering(OK), context) as server, Raw(tunnel(server.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        transport = make(server.url)

        assert transport.send("POST", "/x", {}).status == 200
        transport.close()

        assert proxy.received.startswith(b"CONNECT 127.0.0.1:")
        assert KEY.encode() not in proxy.received


def test_a_proxy_that_refuses_is_not_sent(make, monkeypatch):
    with Raw(answering_once(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NotSent):
            make("https://api.example").send("POST", "/x", {})


def test_a_socks_proxy_without_its_library_is_not_sent(make, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(NotSent):
        make("https://api.example").send("POST", "/x", {})


def test_plain_http_to_loopback_goes_past_the_proxy(make, monkeypatch):
    with Raw(answering(OK)) as proxy, Raw(answering(OK)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        make(server.url).send("POST", "/x", {})
        assert proxy.connections == 0


def test_a_netrc_does_not_replace_the_key(make, context, certificate, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Raw(answering(OK), context) as server:
        make(server.url).send("GET", "/x")
        assert f"Authorization: Bearer {KEY}".encode() in server.received
        assert b"Basic" not in server.received


def test_cookies_are_not_kept(make):
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 2\r\n\r\n{}"
    with Raw(answering(answer)) as server:
        transport = make(server.url)
        transport.send("GET", "/x")
        transport.send("GET", "/x")
        assert b"Cookie:" not in server.received


# The pool, threads and forks


def test_connections_and_threads_are_used_again(make, monkeypatch):
    threads = set()
    run = module._Job.run

    def watched(job):
        threads.add(threading.get_ident())
        run(job)

    monkeypatch.setattr(module._Job, "run", watched)
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        for _ in range(50):
            transport.send("POST", "/x", {})
        assert server.connections == 1
        assert len(threads) == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(make, monkeypatch):
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send("GET", "/x")
        monkeypatch.setattr(module, "_MAX_IDLE", 0.05)
        time.sleep(0.1)
        transport.send("POST", "/x", {})
        assert server.connections == 2


def test_a_connection_that_the_server_closed_is_not_used_again(make):
    with Raw(answering_once(OK)) as server:
        transport = make(server.url)
        transport.send("GET", "/x")
        time.sleep(0.1)
        assert transport.send("POST", "/x", {}).status == 200


def test_some_threads_share_one_transport(make):
    with Sandbox() as box:
        transport = make(box.base_url)
        bad = []

        def work(n):
            for i in range(20):
                body = {"contacts": [{"email": f"{n}-{i}@x.example"}]}
                answer = transport.send("POST", "/contacts/batch", body)
                if f"{n}-{i}@x.example".encode() not in answer.body:
                    bad.append(answer)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bad == []
        assert len(box.contacts) == 240


def test_idle_threads_end(make, monkeypatch):
    monkeypatch.setattr(module, "_WORKER_IDLE", 0.05)
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send("GET", "/x")
        end = time.monotonic() + 2
        while transport._state.workers._idle and time.monotonic() < end:
            time.sleep(0.01)
        assert transport._state.workers._idle == []
        assert transport.send("GET", "/x").status == 200


def test_more_threads_than_are_kept_end_at_once(make, monkeypatch):
    monkeypatch.setattr(module, "_MAX_IDLE_WORKERS", 0)
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send("GET", "/x")
        assert transport._state.workers._idle == []


def test_a_thread_that_is_taken_as_it_ends_does_the_work(monkeypatch):
    monkeypatch.setattr(module, "_WORKER_IDLE", 0.02)
    workers = module._Workers()
    ran = threading.Event()

    class Job:
        call = module._Call()

        def run(self):
            ran.set()

    inbox: SimpleQueue[Any] = SimpleQueue()
    # Not in the list of the idle: taken, and its job not there yet.
    thread = threading.Thread(target=workers._work, args=(inbox,), daemon=True)
    thread.start()
    time.sleep(0.06)
    assert thread.is_alive()
    inbox.put(Job())
    assert ran.wait(1)
    thread.join(1)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_uses_connections_and_threads_of_its_own(make):
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        transport.send("GET", "/x")
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            code = 1
            with contextlib.suppress(BaseException):
                code = 0 if transport.send("GET", "/x").status == 200 else 1
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert transport.send("GET", "/x").status == 200
        assert server.connections == 2


def test_a_state_of_another_process_is_left_alone(make):
    with Raw(answering(OK)) as server:
        transport = make(server.url)
        old = transport._state
        old.pid = -1
        assert transport.send("GET", "/x").status == 200
        assert transport._state is not old
        assert old in module._abandoned


def everything_a_report_shows(error):
    while error is not None:
        yield repr(vars(error)) + str(error)
        request = getattr(error, "request", None)
        yield repr(getattr(request, "headers", None))
        trace = error.__traceback__
        while trace is not None:
            yield repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("fault", ["refused", "reset", "drip", "mistake"])
def test_no_report_of_an_error_shows_the_key(make, monkeypatch, fault):
    with Sandbox() as box:
        transport = make(box.base_url, deadline=0.3)
        if fault == "refused":
            box.stop()
        elif fault == "mistake":
            monkeypatch.setattr(HTTPConnectionPool, "urlopen", lambda *_, **headers: 1 / 0)
        else:
            box.fail("drop" if fault == "reset" else "drip")

        with pytest.raises((NotSent, NoAnswer, ZeroDivisionError)) as caught:
            transport.send("POST", "/contacts/batch", {"contacts": []})

    shown = list(everything_a_report_shows(caught.value))
    assert KEY not in "".join(shown)
    assert any("_exchange" in text or "endpoint" in text for text in shown)


def test_paths_are_sent_as_they_are(make):
    with Raw(answering(OK)) as server:
        make(server.url).send("GET", "/a/%2E%2E/b%2Fc")
        assert server.received.startswith(b"GET /a/%2E%2E/b%2Fc HTTP/1.1")


def test_scrub_goes_into_lists_and_dicts(make):
    transport = make("https://api.example")
    assert transport.scrub({KEY: [f"a{KEY}b", 1, None]}) == {"***": ["a***b", 1, None]}
