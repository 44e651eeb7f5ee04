"""Addresses that are answered in this process: for tests without a network."""

from __future__ import annotations

import contextlib
import http.client
import io
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, cast

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from conversion_sync.api.calls import Phase, current_call

__all__ = ["Answers", "adapters", "door"]


class Answers(Protocol):
    """Who is behind a door."""

    is_open: bool

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Bytes of HTTP; none where the connection breaks off.

        Args:
            path: what comes after the base URL.
        """


_doors: dict[str, Answers] = {}


@contextlib.contextmanager
def door(base_url: str, answers: Answers) -> Iterator[None]:
    """Have clients of this base URL that are made in the block be answered in this process."""
    _doors[base_url] = answers
    try:
        yield
    finally:
        del _doors[base_url]


def adapters() -> dict[str, BaseAdapter]:
    """What sends to each of them, by base URL."""
    return {base_url: _Adapter(base_url) for base_url in _doors}


class _Refused(requests.ConnectionError):
    """Nobody is there."""


class _Socket:
    """What http.client reads an answer from."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._said)


class _Adapter(BaseAdapter):
    """Hands a request over, and reads what is said."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        behind, call = _doors.get(self._base_url), current_call()
        if call is not None:
            call.enter(Phase.PREPARING)
        if behind is None or not behind.is_open:
            raise _Refused("Nobody is there.")
        if call is not None:
            call.await_turn()
            call.enter(Phase.SENDING)
        path = str(request.url).removeprefix(self._base_url)
        body = request.body or b""
        raw = body.encode() if isinstance(body, str) else body
        said = behind.answer(str(request.method), path, request.headers, raw)
        return _response(request, said)

    def close(self) -> None:
        """Nothing is open."""


def _response(request: requests.PreparedRequest, said: bytes) -> requests.Response:
    read = http.client.HTTPResponse(cast(Any, _Socket(said)), method=request.method)
    try:
        read.begin()
        body = read.read()
    except (http.client.HTTPException, OSError) as error:
        raise requests.ConnectionError("The connection broke off.") from error
    headers = HTTPHeaderDict(read.getheaders())
    found = HTTPResponse(io.BytesIO(body), headers, read.status, preload_content=False)
    return HTTPAdapter().build_response(request, found)
