"""The column of contacts that says what stands in the consent log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from django.apps import apps
from django.db import transaction

from conversion_sync.models.chunks import in_chunks
from conversion_sync.models.contact_table import contacts
from conversion_sync.models.locking import locking
from conversion_sync.models.opt_outs import LogChange
from conversion_sync.models.state import Status
from conversion_sync.models.subscription import OUT

__all__ = ["follow_log", "reflect", "write_subscriptions"]


class Entered(LogChange, Protocol):
    """A change that has just been entered in the log, as far as it matters here."""

    status: Any


def follow_log(using: str, entered: Sequence[Entered]) -> None:
    """Have the columns of contacts follow changes that have just been entered in the log."""
    newest: dict[Any, Entered] = {c.contact_id: c for c in entered if c.contact_id}
    said = [change for change in newest.values() if not change.is_opt_out]
    standing = _log().standing_opt_outs(using, [(c.contact_id, c.address) for c in said])
    columns = defaultdict[str, set[Any]](set)
    for change, opt_out in zip(said, standing, strict=True):
        columns[change.status if opt_out is None else OUT].add(change.contact_id)
    if outs := {change.address for change in entered if change.is_opt_out}:
        # It stands for whoever is at that address, too.
        here = contacts(using).filter(key__in=outs).exclude(subscription_status=OUT)
        pks = {change.contact_id for change in newest.values() if change.is_opt_out}
        columns[OUT] |= {*here.values_list("pk", flat=True)} - newest.keys() | pks
    write_subscriptions(using, columns)


def reflect(using: str, pks: Collection[int], *, left: Collection[int] = ()) -> None:
    """Have the columns of these contacts say what stands in the log.

    A column that says UNSUBSCRIBED is written only where a change of the log has lifted that.

    Args:
        left: those of them that have left an address at which an opt-out stood.
    """
    log = _log()
    with transaction.atomic(using=using):
        rows = locking(contacts(using).filter(pk__in=pks).order_by("pk"))
        locked = list(rows.only("pk", "key", "email", "subscription_status"))
        standing = log.standing_opt_outs(using, [(row.pk, row.wanted_key) for row in locked])
        columns = defaultdict[str, set[int]](set)
        lifted = set[int]()
        for row, opt_out in zip(locked, standing, strict=True):
            if opt_out is not None:
                columns[OUT].add(row.pk)
            elif row.subscription_status == OUT:
                lifted.add(row.pk)
        of_lifted = log.objects.using(using).filter(contact__in=lifted).exclude(status=OUT)
        says = dict.fromkeys(lifted.intersection(left), "")
        for change in of_lifted.exclude(sync_status=Status.SUPERSEDED).order_by("pk"):
            if change.takes_effect or change.contact_id in says:
                says[change.contact_id] = change.status
        for pk, status in says.items():
            columns[status].add(pk)
        write_subscriptions(using, columns)


def write_subscriptions(using: str, pks: Mapping[str, Collection[int]]) -> None:
    """Write the column ``subscription_status`` where it differs.

    Args:
        pks: the contacts by primary key, for each status.
    """
    for status, of_status in pks.items():
        for chunk in in_chunks(sorted(of_status)):
            rows = contacts(using).filter(pk__in=chunk).exclude(subscription_status=status)
            rows.update(subscription_status=status)


def _log() -> Any:
    # It imports this module: it can be had when all are loaded.
    return apps.get_model("conversion_sync", "SubscriptionChange")
