"""Answering as a fault says."""

from __future__ import annotations

import json
from dataclasses import replace

from conversion_sync.api.error_codes import ErrorCode, code_for_status
from conversion_sync.sandbox.answering import Answering
from conversion_sync.sandbox.faults import Fault
from conversion_sync.sandbox.replies import Reply, failure
from conversion_sync.sandbox.spoiling import changed, echoing, nested
from conversion_sync.sandbox.traffic import Call

__all__ = ["Failing"]

_STATUS_BEFORE_WORK = {
    "drop_before": 0,
    "hang_before": 0,
    "html": 200,
    "poison": 500,
    "redirect": 302,
    "status": 500,
    "success_false_200": 200,
}


class Failing(Answering):
    """A handler that fails on purpose."""

    def fails_before_work(self, fault: Fault, call: Call) -> bool:
        """Answer for those faults that keep the work from being done; return whether it was."""
        if fault.kind not in _STATUS_BEFORE_WORK or fault.worked:
            return False
        self._answer_instead(fault, call)
        return True

    def _answer_instead(self, fault: Fault, call: Call) -> None:
        """Answer as the fault says, whatever was or was not done."""
        kind = fault.kind
        status = 200 if kind == "success_false_200" else fault.status or _STATUS_BEFORE_WORK[kind]
        # Noted before it is sent: a client that has the answer finds it in the log.
        self.app.traffic.answered(call, status)
        if kind in ("drop_before", "hang_before"):
            if kind == "hang_before":
                self.app.stopping.wait(3600.0 if fault.seconds is None else fault.seconds)
            self.reset()
        elif kind == "html" or fault.html:
            self.send_page(status)
        elif kind == "redirect":
            self.send(status, b"", "text/plain", {"Location": fault.location, **fault.headers})
        else:
            code = fault.code or _code(status)
            reply = failure(status, code, fault.message)
            if fault.body is not None:
                reply.body = fault.body
            reply.headers.update(fault.headers)
            self.reply(reply)

    def fails_after_work(self, fault: Fault, call: Call, reply: Reply) -> None:
        if fault.kind in _STATUS_BEFORE_WORK:
            self._answer_instead(fault, call)
            return
        content = json.dumps(reply.body).encode()
        status = reply.status
        if fault.kind in ("drop_after", "hang"):
            self.app.traffic.answered(call, 0)
            if fault.kind == "hang":
                self.app.stopping.wait(3600.0 if fault.seconds is None else fault.seconds)
            self.reset()
            return
        self.app.traffic.answered(call, status)
        if fault.kind == "drip":
            self.drip(status, content, fault.rate)
        elif fault.kind == "truncated_json":
            self.send(status, content[: len(content) // 2], "application/json")
        elif fault.kind == "garbage":
            self.send(status, b"\x00\xff<<not json>>", "application/json")
        elif fault.kind == "huge":
            self.send_huge(status, fault.size or 64 * 1024 * 1024)
        elif fault.kind == "deep":
            self.send(status, nested(fault.size or 900), "application/json")
        elif fault.kind == "surplus":
            # In one packet: it is there before the client can ask again.
            answer = self.head(status, len(content), "application/json") + content
            self.wfile.write(answer * ((fault.size or 1) + 1))
        elif fault.kind == "echo":
            key = self.headers.get("Authorization", "").partition(" ")[2]
            self.reply(echoing(key, fault, reply))
        else:
            self.reply(replace(reply, body=changed(fault, reply.body)))


def _code(status: int) -> str:
    """Return the code that goes with a status; INTERNAL_ERROR where none does."""
    if status == 404:
        return ErrorCode.NOT_FOUND
    code = code_for_status(status)
    return ErrorCode.INTERNAL_ERROR if code.startswith("HTTP_") else code
