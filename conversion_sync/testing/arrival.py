"""Assertions: what has arrived in Conversion, and why something has not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import models

from conversion_sync.mirrors import Explanation, explain
from conversion_sync.models import Company, Contact, Engagement, Status, SyncedModel
from conversion_sync.status.messages import in_words
from conversion_sync.testing.sandboxes import sandbox_in_use

__all__ = ["assert_arrived", "assert_not_mirrored"]


#: The rows that can have values of these names.
_HAVE: Mapping[str, tuple[type[SyncedModel], ...]] = {
    "variables": (Contact, Company),
    "subscription": (Contact,),
    "data": (Engagement,),
}


def assert_arrived(
    *rows: models.Model,
    variables: Mapping[str, Any] | None = None,
    subscription: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """See that Conversion has these rows as they are in the database now.

    Args:
        rows: of this app, or instances of the site's models that are mirrored.
        variables: what the sandbox in use must say of the contact or company, as JSON; others may
            be there. None says that a variable is not there.
        subscription: the status that it must have of the contact.
        data: what the engagement must carry, likewise.

    Raises:
        TypeError: values are given that none of these rows can have, such as ``data`` of a contact.
        AssertionError: one is still to be sent, has failed, is in doubt, is not mirrored, or is
            there with other values; it says why.
        RuntimeError: values are to be compared, and no sandbox is in use.
    """
    wanted = {
        "variables": variables,
        "subscription": None if subscription is None else {"subscription": subscription},
        "data": data,
    }
    given = {name: values for name, values in wanted.items() if values is not None}
    for each in rows:
        found = list(_rows_of(each))
        for row in found:
            _has_arrived(row)
        for name, values in given.items():
            fitting = [row for row in found if isinstance(row, _HAVE[name])]
            if not fitting:
                raise TypeError(f"{name} can't be compared: {each!r} has none in Conversion.")
            for row in fitting:
                there = _remote(row)
                there = {**there, "subscription": {"subscription": there.get("subscriptionStatus")}}
                _differ(each, there.get(name) or {}, values)


def assert_not_mirrored(*instances: models.Model) -> None:
    """See that no row stands for these instances of the site's models.

    Raises:
        AssertionError: one does.
    """
    for instance in instances:
        for explanation in explain(instance):
            if explanation.row is not None:
                raise AssertionError(f"{explanation.row!r} stands for {instance!r}.")


def _rows_of(instance: models.Model) -> Iterator[SyncedModel]:
    """The row itself, as it is in the database; or those that stand for an instance."""
    if isinstance(instance, SyncedModel):
        using = instance._state.db
        found = type(instance).unmarked.using(using).filter(pk=instance.pk).first()
        if found is None:
            raise AssertionError(f"{instance!r} is not in the database.")
        yield found
        return
    explanations = explain(instance)
    if not explanations:
        raise AssertionError(f"No mirror is declared for {instance._meta.label}.")
    lacking = [each for each in explanations if each.row is None or each.is_marked]
    # Of several mirrors, one may well leave it out.
    if any(_is_wanted(each) for each in lacking) or len(lacking) == len(explanations):
        said = "; ".join(f"{each.mirror}: {_why(each)}" for each in lacking)
        raise AssertionError(f"{instance!r} has not arrived: {said}")
    for explanation in explanations:
        if explanation.row is not None:
            yield explanation.row


def _is_wanted(explanation: Explanation) -> bool:
    return explanation.is_included or explanation.is_marked or bool(explanation.fault)


def _why(explanation: Explanation) -> str:
    if explanation.is_marked:
        return "a change of it has still to be mirrored: push()"
    return explanation.fault or explanation.reason or "it was never mirrored: conversion_mirror"


def _has_arrived(row: SyncedModel) -> None:
    if row.sync_status != Status.SYNCED:
        code, words = row.last_error_code, in_words(row.last_error_message)
        said = f" ({code}: {words})" if code else ""
        raise AssertionError(f"{row!r} has not arrived: {row.sync_status}{said}")


def _remote(row: SyncedModel) -> Mapping[str, Any]:
    """What the sandbox has of a row."""
    box = sandbox_in_use()
    if isinstance(row, Contact):
        return box.contacts.get(str(row.key)) or {}
    if isinstance(row, Company):
        return box.companies.get(str(row.key)) or {}
    found = (each for each in box.engagements if each.get("id") == row.remote_id)
    return next(found, {})


def _differ(instance: models.Model, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    other = {name: found.get(name) for name in wanted if found.get(name) != wanted[name]}
    if other:
        raise AssertionError(
            f"{instance!r} has arrived with other values: {other}; expected: "
            f"{ {name: wanted[name] for name in other} }"
        )
