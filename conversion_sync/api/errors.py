"""What a call of the API can end in, when it is not a success.

    ConversionError
    ├── NotSent             NOT_SENT             certainly never sent: DNS, connect, TLS, proxy
    ├── NoAnswer            NO_ANSWER            may have arrived; no usable answer came back
    ├── Redirected          REDIRECTED           3xx; never followed, the key stays here
    └── ApiError                                 the API's own answer, in its own envelope
        ├── ValidationFailed  VALIDATION_ERROR
        ├── Duplicate         DUPLICATE_ERROR
        ├── NotFound          NOT_FOUND
        ├── RateLimited       RATE_LIMIT_EXCEEDED, or HTTP 429
        ├── Unauthorized      UNAUTHORIZED, or HTTP 401
        ├── ServerError       INTERNAL_ERROR
        └── Refused           HTTP 403, any other 4xx, any other code

    ConfigurationError      a ValueError, outside the tree: whoever handles faults of the
                            channel must not swallow a wrong setting

The codes are documented by the vendor. No text of these errors holds the API key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from conversion_sync.api.client import CallRecord

__all__ = [
    "ApiError",
    "ConfigurationError",
    "ConversionError",
    "Duplicate",
    "ItemError",
    "NoAnswer",
    "NotFound",
    "NotSent",
    "RateLimited",
    "Redirected",
    "Refused",
    "ServerError",
    "Unauthorized",
    "ValidationFailed",
    "api_error_class",
    "code_for_status",
    "is_documented",
]


class ConfigurationError(ValueError):
    """The base URL or the API key can't be used. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why the API refused one item of a batch.

    ``index`` counts from 0; ``key`` is the email or the company id. Where it comes from a batch
    call of the client, ``key`` is the caller's own spelling.
    """

    index: int | None
    key: str | None
    code: str
    message: str


class ConversionError(Exception):
    """A call did not succeed.

    Args:
        message: for people; never holds the API key.
        code: the vendor's code, or one of this module's (see the tree).
        status: the HTTP status, or None where no answer came.
        endpoint: the template, like ``"POST /contacts/batch"``; no email or id is in it.

    ``call`` is the record of the HTTP call, set by the client.
    """

    default_code: ClassVar[str] = "ERROR"

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
        self.code = code or self.default_code
        self.status = status
        self.endpoint = endpoint
        self.call: CallRecord | None = None

    def __str__(self) -> str:
        where = ", ".join(
            part for part in (self.endpoint, f"HTTP {self.status}" if self.status else "") if part
        )
        text = f"{self.code}: {self.message}" if self.message else self.code
        return f"{text} ({where})" if where else text


class NotSent(ConversionError):
    """The request certainly never left: name resolution, connect, TLS handshake, proxy."""

    default_code = "NOT_SENT"


class NoAnswer(ConversionError):
    """The request may have arrived, but no usable answer came.

    A deadline, a reset, broken JSON, an HTML page (a 404 or 5xx too), an answer that is too large,
    or anything else that is not the API's own envelope. ``status`` is kept where there was one.
    """

    default_code = "NO_ANSWER"


class Redirected(ConversionError):
    """The server answered 3xx. It was not followed; ``location`` says where it pointed."""

    default_code = "REDIRECTED"

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

    default_code = "VALIDATION_ERROR"


class Duplicate(ApiError):
    """What was sent clashes with what is there."""

    default_code = "DUPLICATE_ERROR"


class NotFound(ApiError):
    """No such record, in the API's own words: an HTML 404 is a `NoAnswer`."""

    default_code = "NOT_FOUND"


class RateLimited(ApiError):
    """Too many calls; ``retry_after`` is None where the API did not say for how long."""

    default_code = "RATE_LIMIT_EXCEEDED"


class Unauthorized(ApiError):
    """The API key is not accepted."""

    default_code = "UNAUTHORIZED"


class ServerError(ApiError):
    """The API says that it failed."""

    default_code = "INTERNAL_ERROR"


class Refused(ApiError):
    """Any other refusal: HTTP 403, another 4xx, a code this client does not know."""

    default_code = "FORBIDDEN"


_BY_CODE: dict[str, type[ApiError]] = {
    error.default_code: error
    for error in (ValidationFailed, Duplicate, NotFound, RateLimited, Unauthorized, ServerError)
}


def api_error_class(code: str, status: int | None = None) -> type[ApiError]:
    """Return the class for a vendor code; HTTP 429 and 401 decide over any code."""
    if status == 429:
        return RateLimited
    if status == 401:
        return Unauthorized
    return _BY_CODE.get(code, Refused)


def is_documented(code: str) -> bool:
    """Tell whether this is one of the vendor's documented codes."""
    return code in _BY_CODE


_CODE_BY_STATUS = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "DUPLICATE_ERROR",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMIT_EXCEEDED",
}


def code_for_status(status: int) -> str:
    """Return the code to go by where the API's answer gives none."""
    if status >= 500:
        return "INTERNAL_ERROR"
    return _CODE_BY_STATUS.get(status, f"HTTP_{status}")
