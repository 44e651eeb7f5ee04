"""What a save costs, beside a save of a plain model with the same columns and indexes.

Each kind of save is measured in turns, one of the plain model and one of ours, in the same minute,
on an SQLite database of its own, and on one on PostgreSQL (``--postgres ""``: not there). A drain
is asked for as in a site; the INSERT of django-q2's task is not done. ``update`` writes one column;
in the last line the plain rows are marked, too: no promise holds without.

    python benchmarks/saves.py [--postgres postgres://…] [--rounds 7] [--rows 10000]
        [--profile single] [--cpu]
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: Where PostgreSQL is, unless POSTGRES_URL says otherwise.
SERVER = "postgres://conversion:conversion@127.0.0.1:5432/conversion"

BASE_DIR = Path(__file__).resolve().parent.parent

#: At most so many times as long as the plain model.
TARGETS = {
    "100 saves, one transaction": 1.25,
    "single saves": 1.5,
    "single saves, drain asked for": 1.5,
    "creating": 1.5,
    "bulk_create": 1.25,
    "update": 1.25,
    "update, marks in both": 1.25,
}

SINGLES = 100

#: Those that take long; the others are measured twenty times as often.
FEW_ROUNDS = {"100 saves, one transaction", "bulk_create", "update", "update, marks in both"}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--postgres", default=os.environ.get("POSTGRES_URL", SERVER))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=10_000, help="of bulk_create and update")
    parser.add_argument("--profile", default="", help="show where the time of this kind goes")
    parser.add_argument("--cpu", action="store_true", help="processor time, where others work too")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.chdir(BASE_DIR)
    sys.path.insert(0, str(BASE_DIR))
    if options.inside:
        measure(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(f"sqlite:///{folder}/saves.sqlite3")
    if options.postgres:
        with database_of_its_own(options.postgres) as address:
            run(address)


def run(address: str) -> None:
    """Measure on the database at this address, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CONVERSION_")}
    environment |= {
        "CONVERSION_API_KEY": "scratch-key",
        "DATABASE_URL": address,
        "DEBUG": "0",
        "ALLOWED_HOSTS": "localhost",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "IGNORE_DOT_ENV": "1",
        "REDIS_URL": "",
        "SECRET_KEY": "for a benchmark only, of a site that nobody reaches at all",
    }
    command = [sys.executable, __file__, "--inside", *sys.argv[1:]]
    subprocess.run(command, env=environment, check=True)


class database_of_its_own:  # used as a function
    """A new database on the server of this address, removed at the end."""

    def __init__(self, address: str) -> None:
        self.server, self.name = address, f"conversion_saves_{os.getpid()}"

    def __enter__(self) -> str:
        self._do(f'CREATE DATABASE "{self.name}"')
        return self.server.rsplit("/", 1)[0] + "/" + self.name

    def __exit__(self, *error: object) -> None:
        self._do(f'DROP DATABASE "{self.name}" WITH (FORCE)')

    def _do(self, statement: str) -> None:
        import psycopg

        address = self.server.rsplit("/", 1)[0] + "/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]  # of constants


def measure(options: argparse.Namespace) -> None:
    """Measure on the database of the environment, and print a table."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from conversion_sync.models import Contact
    from conversion_sync.queues import django_q

    call_command("migrate", verbosity=0, interactive=False)
    django_q.enqueue = lambda using="default": True  # what it costs is django-q2's own
    plain = plain_model(Contact)
    print(f"\n{connection.display_name}, {options.rounds} rounds, milliseconds (lower quartile)")
    print(f"{'':32}{'plain':>9}{'ours':>9}{'times':>7}{'target':>8}   statements")
    cases = Cases(plain, Contact, options.rows)
    for name, case in cases.all():
        if not options.profile:
            report(name, *in_turns(name, case, plain, Contact, options))
        elif name.startswith(options.profile):
            profile(name, case, Contact)


def report(name: str, plain: Any, ours: Any) -> None:
    """One line of the table."""
    times = ours[0] / plain[0]
    print(
        f"{name:32}{plain[0] * 1000:9.2f}{ours[0] * 1000:9.2f}{times:7.2f}{TARGETS[name]:8.2f}"
        f"   {plain[1]} / {ours[1]}{'' if times <= TARGETS[name] else '   (missed)'}",
        flush=True,
    )


Case = Callable[[Any], Iterator[None]]


def in_turns(name: str, case: Case, plain: Any, ours: Any, options: Any) -> tuple[Any, Any]:
    """The median of the seconds, and the statements, of each of the two."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    clock = time.process_time if options.cpu else time.perf_counter
    seconds: dict[Any, list[float]] = {plain: [], ours: []}
    statements = {}
    for model in (plain, ours):
        steps = case(model)
        next(steps)
        with CaptureQueriesContext(connection) as captured:
            next(steps, None)
        statements[model] = len(captured)
    for number in range(options.rounds * (1 if name in FEW_ROUNDS else 20)):
        for model in (plain, ours) if number % 2 else (ours, plain):
            seconds[model].append(timed(case, model, clock))
    # The lower quartile: whatever else the machine does comes on top.
    return tuple((statistics.quantiles(seconds[m], n=4)[0], statements[m]) for m in (plain, ours))  # type: ignore[return-value]  # of two


