"""The code of each error that can be stored, and what HTTP's codes stand for."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ErrorCode", "code_for_status"]


class ErrorCode(StrEnum):
    """Each code of ours that can be stored on a row, a call or the gate.

    Besides these there are the codes of the vendor that its page does not name, which are kept as
    they come, and ``HTTP_<status>`` where an answer of the API names none.
    """

    # Documented by the vendor.
    VALIDATION_ERROR = "VALIDATION_ERROR"
    DUPLICATE_ERROR = "DUPLICATE_ERROR"
    NOT_FOUND = "NOT_FOUND"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    UNAUTHORIZED = "UNAUTHORIZED"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    # The API answered, and its status says more than its code.
    #: HTTP 403 without a code.
    FORBIDDEN = "FORBIDDEN"
    #: HTTP 503 that says when to come back.
    UNAVAILABLE = "UNAVAILABLE"
    #: One item of a batch was refused without a code.
    ITEM_ERROR = "ITEM_ERROR"
    #: One item of a batch is missing from its answer.
    MISSING = "MISSING"

    # Something else answered, or nothing did.
    #: The request certainly never left.
    NOT_SENT = "NOT_SENT"
    #: The caller forbade the call right before its first byte.
    WITHHELD = "WITHHELD"
    #: The request may have arrived.
    NO_ANSWER = "NO_ANSWER"
    #: HTTP 3xx.
    REDIRECTED = "REDIRECTED"
    #: Something before the API refused the size or the content.
    CONTENT_REFUSED = "CONTENT_REFUSED"
    #: Any other 4xx that is not the API's.
    FOREIGN_ANSWER = "FOREIGN_ANSWER"
    #: This package failed.
    BUG = "BUG"

    # Of a row; no call was made for it, or not this row was at fault.
    #: It can't be read, written as JSON, or kept as it would be sent.
    UNSENDABLE = "UNSENDABLE"
    #: It was given what can't be stored; something else stands in its place.
    UNSTORABLE = "UNSTORABLE"
    #: Another row holds its key.
    KEY_CLASH = "KEY_CLASH"
    #: An opt-out stands in its way.
    CONSENT_BLOCKED = "CONSENT_BLOCKED"
    #: The API knows nobody by the address that is to be unsubscribed.
    NOTHING_TO_UNSUBSCRIBE = "NOTHING_TO_UNSUBSCRIBE"

    # Of the gate alone.
    #: Several faults of the channel in a row.
    UNREACHABLE = "UNREACHABLE"


_CODE_BY_STATUS = {
    400: ErrorCode.VALIDATION_ERROR,
    401: ErrorCode.UNAUTHORIZED,
    403: ErrorCode.FORBIDDEN,
    409: ErrorCode.DUPLICATE_ERROR,
    422: ErrorCode.VALIDATION_ERROR,
    429: ErrorCode.RATE_LIMIT_EXCEEDED,
}


def code_for_status(status: int) -> str:
    """Return the code to go by where the API's answer gives none."""
    if status >= 500:
        return ErrorCode.INTERNAL_ERROR
    return _CODE_BY_STATUS.get(status, f"HTTP_{status}")
