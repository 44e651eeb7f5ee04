"""What a call of the API can end in when it is not a success; the codes are in ``error_codes``.

    ConversionError
    ├── NotSent             NOT_SENT             certainly never sent: DNS, connect, TLS, proxy
    ├── Withheld            WITHHELD             the caller forbade it right before its first byte
    ├── NoAnswer            NO_ANSWER            may have arrived; no usable answer came back
    ├── Redirected          REDIRECTED           3xx; never followed, the key stays here
    ├── ContentRefused      CONTENT_REFUSED      its size or content was refused before the API
    ├── ForeignAnswer       FOREIGN_ANSWER       any other 4xx that is not the API's: a router's
    ├── Bug                 BUG                  this client failed on the call
    └── ApiError                                 the API's own answer, in its own envelope
        ├── ValidationFailed  VALIDATION_ERROR
        ├── Duplicate         DUPLICATE_ERROR
        ├── NotFound          NOT_FOUND
        ├── RateLimited       RATE_LIMIT_EXCEEDED, or HTTP 429
        ├── Unavailable       UNAVAILABLE: HTTP 503 that says when to come back
        ├── Unauthorized      UNAUTHORIZED, or HTTP 401
        ├── ServerError       INTERNAL_ERROR, or any other 5xx that has a message
        └── Refused           any other code, or 4xx in the API's envelope

    ConfigurationError      a ValueError, outside the tree: whoever handles faults of the
                            channel must not swallow a wrong setting

No text of these errors holds the API key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from conversion_sync.api.error_codes import ErrorCode

__all__ = [
    "ApiError",
    "Bug",
    "ConfigurationError",
    "ContentRefused",
    "ConversionError",
    "Duplicate",
    "ErrorCode",
    "ForeignAnswer",
    "ItemError",
    "NoAnswer",
    "NotFound",
    "NotSent",
    "RateLimited",
    "Redirected",
    "Refused",
    "ServerError",
    "Unauthorized",
    "Unavailable",
    "ValidationFailed",
    "Withheld",
    "api_error_class",
    "is_documented",
]


class ConfigurationError(ValueError):
    """The base URL or the API key can't be used. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why the API refused one item of a batch.

    ``index`` counts from 0; ``key`` is the email or the company id. Where it comes from a batch
    that the client made, ``key`` is the caller's own spelling.
    """

    index: int | None
    key: str | None
    code: str
    message: str


class ConversionError(Exception):
    """A call did not succeed.

    Args:
        message: for people; never holds the API key.
        code: the vendor's code, or an `ErrorCode`; that of the class (see the tree) by default.
        status: the HTTP status, or None where no answer came.
        endpoint: the template, like ``"POST /contacts/batch"``; no email or id is in it.

    Only its subclasses are raised.
    """

    default_code: ClassVar[ErrorCode]

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        status: int | None = None,
        endpoint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code: str = code or self.default_code
        self.status = status
        self.endpoint = endpoint

    def __str__(self) -> str:
        where = ", ".join(
            part for part in (self.endpoint, f"HTTP {self.status}" if self.status else "") if part
        )
        text = f"{self.code}: {self.message}" if self.message else self.code
        return f"{text} ({where})" if where else text


class NotSent(ConversionError):
    """The request certainly never left: name resolution, connect, TLS handshake, proxy."""

    default_code = ErrorCode.NOT_SENT


class Withheld(ConversionError):
    """The caller forbade the call right before its first byte: nothing was sent."""

    default_code = ErrorCode.WITHHELD


class NoAnswer(ConversionError):
    """The request may have arrived, but no usable answer came.

    A deadline, a reset, or a 2xx or 5xx that is not the API's: broken JSON, an HTML page, too
    large, nested too deep. ``status`` is kept where there was one.
    """

    default_code = ErrorCode.NO_ANSWER


class Redirected(ConversionError):
    """The server answered 3xx. It was not followed; ``location`` says where it pointed."""

    default_code = ErrorCode.REDIRECTED

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        status: int | None = None,
        endpoint: str = "",
        location: str = "",
    ) -> None:
        super().__init__(message, code=code, status=status, endpoint=endpoint)
        self.location = location


class ContentRefused(ConversionError):
    """The size or the content of the call was refused, most likely by something before the API.

    HTTP 413, 414 and 431; 400, 403, 405 and 422 in another form than the API's. Nothing was done.
    """

    default_code = ErrorCode.CONTENT_REFUSED


class ForeignAnswer(ConversionError):
    """Any other 4xx that is not in the API's envelope, such as the 404 of a router.

    It says nothing of the record that was asked for.
    """

    default_code = ErrorCode.FOREIGN_ANSWER


class Bug(ConversionError):
    """This client failed on the call, which may have been made. Nothing is said of the channel."""

    default_code = ErrorCode.BUG


class ApiError(ConversionError):
    """The API itself answered, and said no.

    Args:
        details: what the envelope carried as details, as it came.
        retry_after: seconds to wait, from ``Retry-After``; not capped; None if absent or garbage.
        items: those details which name items of the batch.
    """

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        status: int | None = None,
        endpoint: str = "",
        details: Any = None,
        retry_after: float | None = None,
        items: list[ItemError] | None = None,
    ) -> None:
        super().__init__(message, code=code, status=status, endpoint=endpoint)
        self.details = details
        self.retry_after = retry_after
        self.items: list[ItemError] = list(items or ())


class ValidationFailed(ApiError):
    """The content of the request was refused."""

    default_code = ErrorCode.VALIDATION_ERROR


class Duplicate(ApiError):
    """What was sent clashes with what is there."""

    default_code = ErrorCode.DUPLICATE_ERROR


class NotFound(ApiError):
    """No such record, in the API's own envelope and code; any other 404 is a `ForeignAnswer`."""

    default_code = ErrorCode.NOT_FOUND


class RateLimited(ApiError):
    """Too many calls; ``retry_after`` is None where the API did not say for how long."""

    default_code = ErrorCode.RATE_LIMIT_EXCEEDED


class Unavailable(ApiError):
    """HTTP 503 with ``Retry-After``, in any form: nothing was done, come back later."""

    default_code = ErrorCode.UNAVAILABLE


class Unauthorized(ApiError):
    """The API key is not accepted."""

    default_code = ErrorCode.UNAUTHORIZED


class ServerError(ApiError):
    """The API says that it failed; it may have done the work before."""

    default_code = ErrorCode.INTERNAL_ERROR


class Refused(ApiError):
    """Any other refusal in the API's envelope: HTTP 403, another 4xx, an unknown code."""

    default_code = ErrorCode.FORBIDDEN


_BY_CODE: dict[str, type[ApiError]] = {
    error.default_code: error
    for error in (ValidationFailed, Duplicate, NotFound, RateLimited, Unauthorized, ServerError)
}


def api_error_class(code: str, status: int | None = None) -> type[ApiError]:
    """Return the class for a vendor code; HTTP 429 and 401 decide over any code.

    A 5xx may have been recorded first: only a code that says that it was refused is believed.
    """
    if status == 429:
        return RateLimited
    if status == 401:
        return Unauthorized
    failed = status is not None and status >= 500
    if failed and code == NotFound.default_code:
        return ServerError
    return _BY_CODE.get(code, ServerError if failed else Refused)


def is_documented(code: str) -> bool:
    """Tell whether this is one of the vendor's documented codes."""
    return code in _BY_CODE
