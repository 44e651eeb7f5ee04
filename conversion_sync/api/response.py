"""One answer read off a connection, that ends it where another might be mistaken for the next."""

from __future__ import annotations

import contextlib
import io
from http.client import BadStatusLine, HTTPResponse
from typing import Any

__all__ = ["Response"]


class _Reader(io.BufferedReader):
    """Reads one answer; at its end it looks whether the server said more."""

    said_more = False

    def __init__(self, sock: Any, raw: Any) -> None:
        super().__init__(raw)
        self._sock = sock

    def close(self) -> None:
        if not self.closed:
            self.said_more = self._has_more()
        super().close()

    def _has_more(self) -> bool:
        timeout = self._sock.gettimeout()
        try:
            self._sock.settimeout(0)
            return bool(self.peek(1))
        except (OSError, ValueError):
            return False
        finally:
            with contextlib.suppress(OSError):
                self._sock.settimeout(timeout)


class Response(HTTPResponse):
    """Waits interim answers out; ends its connection where another answer might be mistaken."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.reader = self.fp = _Reader(sock, self.fp.detach())

    def begin(self) -> None:
        super().begin()
        # 100 is passed over by the standard library, which takes 102 and 103 for the answer.
        while 100 <= self.status < 200:
            if self.status == 101:
                raise BadStatusLine("101: nobody asked to switch protocols")
            self.headers = self.msg = None  # type: ignore[assignment]  # begin() reads them anew
            super().begin()
        if self._may_be_early() or not self._ends_plainly():
            self.will_close = True

    def _may_be_early(self) -> bool:
        """Whether the rest of the request may yet be answered as if it were another one."""
        return self._method == "POST" and self.status >= 300  # type: ignore[attr-defined]  # it has

    def _ends_plainly(self) -> bool:
        """Whether one header says where the body ends, and says it clearly."""
        lengths = self.headers.get_all("Content-Length", [])
        codings = self.headers.get_all("Transfer-Encoding", [])
        if self.status in (204, 304):
            return not codings and all(length.strip() == "0" for length in lengths)
        if codings:
            return self.chunked and len(codings) == 1 and not lengths
        return len(lengths) == 1 and lengths[0].strip().isascii() and lengths[0].strip().isdecimal()
