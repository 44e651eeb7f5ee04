"""What went wrong below HTTP: in a few words, and without what an error report should not show."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterator
from typing import Any

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from conversion_sync.api.secret import Secret

__all__ = ["forget_secrets", "is_not_sent", "is_of_the_channel", "is_overdue", "reason"]

_REASON_LENGTH = 200


def is_of_the_channel(error: BaseException) -> bool:
    """Tell whether this is a failure of the network and not of this program."""
    return isinstance(error, requests.RequestException | HTTPError | OSError)


def is_not_sent(error: BaseException) -> bool:
    """Tell by its type whether an error came before anything was sent."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    if isinstance(
        error, (requests.exceptions.SSLError, requests.exceptions.ProxyError, ValueError)
    ):
        return True
    return isinstance(_root(error), (NewConnectionError, ConnectTimeoutError, SSLError, ProxyError))


def is_overdue(error: BaseException) -> bool:
    """Tell whether nothing came for as long as the socket waits."""
    return isinstance(_root(error), ReadTimeoutError)


def reason(error: BaseException) -> str:
    """Return a short text; the long ones of urllib3 hold object reprs and paths with emails."""
    root = _root(error)
    name = type(root).__name__
    texts = (each.strerror or _plain(each) for each in _below(root) if isinstance(each, OSError))
    text = next(filter(None, texts), "")
    return f"{name}: {text}" if text else name


def _plain(error: OSError) -> str:
    """Return the text of an error that has no number, such as that of a missing CA file."""
    if error.errno is not None or isinstance(error, requests.RequestException):
        return ""
    return " ".join(str(error).split())[:_REASON_LENGTH]


def _root(error: BaseException) -> BaseException:
    """Return what urllib3 said, from under what requests made of it."""
    inner = error.args[0] if error.args else None
    if isinstance(inner, MaxRetryError) and inner.reason is not None:
        return inner.reason
    return inner if isinstance(inner, BaseException) else error


def forget_secrets(error: BaseException, secret: Secret) -> None:
    """Take from an error what a report of it would show: locals, requests, texts with the key.

    The locals of libraries hold the headers, and those of this package what the server said.
    """
    for each in _below(error):
        traceback.clear_frames(each.__traceback__)
        each.args = tuple(secret.hide(arg) if isinstance(arg, str) else arg for arg in each.args)
        for name, value in vars(each).items():
            if isinstance(value, str):
                setattr(each, name, secret.hide(value))
        if isinstance(each, requests.RequestException):
            each.request = each.response = None


def _below(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and all that it holds and was raised from, the nearest first."""
    seen: list[BaseException] = []
    waiting: deque[Any] = deque([error])
    while waiting:
        each = waiting.popleft()
        if isinstance(each, BaseException) and not any(each is one for one in seen):
            seen.append(each)
            yield each
            inner = (getattr(each, name, None) for name in ("reason", "original_error"))
            waiting += [*each.args, *inner, each.__cause__, each.__context__]
