"""Answers into results."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from conversion_sync.api.errors import NoAnswer
from conversion_sync.api.keys import normal_email, normal_id
from conversion_sync.api.lenient import first_id
from conversion_sync.api.request import Envelope
from conversion_sync.api.results import EngagementResult, RemoteCompany, RemoteContact

__all__ = ["parse_company", "parse_contact", "parse_engagement", "variables_of"]


def parse_contact(envelope: Envelope, email: str) -> RemoteContact:
    """Return the contact (documented).

    Raises:
        NoAnswer: the answer holds no contact, or another one than was asked for.
    """
    data = _record(envelope)
    found = data.get("email")
    if isinstance(found, str) and found and normal_email(found) != normal_email(email):
        raise NoAnswer("The answer is about another contact.")
    status = data.get("subscriptionStatus")
    # Whatever else than nothing it is has to be told from nothing.
    word = "" if status is None else str(status).strip().upper()
    return RemoteContact(
        id=first_id(data, ("id", "contactId")),
        email=found if isinstance(found, str) and found else email,
        variables=variables_of(data),
        subscription_status=word or None,
        created_at=_time(data.get("createdAt")),
        external_contact=data.get("externalContact"),
    )


def parse_company(envelope: Envelope, id: str) -> RemoteCompany:
    """Return the company (inferred: ``id`` is taken for ours where it equals ours).

    Raises:
        NoAnswer: the answer holds no company, or another one than was asked for.
    """
    data = _record(envelope)
    ours = first_id(data, ("externalId",))
    if ours is not None and normal_id(ours) != normal_id(id):
        raise NoAnswer("The answer is about another company.")
    remote_id = first_id(data, ("companyId",))
    other = first_id(data, ("id",))
    if remote_id is None and other is not None and normal_id(other) != normal_id(id):
        remote_id = other
    domain = data.get("baseDomain")
    return RemoteCompany(
        id=id,
        remote_id=remote_id,
        base_domain=domain if isinstance(domain, str) else None,
        variables=variables_of(data),
    )


def parse_engagement(envelope: Envelope) -> EngagementResult:
    """Return the vendor's id, where there is one (inferred); success alone is enough."""
    data = envelope.get("data")
    holder = data if isinstance(data, Mapping) else {}
    return EngagementResult(first_id(holder, ("id", "engagementId")))


def _record(envelope: Envelope) -> Mapping[str, Any]:
    data = envelope.get("data")
    if not isinstance(data, Mapping) or not data:
        raise NoAnswer("The answer holds no record.")
    return data


def variables_of(data: Mapping[str, Any]) -> dict[str, Any]:
    variables = data.get("variables")
    return dict(variables) if isinstance(variables, Mapping) else {}


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
