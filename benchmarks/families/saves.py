"""What a save costs, beside a save of a plain model with the same columns and indexes.

Each kind of save is measured in turns, one of the plain model and one of ours, in the same minute.
A drain is asked for as in a site; the INSERT of django-q2's task is not done. ``update`` writes one
column; in one more line the plain rows are marked, too: no promise holds without.

What no code of this app could go below is measured beside a single save: a plain one, and then the
statement alone by which a drain is asked for.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from benchmarks import rows
from benchmarks.figure import Figure
from benchmarks.plain import plain_contact
from benchmarks.server import sending
from benchmarks.sizes import Sizes
from conversion_sync.models import Contact, Wakeup
from conversion_sync.models.marking import marking
from conversion_sync.queues import django_q
from conversion_sync.queues.request import ask
from conversion_sync.queues.wake import wake

SINGLES = 100
#: Rounds of what takes long, and of a single save, for each round of the run.
FEW_TIMES, MANY_TIMES = 2, 60

Case = Callable[[Any], Iterator[None]]


def counts(sizes: Sizes) -> Iterator[Figure]:
    """How many statements a save takes more than one of the plain model."""
    with _cases(sizes) as cases:
        for name, case, more in (
            ("100 saves in one transaction", cases.hundred, 1),
            ("a save", cases.single, 2),
            ("a save, a drain asked for already", cases.single_asked, 2),
            ("creating a row", cases.creating, 2),
        ):
            plain, ours = (_statements(case, model) for model in (cases.plain, Contact))
            yield Figure(
                f"{name}: statements more than plain",
                ours - plain,
                beside=f"{ours}, plain {plain}",
                target=more,
                is_count=True,
            )


def times(sizes: Sizes) -> Iterator[Figure]:
    """How many times as long as the plain model."""
    few, many = FEW_TIMES * sizes.rounds, MANY_TIMES * sizes.rounds
    with _cases(sizes) as cases:
        for name, case, rounds, most in (
            ("100 saves in one transaction", cases.hundred, few, 1.25),
            ("a save", cases.single, many, 1.5),
            ("a save, a drain asked for already", cases.single_asked, many, 1.5),
            ("creating a row", cases.creating, many, 1.5),
            (f"bulk_create of {sizes.bulk:,}", cases.bulk_create, few, 1.25),
            (f"update() of {sizes.bulk:,}", cases.update, few, 1.25),
            (f"update() of {sizes.bulk:,} that marks the plain rows, too", cases.marked, few, None),
        ):
            turns = {"plain": _Turn(case, cases.plain), "ours": _Turn(case, Contact)}
            if rounds == many:
                turns["least"] = _Turn(case, cases.plain, partial(ask, "default"))
            took = _in_turns(turns, rounds)
            beside = f"{took['ours'] * 1000:.3g} ms, plain {took['plain'] * 1000:.3g} ms"
            if "least" in took:
                least = took["least"] / took["plain"]
                beside += f"; plain, and the statement that asks for a drain: {least:.3g} times"
            value = took["ours"] / took["plain"]
            yield Figure(f"{name}, over a plain model", value, "times", beside, most)


@contextmanager
def _cases(sizes: Sizes) -> Iterator[Cases]:
    real = django_q.enqueue
    django_q.enqueue = lambda using="default": True  # what it costs is django-q2's own
    rows.empty()
    try:
        with plain_contact() as plain, sending("http://127.0.0.1:1/", QUEUE="django_q"):
            yield Cases(plain, Contact, sizes.bulk)
    finally:
        django_q.enqueue = real


def _statements(case: Case, model: Any) -> int:
    steps = case(model)
    next(steps)
    with CaptureQueriesContext(connection) as captured:
        next(steps, None)
    return len(captured)


@dataclass(frozen=True)
class _Turn:
    """A case with one of the models, and what is done right after it."""

    case: Case
    model: Any
    afterwards: Callable[[], object] = lambda: None

    def take(self) -> float:
        """Its seconds, what the case prepares aside."""
        steps = self.case(self.model)
        next(steps)
        began = time.perf_counter()
        next(steps, None)
        self.afterwards()
        return time.perf_counter() - began


def _in_turns(turns: dict[str, _Turn], rounds: int) -> dict[str, float]:
    """The seconds of each: the lower quartile.

    Whatever else the machine does comes on top, so that the lower times are the truer ones.
    """
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(max(3, rounds)):
        for name in turns if number % 2 else reversed(turns):
            seconds[name].append(turns[name].take())
    return {name: statistics.quantiles(each, n=4)[0] for name, each in seconds.items()}


class Cases:
    """The kinds of saves: each prepares, yields, and then does what is measured."""

    def __init__(self, plain: Any, ours: Any, rows: int) -> None:
        self.plain, self.rows = plain, rows
        self.numbers = iter(range(10**9))
        for model in (plain, ours):
            model.objects.bulk_create(self.new(model) for _ in range(2 * SINGLES))

    def new(self, model: Any) -> Any:
        """A row that is not saved."""
        number = next(self.numbers)
        row = model(
            email=f"Person.{number}@site-{number % 97}.example",
            first_name=f"First {number}",
            last_name=f"Last {number}",
            phone="+1 555 0100",
            title="Engineer",
            linkedin_url=f"https://www.linkedin.com/in/person-{number}",
            external_contact={"crm": number},
            custom_variables={"plan": "pro", "seats": number % 50, "city": "Zürich"},
        )
        if model is self.plain:
            row.key = row.email.lower()
        return row

    def loaded(self, model: Any) -> list[Any]:
        """Rows to edit."""
        rows = list(model.objects.order_by("pk")[:SINGLES])
        for row in rows:
            row.title = f"Title {next(self.numbers)}"
        return rows

    def ask(self, *, asked: bool) -> None:
        """Have a drain asked for, or none."""
        Wakeup.write("default", requested_until=None)
        if asked:
            wake("default")

    def hundred(self, model: Any) -> Iterator[None]:
        rows = self.loaded(model)
        self.ask(asked=False)
        yield
        with transaction.atomic():
            for row in rows:
                row.save()

    def single(self, model: Any) -> Iterator[None]:
        row, *_ = self.loaded(model)
        self.ask(asked=False)
        yield
        row.save()

    def single_asked(self, model: Any) -> Iterator[None]:
        row, *_ = self.loaded(model)
        self.ask(asked=True)
        yield
        row.save()

    def creating(self, model: Any) -> Iterator[None]:
        row = self.new(model)
        self.ask(asked=True)
        yield
        row.save()

    def bulk_create(self, model: Any) -> Iterator[None]:
        rows = [self.new(model) for _ in range(self.rows)]
        yield
        model.objects.bulk_create(rows)

    def update(self, model: Any) -> Iterator[None]:
        last = self.last(model)
        yield
        last.update(title=f"Title {next(self.numbers)}")

    def marked(self, model: Any) -> Iterator[None]:
        last, marks = self.last(model), marking() if model is self.plain else {}
        yield
        last.update(title=f"Title {next(self.numbers)}", **marks)

    def last(self, model: Any) -> Any:
        first = model.objects.order_by("-pk").values_list("pk", flat=True)[self.rows - 1]
        return model.objects.filter(pk__gte=first)
