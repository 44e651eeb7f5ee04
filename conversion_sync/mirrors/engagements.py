"""Sources that are something that happened: entered once, and from the mirror's beginning on."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from conversion_sync.api import UNSAID
from conversion_sync.mirrors.beginnings import began_at
from conversion_sync.mirrors.declaration import Declared
from conversion_sync.mirrors.expressions import target
from conversion_sync.mirrors.links import key_of_target, rows_of
from conversion_sync.mirrors.plan import Plan
from conversion_sync.mirrors.snapshots import Unusable, as_json, grouped
from conversion_sync.models import Engagement, MirrorLink
from conversion_sync.models.attribution import attribution
from conversion_sync.models.fields.times import instant
from conversion_sync.models.messages import Message, stored
from conversion_sync.models.priority import prioritize_contacts
from conversion_sync.models.state import PERSON

__all__ = ["enter", "time_of"]

Kind, State = MirrorLink.Kind, MirrorLink.State


def enter(
    using: str,
    declared: Declared,
    plans: Sequence[Plan],
    since: datetime.datetime | None = None,
) -> dict[Plan, str]:
    """Enter those that were not entered yet, and whose contacts are mirrored.

    Args:
        since: what happened from then on is entered; None: since the mirror began.

    Returns:
        Of each that was entered, that it was ``created``.
    """
    began = since or began_at(using, declared)
    fresh = [plan for plan in plans if not _is_settled(plan, since)]
    contacts, rows = _contacts(using, declared, fresh), dict[Plan, Engagement]()
    for plan in fresh:
        if plan.leaves:
            plan.link.state = State.EXCLUDED if plan.reading else State.GONE
            plan.link.reason, plan.link.key = plan.leaves, ""
        elif plan.wants and (row := _made(declared, plan, contacts, began)) is not None:
            rows[plan] = row
    _write(using, rows)
    return dict.fromkeys(rows, "created")


def _is_settled(plan: Plan, since: datetime.datetime | None) -> bool:
    """What was entered stays so, whatever becomes of its source; so does what happened before."""
    if plan.link.state == State.PAST and since is None:
        plan.wants, plan.leaves = False, ""
        return True
    entered = plan.had is not None or plan.link.state == State.MIRRORED
    if entered:
        plan.link.state, plan.leaves = State.MIRRORED, ""
    return entered


def _contacts(using: str, declared: Declared, plans: Sequence[Plan]) -> dict[str, int]:
    model = target(declared.model, dict(declared.words()).get("contact"))
    pks = {plan.reading.values.get("contact") for plan in plans if plan.wants and plan.reading}
    return {} if model is None else rows_of(using, model, Kind.CONTACT, pks - {None})


def _made(
    declared: Declared, plan: Plan, contacts: dict[str, int], began: datetime.datetime
) -> Engagement | None:
    """The engagement of a source; None where it is none yet, or can't be one."""
    link, values = plan.link, plan.reading.values if plan.reading else {}
    model, pk = target(declared.model, dict(declared.words())["contact"]), values.get("contact")
    occurred = time_of(values.get("occurred_at"))
    if occurred is not None and instant(occurred) < began:
        link.state, link.key = State.PAST, ""
        link.reason = stored(Message.HAPPENED_BEFORE, since=began.isoformat(" ", "minutes"))
        return None
    if occurred is None and link.state == State.PAST:
        # Whether it happened since then, nobody can tell.
        return None
    if pk is None or model is None or str(pk) not in contacts:
        link.state, link.key = State.WAITING, key_of_target(model, pk) if model and pk else ""
        name = model._meta.verbose_name if model else ""
        link.reason = stored(Message.NOT_MIRRORED, model=str(name), source=str(pk or ""))
        return None
    try:
        row = Engagement(
            contact_id=contacts[str(pk)],
            name=str(as_json("name", values["name"])),
            description=str(as_json("description", values["description"])),
            data=_data(values),
            source_key=_source_key(declared, link.source),
        )
    except Unusable as error:
        plan.refuse(error.name, error.why)
        return None
    if occurred is not None:
        row.occurred_at = occurred
    return _valid(plan, row)


def _source_key(declared: Declared, source: str) -> str:
    """By which an event is entered once: its model and key, and the label that a mirror has."""
    key = key_of_target(declared.model, source)
    return f"{key}:{declared.label}" if type(declared.mirror).label else key


def _data(values: dict[str, Any]) -> Any:
    given = grouped(values, "data")
    return {} if given is UNSAID or given is None else given


def _valid(plan: Plan, row: Engagement) -> Engagement | None:
    try:
        row.clean_fields(exclude={"contact", *Engagement.STATE})
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        plan.refuse(name, " ".join(messages))
        return None
    return row


def time_of(value: Any) -> datetime.datetime | None:
    """When something happened, as a mirror says it: a moment, or a day; None: it does not say."""
    if isinstance(value, datetime.datetime) or value is None:
        return value
    if isinstance(value, datetime.date):
        midnight = datetime.datetime.combine(value, datetime.time())
        return timezone.make_aware(midnight) if timezone.is_aware(timezone.now()) else midnight
    return None


def _write(using: str, rows: dict[Plan, Engagement]) -> None:
    table: Any = Engagement.objects.using(using)
    keys = [row.source_key for row in rows.values()]
    known = dict(table.filter(source_key__in=keys).values_list("source_key", "pk"))
    new = [row for row in rows.values() if row.source_key not in known]
    table.bulk_create(new)
    for plan, row in rows.items():
        link = plan.link
        link.state, link.reason, link.key = State.MIRRORED, "", ""
        link.row = known.get(row.source_key, row.pk)
    if new and not attribution().bulk:
        Engagement.unmarked.using(using).filter(pk__in=[r.pk for r in new]).update(priority=PERSON)
        prioritize_contacts(using, {row.contact_id for row in new})
