"""A call of the API as data: what is asked, how its answer is read, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from conversion_sync.api.errors import ConversionError

__all__ = ["Answer", "CallRecord", "Envelope", "Request"]

T = TypeVar("T")

#: A success as the API says it: the JSON object of its answer.
Envelope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One call that is to be made. Its repr shows no key of a record and no body.

    Args:
        method: of HTTP.
        path: below the base URL, escaped; it may hold the key of a record.
        endpoint: the template for logs, such as ``"GET /contacts/by-email"``.
        read: returns what a success says; raises NoAnswer where that can't be used.
        body: a JSON object, or None. It is encoded now, so that later changes of it do nothing.
        rows: how many records it carries.
        keys: of a batch, the key of each item in the caller's own spelling, in order.
        normal_key: the form in which those are compared with the answer's.

    ``content`` is the encoded body, in bytes.

    Raises:
        ValueError, TypeError: the body is not JSON (NaN, a date).
    """

    method: str
    path: str = field(repr=False)
    endpoint: str
    read: Callable[[Envelope], T] = field(repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    rows: int = 1
    keys: Sequence[str] = field(default=(), repr=False)
    normal_key: Callable[[str], str] = field(default=str, repr=False)
    content: bytes | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        body = self.body
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        object.__setattr__(self, "content", content)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One HTTP call, for a log. It holds no body, no key of a record and no API key.

    ``endpoint`` is a template (``"GET /contacts/by-email"``); ``started_at`` is ``time.time()``,
    ``duration`` is in seconds; ``status`` is None where no answer came, ``error_code`` "" for a
    success.
    """

    endpoint: str
    rows: int
    started_at: float
    duration: float
    status: int | None
    error_code: str
    error_message: str


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What came of a request: a result or an error, and its record for a log.

    ``error`` is None for a success, whose ``result`` may be None, too (a deletion). ``record`` is
    None where the call was not even tried.
    """

    result: T | None = None
    error: ConversionError | None = None
    record: CallRecord | None = None
