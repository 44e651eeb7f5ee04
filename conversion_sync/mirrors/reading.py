"""Sources read with the words of a mirror: one or many, by the same queries."""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from django.db import DatabaseError, models, router, transaction
from django.db.models import F, Q

from conversion_sync.mirrors.declaration import REFERENCES, Declared
from conversion_sync.mirrors.expressions import How, conditions, how, key_path, name_of, target
from conversion_sync.mirrors.spelling import as_stored
from conversion_sync.sync.error_text import error_in_words, is_of_the_database

__all__ = ["Reader", "Reading", "fault_in_words"]


@dataclass(slots=True)
class Reading:
    """A source, as the mirror sees it.

    Attributes:
        values: by the names of the mirror's words.
        unmet: the numbers of the conditions that do not hold; of a function, 0.
        fault: what was raised.
    """

    pk: Any
    values: dict[str, Any] = field(default_factory=dict)
    unmet: list[int] = field(default_factory=list)
    fault: str = ""


class _Raised(Exception):
    """A function of the site failed in the database: its transaction may be broken."""


class Reader:
    """Reads sources of one mirror."""

    def __init__(self, declared: Declared) -> None:
        self.declared, self.model = declared, declared.model
        self.words = dict(declared.words())

    @cached_property
    def _by_how(self) -> Mapping[How, dict[str, Any]]:
        found: dict[How, dict[str, Any]] = {each: {} for each in How}
        for name, value in self.words.items():
            if name in REFERENCES and isinstance(value, F):
                value = F(key_path(self.model, name_of(value)))
            found[how(value, self.model)][name] = value
        return found

    @cached_property
    def conditions(self) -> Sequence[Q]:
        """What must hold of a source, part by part."""
        return conditions(self.declared.include)

    @property
    def using(self) -> str:
        """The database of the sources, where they are written: a replica may be behind."""
        return router.db_for_write(self.model)

    def sources(self) -> models.QuerySet[Any]:
        """All instances that are looked at."""
        return self.declared.source.using(self.using)

    def read(self, pks: Collection[Any]) -> dict[Any, Reading]:
        """Read those of these sources that there are.

        What is raised for one of them is recorded in its reading.

        Raises:
            OperationalError, InterfaceError: the database failed.
        """
        try:
            with transaction.atomic(using=self.using):
                return self._read(pks)
        except Exception as error:
            if is_of_the_database(error):
                raise
            if len(pks) > 1:
                return {pk: each for one in pks for pk, each in self.read([one]).items()}
            [pk] = pks
            cause = error.__cause__ if isinstance(error, _Raised) else error
            return {pk: Reading(pk, fault=fault_in_words(cause or error))}

    def _read(self, pks: Collection[Any]) -> dict[Any, Reading]:
        these = self.sources().filter(pk__in=pks)
        found = self._columns(these)
        for name, value in self._by_how[How.LIST].items():
            self._list(these, name, value, found)
        for name, value in self._by_how[How.ALONE].items():
            alone = these.annotate(**{_ALIAS: value}).values_list("pk", _ALIAS)
            for pk, each in alone:
                if pk in found:
                    found[pk].values[name] = each
        for name in self.words.keys() & REFERENCES.keys():
            self._spell(name, found.values())
        if self.conditions:
            self._see_conditions(these, found)
        return found

    def _columns(self, these: models.QuerySet[Any]) -> dict[Any, Reading]:
        columns = self._by_how[How.COLUMN]
        aliases = {f"{_ALIAS}_{number}": value for number, value in enumerate(columns.values())}
        rows, found = these.annotate(**aliases), dict[Any, Reading]()
        if not self._calls:
            for pk, *values in rows.values_list("pk", *aliases):
                found[pk] = Reading(pk, dict(zip(columns, values, strict=True)))
        else:
            for instance in rows:
                values = [instance.__dict__.pop(alias) for alias in aliases]
                reading = Reading(instance.pk, dict(zip(columns, values, strict=True)))
                self._call(instance, reading)
                found[instance.pk] = reading
        for reading in found.values():
            reading.values |= self._by_how[How.CONSTANT]
        return found

    @cached_property
    def _calls(self) -> dict[str, Callable[[Any], Any]]:
        include = self.declared.include
        calls = dict(self._by_how[How.CALL])
        return calls if isinstance(include, Q) else {"include": include, **calls}

    def _call(self, instance: Any, reading: Reading) -> None:
        try:
            for name, function in self._calls.items():
                value = function(instance)
                if name != "include":
                    reading.values[name] = value
                elif not value:
                    reading.unmet = [0]
                    return
        except DatabaseError as error:
            raise _Raised from error
        except Exception as error:  # the site's own code: the fault is recorded with the source
            reading.fault = fault_in_words(error)

    def _list(
        self, these: models.QuerySet[Any], name: str, value: F, found: Mapping[Any, Reading]
    ) -> None:
        lists = defaultdict[Any, list[Any]](list)
        path = name_of(value)
        rows = these.order_by("pk", path).values_list("pk", path)
        for pk, each in rows:
            if each is not None and each not in lists[pk]:
                lists[pk].append(each)
        for pk, reading in found.items():
            reading.values[name] = lists[pk]

    def _spell(self, name: str, found: Collection[Reading]) -> None:
        """Have what sources refer to be spelled as there, where their foreign keys do otherwise."""
        model = target(self.model, self.words[name])
        if model is None:
            return
        pks = [reading.values.get(name) for reading in found]
        spelled = as_stored(router.db_for_write(model), model, pks)
        for reading in found if spelled else ():
            pk = reading.values.get(name)
            if isinstance(pk, str):
                reading.values[name] = spelled.get(pk, pk)

    def _see_conditions(self, these: models.QuerySet[Any], found: Mapping[Any, Reading]) -> None:
        holds = {*these.filter(self.declared.include).values_list("pk", flat=True)}
        out = [pk for pk in found if pk not in holds]
        if not out:
            return
        rest = these.filter(pk__in=out)
        for number, condition in enumerate(self.conditions):
            met = {*rest.filter(condition).values_list("pk", flat=True)}
            for pk in out:
                if pk not in met:
                    found[pk].unmet.append(number)
        for pk in out:
            # Between the two queries it may have come to hold; then a mark tells of it.
            found[pk].unmet = found[pk].unmet or [*range(len(self.conditions))]


_ALIAS = "conversion_sync_word"


def fault_in_words(error: BaseException) -> str:
    """What was raised, and where in the site's code: the last line of its traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return error_in_words(error)
    last = next((each for each in reversed(frames) if "site-packages" not in each.filename), None)
    last = last or frames[-1]
    return f"{error_in_words(error)} ({Path(last.filename).name}:{last.lineno})"
