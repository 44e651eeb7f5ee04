"""The client of this process, and calls of it that never raise."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from conversion_sync.api import CallRecord, Client, ConversionError
from conversion_sync.conf import conf

__all__ = ["Answer", "client", "together", "tried"]

T = TypeVar("T")
_local = threading.local()
_clients: dict[tuple[Any, ...], Client] = {}


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What came of a call: a value or an error, and its line (``call``) in the call log."""

    value: T | None
    error: ConversionError | None
    record: CallRecord | None
    call: int | None = None


def client() -> Client:
    """The client of this process for the settings as they are now.

    Raises:
        ConfigurationError: the key or the URL can't be used.
    """
    wanted = (os.getpid(), conf.api_key, conf.base_url, conf.call_deadline)
    if wanted not in _clients:
        made = Client(conf.api_key, conf.base_url, deadline=conf.call_deadline, on_call=_remember)
        _clients.clear()
        _clients[wanted] = made
    return _clients[wanted]


def _remember(record: CallRecord) -> None:
    _local.record = record


def tried(call: Callable[[], T]) -> Answer[T]:
    """Make the call in this thread."""
    _local.record = None
    try:
        value = call()
    except ConversionError as error:
        return Answer(None, error, _local.record)
    return Answer(value, None, _local.record)


def together(calls: Sequence[Callable[[], T]]) -> list[Answer[T]]:
    """Make the calls at once, each in a thread of its own; the answers in their order."""
    if len(calls) == 1:
        return [tried(calls[0])]
    with ThreadPoolExecutor(len(calls), thread_name_prefix="conversion-call") as pool:
        return list(pool.map(tried, calls))
