"""What a test or a demo may ask of the stand-in itself, under /_sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import Message
from typing import Any

from conversion_sync.api.errors import ErrorCode
from conversion_sync.api.v1 import SUBSCRIPTION_STATUSES
from conversion_sync.sandbox.app import App
from conversion_sync.sandbox.faults import Fault
from conversion_sync.sandbox.pages import is_foreign
from conversion_sync.sandbox.replies import Reply, failure
from conversion_sync.sandbox.specs import parse_spec

__all__ = ["CONTROL_PREFIX", "control"]

CONTROL_PREFIX = "/_sandbox"


def control(app: App, method: str, path: str, headers: Message, raw: bytes) -> Reply:
    """Do what a request of the control asks for.

    Args:
        path: below `CONTROL_PREFIX`.
        raw: a JSON object, or nothing.
    """
    if method != "GET" and is_foreign(headers):
        return failure(403, ErrorCode.FORBIDDEN, "A page of another origin may not do this")
    try:
        body = json.loads(raw) if raw else {}
        if not isinstance(body, dict):
            raise ValueError("The body must be an object.")
        return _controlled(app, method, path, body)
    except (ValueError, TypeError) as error:
        return failure(400, ErrorCode.VALIDATION_ERROR, str(error))
    except KeyError as error:
        return failure(404, ErrorCode.NOT_FOUND, f"Not known: {error}")


def _controlled(app: App, method: str, path: str, body: Mapping[str, Any]) -> Reply:
    match method, path:
        case "GET", "/state":
            return Reply(200, app.state())
        case "POST", "/reset":
            app.reset()
        case "POST", "/faults":
            app.plan.add(parse_spec(body["spec"]) if "spec" in body else Fault(**body))
        case "DELETE", "/faults":
            app.plan.clear()
        case "POST", "/contacts/status":
            if body["status"] not in SUBSCRIPTION_STATUSES:
                raise ValueError(f"A status is one of {', '.join(SUBSCRIPTION_STATUSES)}.")
            app.store.set_statuses([(str(body["email"]), body["status"])])
        case _:
            return failure(404, ErrorCode.NOT_FOUND, "No such control")
    return Reply(200, {"success": True})
