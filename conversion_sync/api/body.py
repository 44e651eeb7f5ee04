"""The body of an answer, decoded, and no larger than is allowed."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import requests

__all__ = ["BadEncodingError", "TooLargeError", "read_body"]

_CHUNK = 64 * 1024


class TooLargeError(Exception):
    """The answer passed the size cap."""


class BadEncodingError(Exception):
    """The answer is compressed in a way that was not asked for, or is damaged."""


def read_body(response: requests.Response, max_bytes: int, check: Callable[[], None]) -> bytes:
    """Return the decoded body.

    Args:
        max_bytes: the cap, which holds for each step of the decompression.
        check: called for each part; what it raises ends the reading.

    Raises:
        TooLargeError: it is larger.
        BadEncodingError: it can't be decoded.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise BadEncodingError
    inflate = zlib.decompressobj(31) if "gzip" in encoding else None
    parts: list[bytes] = []
    size = 0
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        check()
        if inflate is not None:
            try:
                chunk = inflate.decompress(chunk, max_bytes + 1 - size)
            except zlib.error as error:
                raise BadEncodingError from error
        size += len(chunk)
        if size > max_bytes:
            raise TooLargeError
        parts.append(chunk)
    # A body of no bytes at all (HEAD-like, 204) is no gzip stream, and need not be one.
    if inflate is not None and parts and not inflate.eof:
        raise BadEncodingError
    return b"".join(parts)
