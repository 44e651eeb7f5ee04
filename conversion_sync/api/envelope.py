"""The envelope of the seed's answers: a success, or which failure it says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conversion_sync.api.error_codes import code_for_status
from conversion_sync.api.errors import (
    ApiError,
    ContentRefused,
    ForeignAnswer,
    NoAnswer,
    NotFound,
    Refused,
    ServerError,
    Unavailable,
    api_error_class,
    is_documented,
)
from conversion_sync.api.item_errors import item_errors
from conversion_sync.api.lenient import read_code, read_text
from conversion_sync.api.retry_after import parse_retry_after

__all__ = ["read_envelope"]

#: Levels of a value that is nested in others. No record needs so many, and what reads, compares
#: or shows a value may recur once or twice for each.
MAX_DEPTH = 64

#: With these something refuses the size of a call, whoever it is.
_SIZE = frozenset({413, 414, 431})

#: With these, where they are not the API's own words, something before it refuses the content.
_CONTENT = frozenset({400, 403, 405, 422})


@dataclass(frozen=True, slots=True)
class _Said:
    """What a failure says, in whichever of the accepted forms.

    ``is_own``: the API says so, not something before it. ``success: false`` is in each of its
    failures (documented), and its codes are its own; but routers have the word NOT_FOUND, too.
    """

    is_own: bool
    code: str
    message: str
    details: Any


def read_envelope(
    status: int, headers: Mapping[str, str], body: bytes, endpoint: str = ""
) -> dict[str, Any]:
    """Return the envelope of a success. ``success`` decides, not the HTTP status (documented).

    Raises:
        ApiError: a failure in one of the accepted envelopes, HTTP 401 or 429 in any form, or 503
            that says when to come back.
        ContentRefused: 413, 414, 431; 400, 403, 405 or 422 that is not the API's.
        ForeignAnswer: any other 4xx that is not the API's.
        NoAnswer: anything else.
    """
    answer = _json(body)
    envelope = answer if isinstance(answer, dict) else {}
    if envelope.get("success") is True and 200 <= status < 300:
        return envelope
    said = _said(envelope)
    retry_after = parse_retry_after(headers.get("Retry-After"))
    if made := _api_error_class(status, said, retry_after):
        raise made(
            said.message or f"The API answered HTTP {status}.",
            code=_code_of(made, status, said),
            status=status,
            endpoint=endpoint,
            details=said.details,
            retry_after=retry_after,
            items=item_errors(said.details),
        )
    if 400 <= status < 500:
        foreign = ContentRefused if status in _SIZE | _CONTENT else ForeignAnswer
        reason = said.message or "no message of the API's"
        raise foreign(f"HTTP {status}: {reason}", status=status, endpoint=endpoint)
    raise NoAnswer(_why_unusable(answer, body), status=status, endpoint=endpoint)


def _api_error_class(status: int, said: _Said, retry_after: float | None) -> type[ApiError] | None:
    """Return whose failure this is, by code and status; None where it is not the API's."""
    if status in (401, 429):
        return api_error_class(said.code, status)
    if status == 503 and retry_after is not None:
        return Unavailable
    if said.is_own:
        if status in _SIZE and not is_documented(said.code):
            return None
        # The code is what tells the API's word from a router's.
        if not said.code and status == 404:
            return None
        return api_error_class(said.code or code_for_status(status), status)
    # A 502 or 504 is a gateway's word, whatever it says.
    if status >= 500 and status not in (502, 504) and (said.message or said.code):
        return ServerError
    return None


def _code_of(made: type[ApiError], status: int, said: _Said) -> str:
    if made is Refused or (made is ServerError and not is_documented(said.code)):
        return said.code or code_for_status(status)
    return made.default_code


def _json(body: bytes) -> Any:
    """Return the JSON value in UTF-8; None for anything else, and for one nested too deep."""
    try:
        return _sound(json.loads(body.decode("utf-8-sig")), MAX_DEPTH)
    except (ValueError, RecursionError):
        return None


def _sound(value: Any, levels: int) -> Any:
    """Return the value with texts that can be encoded again: half a pair of surrogates can't.

    Raises:
        ValueError: it has more than so many levels.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if not isinstance(value, list | dict):
        return value
    if not levels:
        raise ValueError("nested too deep")
    if isinstance(value, list):
        return [_sound(item, levels - 1) for item in value]
    return {_sound(name, levels): _sound(item, levels - 1) for name, item in value.items()}


def _why_unusable(answer: Any, body: bytes) -> str:
    if not body:
        return "The answer is empty."
    if body.lstrip()[:1] == b"<":
        return "The answer is a page, not JSON."
    if answer is None:
        return "The answer is not valid JSON, or is nested too deep."
    return "The answer is not in the API's envelope."


def _said(envelope: Mapping[str, Any]) -> _Said:
    error = envelope.get("error")
    inner: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
    code = read_code(inner.get("code")) or read_code(envelope.get("code"))
    message = read_text(inner.get("message")) or read_text(envelope.get("message"))
    if isinstance(error, str):
        if not code and re.fullmatch(r"[A-Z]+(_[A-Z]+)+", error):
            code = error
        message = message or read_text(error)
    details = next(
        (
            found
            for holder in (inner, envelope)
            for name in ("details", "errors")
            if (found := holder.get(name)) is not None
        ),
        None,
    )
    success = envelope.get("success")
    own_code = success is None and is_documented(code) and code != NotFound.default_code
    return _Said(success is False or own_code, code, message, details)
