"""The stand-in over HTTP: the API under /api/v1, a page at /, control under /_sandbox."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from conversion_sync.api.wire import SUBSCRIPTION_STATUSES
from conversion_sync.sandbox.endpoints import (
    Endpoints,
    Reply,
    failure,
    keys_of,
    normal_keys,
    route,
)
from conversion_sync.sandbox.faults import Fault, FaultPlan, Request, parse_spec
from conversion_sync.sandbox.page import render
from conversion_sync.sandbox.store import Store
from conversion_sync.sandbox.traffic import Call, RateLimit, Traffic

__all__ = ["API_PREFIX", "CONTROL_PREFIX", "App", "Hook", "SandboxServer"]

API_PREFIX = "/api/v1"
CONTROL_PREFIX = "/_sandbox"

_MAX_BODY = 64 * 1024 * 1024
_STATE_ROWS = 1000
_NOT_THE_API = "<!doctype html><title>Error</title><h1>{status}</h1><p>Not the API.</p>"
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_STATUS_BEFORE_WORK = {
    "drop_before": 0,
    "html": 200,
    "poison": 500,
    "redirect": 302,
    "status": 500,
    "success_false_200": 200,
}
_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_CODES = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "DUPLICATE_ERROR",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMIT_EXCEEDED",
}


@dataclass
class Hook:
    """A function to call in a request's thread, before its work or before its answer."""

    moment: str
    call: Callable[[Request], Any]
    method: str | None = None
    path: str | None = None
    when: Callable[[Any], bool] | None = None
    count: int | None = 1


class App:
    """What the handlers share."""

    def __init__(
        self,
        store: Store,
        *,
        rate: float = 10,
        latency: float = 0,
        keys: Iterable[str] = (),
        max_batch: int = 200,
        item_errors: bool = False,
        details: bool = True,
        seed: int | None = None,
        keep_bodies: bool = True,
        calls_limit: int = 10_000,
    ) -> None:
        self.store = store
        self.endpoints = Endpoints(
            store, max_batch=max_batch, item_errors=item_errors, details=details
        )
        self.traffic = Traffic(calls_limit)
        self.limit = RateLimit(rate)
        self.plan = FaultPlan(seed)
        self.latency = latency
        self.keys = frozenset(keys)
        self.keep_bodies = keep_bodies
        self.base_url = ""
        self.stopping = threading.Event()
        self._hooks: list[Hook] = []
        self._lock = threading.Lock()

    def add_hook(self, hook: Hook) -> None:
        """Append a hook."""
        with self._lock:
            self._hooks.append(hook)

    def run_hooks(self, moment: str, request: Request) -> None:
        """Call the hooks that fit, each counted down."""
        with self._lock:
            due = []
            for hook in list(self._hooks):
                filter = Fault("status", method=hook.method, path=hook.path, when=hook.when)
                if hook.moment != moment or not filter.fits(request):
                    continue
                due.append(hook)
                if hook.count is not None:
                    hook.count -= 1
                    if hook.count <= 0:
                        self._hooks.remove(hook)
        for hook in due:
            hook.call(request)

    def admit(self, authorization: str) -> Reply | None:
        """Return the refusal for a missing or wrong key or for too many calls, else None."""
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key or (self.keys and key not in self.keys):
            return failure(401, "UNAUTHORIZED", "The API key is missing or not valid")
        if wait := self.limit.take(key):
            reply = failure(429, "RATE_LIMIT_EXCEEDED", "Too many requests")
            reply.headers["Retry-After"] = str(wait)
            return reply
        return None

    def reset(self) -> None:
        """Forget records, calls, faults and hooks."""
        self.store.reset()
        self.traffic.reset()
        self.limit.clear()
        self.plan.clear()
        with self._lock:
            self._hooks.clear()

    def state(self) -> dict[str, Any]:
        """Return the state as JSON; lists are cut to the latest."""
        contacts, companies = self.store.contacts, self.store.companies
        engagements = self.store.engagements
        return {
            "counts": {
                "contacts": len(contacts),
                "companies": len(companies),
                "engagements": len(engagements),
            },
            "contacts": dict(list(contacts.items())[-_STATE_ROWS:]),
            "companies": dict(list(companies.items())[-_STATE_ROWS:]),
            "engagements": engagements[-_STATE_ROWS:],
            "counters": self.traffic.counters(),
            "worst_second": self.traffic.worst_second,
            "calls": [call.as_json() for call in self.traffic.calls[-_STATE_ROWS:]],
            "faults": [str(fault) for fault in self.plan.waiting],
        }

    def page(self) -> str:
        """Return the page for people."""
        return render(
            base_url=self.base_url,
            contacts=self.store.contacts,
            companies=self.store.companies,
            engagements=self.store.engagements,
            calls=self.traffic.calls,
            counters=self.traffic.counters(),
            faults=self.plan.waiting,
            rate=self.limit.rate,
        )


