"""What the values of a source say: a snapshot, or why they can't be used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from conversion_sync.api import UNSAID
from conversion_sync.mirrors.declaration import VARIABLE
from conversion_sync.mirrors.plan import Plan
from conversion_sync.models import MirrorLink, Record
from conversion_sync.models.messages import Message
from conversion_sync.models.subscription import Subscription
from conversion_sync.models.validators import (
    validate_address,
    validate_external_id,
    validate_json_values,
)
from conversion_sync.records.snapshot import Snapshot
from conversion_sync.records.wanted import Wanted
from conversion_sync.sync.kinds import RECORD_KINDS

__all__ = ["MODELS", "Unusable", "as_json", "grouped", "read_key", "wanted"]

Kind = MirrorLink.Kind

#: The model of the rows of each kind of record; its key is a value of that name.
MODELS: Mapping[Kind, type[Record]] = {
    Kind(kind.name): model for model, kind in RECORD_KINDS.items()
}


def read_key(plan: Plan, kind: Kind) -> None:
    """Read the key of a source: without one it leaves, with a bad one all stays as it is."""
    name = MODELS[kind].KEY
    value = plan.reading.values.get(name) if plan.reading else None
    spelling = "" if value is None else str(value).strip()
    plan.key = str(MODELS[kind].normal_key(spelling))
    if not plan.key:
        plan.leave(Message.NO_KEY, name=name)
        return
    try:
        validate_address(spelling) if kind is Kind.CONTACT else validate_external_id(spelling)
    except ValidationError as error:
        plan.refuse(name, " ".join(error.messages))
        return
    plan.wants = True


def wanted(plan: Plan, kind: Kind, company: Any) -> Wanted | None:
    """What the row of a source is to say; None where a value can't be used.

    Args:
        company: of a contact: the key of its company, None, or ``UNSAID``.
    """
    values = plan.reading.values if plan.reading else {}
    try:
        variables = {
            name.removeprefix(VARIABLE): as_json(name, value)
            for name, value in values.items()
            if name.startswith(VARIABLE)
        }
        gone = {*plan.link.names} - {*variables}
        snapshot = Snapshot(
            plan.key,
            variables | dict.fromkeys(gone),
            {} if company is UNSAID else {"external_id": company},
            base_domain=_or_unsaid(values, "base_domain"),
            reference=grouped(values, "external_contact"),
        )
        subscription = _subscription(values)
    except Unusable as error:
        plan.refuse(error.name, error.why)
        return None
    spelling = str(values[MODELS[kind].KEY]).strip()
    return Wanted(snapshot=snapshot, spelling=spelling, subscription=subscription, row=plan.row)


class Unusable(ValueError):
    """JSON, or the column, has no room for a value.

    Attributes:
        name: of the value.
        why: in words.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name, self.why = name, why


def as_json(name: str, value: Any) -> Any:
    """A value as JSON has it.

    Raises:
        Unusable: JSON has no word for it.
    """
    if isinstance(value, models.Model):
        value = str(value)
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    try:
        validate_json_values(value)
    except ValidationError as error:
        raise Unusable(name, " ".join(error.messages)) from error
    # As it is read again from the database, so that what is equal is seen to be.
    return json.loads(json.dumps(value, cls=DjangoJSONEncoder))


def grouped(values: Mapping[str, Any], name: str) -> Any:
    """An object that is given whole, or entry by entry; ``UNSAID`` where it is not given."""
    entries = {
        key.removeprefix(f"{name}."): as_json(key, value)
        for key, value in values.items()
        if key.startswith(f"{name}.")
    }
    if entries:
        return entries
    return as_json(name, values[name]) if name in values else UNSAID


def _or_unsaid(values: Mapping[str, Any], name: str) -> Any:
    return as_json(name, values[name]) if name in values else UNSAID


def _subscription(values: Mapping[str, Any]) -> str:
    value = values.get("subscription_status")
    if value is None or value == "":
        return ""
    word = str(value).strip().upper()
    if word not in Subscription.values:
        raise Unusable("subscription_status", f"{value!r}")
    return word
