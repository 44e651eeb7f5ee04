"""Answers that are spoiled on purpose; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from conversion_sync.sandbox.faults import Fault
from conversion_sync.sandbox.replies import Reply, failure

__all__ = ["changed", "echoing", "nested"]

#: How the vendor names a record that was merged into another one.
_ELSEWHERE = {"email": "merged@elsewhere.example", "id": "merged-elsewhere"}


def changed(fault: Fault, body: Any) -> Any:
    """Return an answer with its list spoiled; any other answer as it is."""
    data = body.get("data")
    if not isinstance(data, list):
        return body
    data = list(data)
    if fault.kind == "short_data":
        data = data[: max(0, len(data) - (1 if fault.size is None else fault.size))]
    elif fault.kind == "reordered":
        data.reverse()
    elif fault.kind == "repeated":
        data = data + data
    elif fault.kind == "merged":
        index = next((i for i, e in enumerate(data) if fault.email in (None, *_names(e))), None)
        if index is not None:
            data[index] = {**data[index], **_ELSEWHERE}
    elif fault.kind == "strangers":
        data = [None, 7, {}, {"email": "stranger@elsewhere.example", "id": "stranger"}, *data]
    else:
        reason = {"code": fault.code or "VALIDATION_ERROR", "message": fault.message}
        data = [
            {**entry, "success": False, "error": reason}
            if fault.email in (None, *_names(entry))
            else entry
            for entry in data
        ]
    return {**body, "data": data}


def _names(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    return entry.get("email"), entry.get("id")


def echoing(key: str, fault: Fault, reply: Reply) -> Reply:
    """Return an answer that holds the API key wherever a text may stand, in several spellings."""
    escaped = "".join(f"\\u{ord(char):04x}" for char in key)
    text = f"{key} {quote(key, safe='')} {''.join(f'%{ord(c):02X}' for c in key)} {escaped}"
    if fault.status and fault.status >= 400:
        details = [{"index": 0, "message": text, "code": key}]
        made = failure(fault.status, fault.code or key, text, details)
        made.headers["Location"] = made.headers["X-Echo"] = key
        return made
    names = dict.fromkeys(("id", "contactId", "companyId", "operation"), key)
    data = reply.body.get("data")
    if isinstance(data, list):
        data = [{**entry, **names, "id": entry.get("id", key)} for entry in data]
    elif isinstance(data, dict):
        spoiled = {"variables": {key: text}, "externalContact": {key: [text]}}
        data = {**data, **names, "id": key, "subscriptionStatus": key, **spoiled}
    return replace(reply, body={**reply.body, "data": data, "message": text})


def nested(levels: int) -> bytes:
    """Return a success whose data has so many levels."""
    return b'{"success": true, "data": %s%s}' % (b'{"a":' * levels + b"1", b"}" * levels)