class SandboxServer(ThreadingHTTPServer):
    """Threads for connections; stopping it ends the connections that are kept alive, too."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], app: App) -> None:
        self.app = app
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer looks up its own name here, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: clients that go away are part of the play."""

    def stop(self) -> None:
        """Stop listening, and cut every connection."""
        self.app.stopping.set()
        self.shutdown()
        self.server_close()
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ConversionSandbox"
    sys_version = ""
    # Header and body in two packets would wait 40 ms for each other.
    disable_nagle_algorithm = True
    rbufsize = 64 * 1024

    @property
    def app(self) -> App:
        return cast(SandboxServer, self.server).app

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent; the page and the state show the calls."""

    def do_GET(self) -> None:
        self._dispatch()

    def do_POST(self) -> None:
        self._dispatch()

    def do_DELETE(self) -> None:
        self._dispatch()

    def do_PUT(self) -> None:
        self._dispatch()

    def do_PATCH(self) -> None:
        self._dispatch()

    def _dispatch(self) -> None:
        raw = self._read_body()
        if raw is None:
            return
        path = self.path.partition("?")[0]
        if path == "/" and self.command == "GET":
            self._send(200, self.app.page().encode(), "text/html; charset=utf-8", _PAGE_HEADERS)
        elif path.startswith(CONTROL_PREFIX + "/"):
            self._reply(self._control(path.removeprefix(CONTROL_PREFIX), raw))
        elif path.startswith(API_PREFIX + "/"):
            self._serve(path.removeprefix(API_PREFIX), raw)
        else:
            self._send_page(404)

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.close_connection = True
            self._reply(failure(411, "VALIDATION_ERROR", "A Content-Length is required"))
            return None
        if int(length) > _MAX_BODY:
            self.close_connection = True
            self._reply(failure(413, "VALIDATION_ERROR", "The body is too large"))
            return None
        raw = self.rfile.read(int(length))
        if len(raw) < int(length):  # the client went away: what it sent was never a request
            self.close_connection = True
            return None
        return raw

    # The API

    def _serve(self, path: str, raw: bytes) -> None:
        app = self.app
        found = route(self.command, path)
        endpoint, key = found or ("", "")
        try:
            body = json.loads(raw) if raw else None
            readable = True
        except (ValueError, RecursionError):
            body, readable = None, False
        keys = keys_of(endpoint, key, body) if found else []
        call = Call(
            time=time.time(),
            method=self.command,
            path=path,
            rows=len(keys),
            keys=keys,
            client=f"{self.client_address[0]} {self.headers.get('User-Agent', '')}".strip(),
            body=body if app.keep_bodies else None,
        )
        app.traffic.arrived(call, endpoint or "unknown")
        request = Request(
            self.command, path, body, normal_keys(endpoint, keys), dict(self.headers.items())
        )
        app.run_hooks("before", request)
        if app.latency:
            app.stopping.wait(app.latency)
        fault = app.plan.take(request)
        call.fault = fault.kind if fault else ""
        if fault and self._fails_before_work(fault, call):
            return
        reply = app.admit(self.headers.get("Authorization", ""))
        if reply is None and not found:
            app.traffic.answered(call, 404)
            self._send_page(404)
            return
        if reply is None and not readable:
            reply = failure(400, "VALIDATION_ERROR", "The body is not valid JSON")
        if reply is None:
            reply = app.endpoints.handle(endpoint, key, body)
        app.run_hooks("after", request)
        if fault:
            self._fails_after_work(fault, call, reply)
        else:
            app.traffic.answered(call, reply.status)
            self._reply(reply)

    def _fails_before_work(self, fault: Fault, call: Call) -> bool:
        """Answer for those faults that keep the work from being done; return whether it was."""
        kind = fault.kind
        if kind not in _STATUS_BEFORE_WORK:
            return False
        status = 200 if kind == "success_false_200" else fault.status or _STATUS_BEFORE_WORK[kind]
        # Noted before it is sent: a client that has the answer finds it in the log.
        self.app.traffic.answered(call, status)
        if kind == "drop_before":
            self._reset()
        elif kind == "html" or fault.html:
            self._send_page(status)
        elif kind == "redirect":
            self._send(status, b"", "text/plain", {"Location": fault.location, **fault.headers})
        else:
            code = fault.code or _CODES.get(status, "INTERNAL_ERROR")
            reply = failure(status, code, fault.message)
            if fault.body is not None:
                reply.body = fault.body
            reply.headers.update(fault.headers)
            self._reply(reply)
        return True

    def _fails_after_work(self, fault: Fault, call: Call, reply: Reply) -> None:
        content = json.dumps(reply.body).encode()
        status = reply.status
        if fault.kind in ("drop_after", "hang"):
            self.app.traffic.answered(call, 0)
            if fault.kind == "hang":
                self.app.stopping.wait(fault.seconds)
            self._reset()
            return
        self.app.traffic.answered(call, status)
        if fault.kind == "drip":
            self._drip(status, content, fault.rate)
        elif fault.kind == "truncated_json":
            self._send(status, content[: len(content) // 2], "application/json")
        elif fault.kind == "garbage":
            self._send(status, b"\x00\xff<<not json>>", "application/json")
        elif fault.kind == "huge":
            self._send_huge(status, fault.size or 64 * 1024 * 1024)
        else:
            self._reply(replace(reply, body=_changed(fault, reply.body)))

    # The control

    def _control(self, path: str, raw: bytes) -> Reply:
        try:
            body = json.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise ValueError("The body must be an object.")
            return self._controlled(path, body)
        except (ValueError, TypeError) as error:
            return failure(400, "VALIDATION_ERROR", str(error))
        except KeyError as error:
            return failure(404, "NOT_FOUND", f"Not known: {error}")

    def _controlled(self, path: str, body: Mapping[str, Any]) -> Reply:
        app = self.app
        match self.command, path:
            case "GET", "/state":
                return Reply(200, app.state())
            case "POST", "/reset":
                app.reset()
            case "POST", "/faults":
                app.plan.add(parse_spec(body["spec"]) if "spec" in body else Fault(**body))
            case "DELETE", "/faults":
                app.plan.clear()
            case "POST", "/contacts/status":
                if body["status"] not in SUBSCRIPTION_STATUSES:
                    raise ValueError(f"A status is one of {', '.join(SUBSCRIPTION_STATUSES)}.")
                app.store.set_statuses([(str(body["email"]), body["status"])])
            case _:
                return failure(404, "NOT_FOUND", "No such control")
        return Reply(200, {"success": True})

    # Sending

    def _reply(self, reply: Reply) -> None:
        self._send(reply.status, json.dumps(reply.body).encode(), headers=reply.headers)

    def _send_page(self, status: int) -> None:
        page = _NOT_THE_API.format(status=status)
        self._send(status, page.encode(), "text/html; charset=utf-8")

    def _head(
        self, status: int, length: int, kind: str, headers: Mapping[str, str] | None = None
    ) -> bytes:
        phrase = _PHRASES.get(status, "")
        lines = [
            f"HTTP/1.1 {status} {phrase}",
            f"Date: {self.date_time_string()}",
            f"Content-Type: {kind}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        if self.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _send(
        self,
        status: int,
        content: bytes,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.wfile.write(self._head(status, len(content), kind, headers) + content)

    def _drip(self, status: int, content: bytes, rate: float) -> None:
        for byte in self._head(status, len(content), "application/json") + content:
            self.wfile.write(bytes((byte,)))
            if self.app.stopping.wait(1 / rate):
                break

    def _send_huge(self, status: int, size: int) -> None:
        self.wfile.write(self._head(status, size, "application/json"))
        chunk = b" " * min(size, 64 * 1024)
        while size > 0:
            self.wfile.write(chunk[:size])
            size -= len(chunk)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        # Files on the socket keep it open.
        self.rfile.close()


def _changed(fault: Fault, body: Any) -> Any:
    """Return an answer with its list spoiled; any other answer as it is."""
    data = body.get("data")
    if not isinstance(data, list):
        return body
    data = list(data)
    if fault.kind == "short_data":
        data = data[: max(0, len(data) - (1 if fault.size is None else fault.size))]
    elif fault.kind == "reordered":
        data.reverse()
    elif fault.kind == "repeated":
        data = data + data
    elif fault.kind == "strangers":
        data = [None, 7, {}, {"email": "stranger@elsewhere.example", "id": "stranger"}, *data]
    else:
        reason = {"code": fault.code or "VALIDATION_ERROR", "message": fault.message}
        data = [
            {**entry, "success": False, "error": reason}
            if fault.email in (None, entry.get("email"), entry.get("id"))
            else entry
            for entry in data
        ]
    return {**body, "data": data}
