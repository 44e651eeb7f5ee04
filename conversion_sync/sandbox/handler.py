"""One connection of the stand-in: the API under /api/v1, a page at /, control under /_sandbox."""

from __future__ import annotations

import json
import time
from typing import Any

from conversion_sync.api.errors import ErrorCode
from conversion_sync.sandbox.control import CONTROL_PREFIX, control
from conversion_sync.sandbox.failing import Failing
from conversion_sync.sandbox.faults import Request
from conversion_sync.sandbox.pages import PAGE_HEADERS, is_local_name
from conversion_sync.sandbox.replies import failure
from conversion_sync.sandbox.routes import keys_of, normal_keys, route
from conversion_sync.sandbox.traffic import Call

__all__ = ["API_PREFIX", "Handler"]

API_PREFIX = "/api/v1"

_MAX_BODY = 64 * 1024 * 1024


class Handler(Failing):
    """Has each request answered by the API, the control or the pages."""

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
        site = self.site
        if path.startswith(API_PREFIX + "/") and site.serves_api:
            self._serve(path.removeprefix(API_PREFIX), raw)
        elif not is_local_name(self.headers.get("Host", ""), site.server_name):
            self.send_page(421)
        elif path.startswith(CONTROL_PREFIX + "/"):
            self._control(path.removeprefix(CONTROL_PREFIX), raw)
        elif path == "/" and site.pages_at:
            self.send(302, b"", "text/plain", {"Location": site.pages_at})
        else:
            self._show(raw)

    def _control(self, path: str, raw: bytes) -> None:
        self.reply(control(self.app, self.command, path, self.headers, raw))

    def _show(self, raw: bytes) -> None:
        app = self.app
        answer = app.pages.answer(self.command, self.path, raw, self.headers, app.base_url)
        if answer is None:
            self.send_page(404)
            return
        headers = PAGE_HEADERS | ({"Location": answer.location} if answer.location else {})
        self.send(answer.status, answer.html.encode(), "text/html; charset=utf-8", headers)

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.close_connection = True
            self.reply(failure(411, ErrorCode.VALIDATION_ERROR, "A Content-Length is required"))
            return None
        if int(length) > _MAX_BODY:
            self.close_connection = True
            self.reply(failure(413, ErrorCode.VALIDATION_ERROR, "The body is too large"))
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
        app.hooks.run("before", request)
        if app.troubles.latency:
            app.stopping.wait(app.troubles.latency)
        fault = app.plan.take(request)
        call.fault = fault.kind if fault else ""
        if fault and self.fails_before_work(fault, call):
            return
        if fault and fault.kind == "interim":
            self.send_interim(fault)
        reply = app.admit(self.headers.get("Authorization", ""))
        if reply is None and not found:
            app.traffic.answered(call, 404)
            self.send_page(404)
            return
        if reply is None and not readable:
            reply = failure(400, ErrorCode.VALIDATION_ERROR, "The body is not valid JSON")
        if reply is None:
            reply = app.endpoints.handle(endpoint, key, body)
        app.hooks.run("after", request)
        if fault and fault.kind != "interim":
            self.fails_after_work(fault, call, reply)
        else:
            app.traffic.answered(call, reply.status)
            self.reply(reply)