def timed(case: Case, model: Any, clock: Callable[[], float]) -> float:
    """The seconds of a case, what it prepares aside."""
    steps = case(model)
    next(steps)
    began = clock()
    next(steps, None)
    return clock() - began


def profile(name: str, case: Case, model: Any) -> None:
    """Print where the time of a case goes."""
    profiler = cProfile.Profile()
    for _ in range(5):
        steps = case(model)
        next(steps)
        profiler.enable()
        next(steps, None)
        profiler.disable()
    print(name)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(35)


class Cases:
    """The kinds of saves: each prepares, yields, and then does what is measured."""

    def __init__(self, plain: Any, ours: Any, rows: int) -> None:
        self.plain, self.ours, self.rows, self.count = plain, ours, rows, 0
        self.numbers = iter(range(10**9))
        for model in (plain, ours):
            model.objects.bulk_create(self.new(model) for _ in range(2 * SINGLES))

    def all(self) -> Iterator[tuple[str, Case]]:
        """Their names, and the cases."""
        yield "100 saves, one transaction", self.hundred
        yield "single saves", self.single
        yield "single saves, drain asked for", self.single_asked
        yield "creating", self.creating
        yield "bulk_create", self.bulk_create
        yield "update", self.update
        yield "update, marks in both", self.update_marked

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
        from conversion_sync.models import Wakeup
        from conversion_sync.queues.wake import wake

        Wakeup.write("default", requested_until=None)
        if asked:
            wake("default")

    def hundred(self, model: Any) -> Iterator[None]:
        from django.db import transaction

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
        rows = self.last(model)
        yield
        rows.update(title=f"Title {next(self.numbers)}")

    def update_marked(self, model: Any) -> Iterator[None]:
        from conversion_sync.models.marking import marking

        rows, marks = self.last(model), marking() if model is self.plain else {}
        yield
        rows.update(title=f"Title {next(self.numbers)}", **marks)

    def last(self, model: Any) -> Any:
        first = model.objects.order_by("-pk").values_list("pk", flat=True)[self.rows - 1]
        return model.objects.filter(pk__gte=first)


def plain_model(model: Any) -> Any:
    """A plain model with the same columns and indexes, and its table."""
    from django.db import connection, models

    columns = {field.name: plain_field(field) for field in model._meta.concrete_fields}
    indexes = [
        models.Index(
            fields=[name.replace("company", "company_id") for name in index.fields],
            name=index.name.replace("conversion", "plain"),
            opclasses=index.opclasses,
        )
        for index in model._meta.indexes
    ]
    meta = type("Meta", (), {"app_label": "plain", "indexes": indexes})
    plain = type("Plain", (models.Model,), {"__module__": __name__, "Meta": meta, **columns})
    with connection.schema_editor() as editor:
        editor.create_model(plain)
    return plain


def plain_field(field: Any) -> Any:
    """A field of Django's own, for a column like this one."""
    from django.db import models

    if field.primary_key:
        return models.BigAutoField(primary_key=True)
    options = {"null": field.null, "unique": field.unique, "db_index": field.db_index}
    if field.has_default():
        options["default"] = field.default
    if field.is_relation:
        return models.BigIntegerField(**options | {"db_column": field.column})
    for kind in (
        models.JSONField,
        models.UUIDField,
        models.PositiveSmallIntegerField,
        models.PositiveBigIntegerField,
        models.PositiveIntegerField,
        models.TextField,
    ):
        if isinstance(field, kind):
            return kind(**options)
    if isinstance(field, models.DateTimeField):
        return models.DateTimeField(
            **options, auto_now=field.auto_now, auto_now_add=field.auto_now_add
        )
    return models.CharField(**options, max_length=field.max_length)


if __name__ == "__main__":
    main()
