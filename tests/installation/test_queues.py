"""Each queue in sites of its own: a worker process, a save in another, an arrival, a kill -9.

One of a queue's sites is on SQLite, one on PostgreSQL; both are gone through side by side, since
most of the time is waited for a sweep.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import redis

from conversion_sync.sandbox import Sandbox
from tests.installation.kit import LIMIT, Environment, inherited, postgres_database, run
from tests.installation.test_wheel import pythons

pytestmark = [pytest.mark.installation, pytest.mark.timeout(LIMIT)]

REDIS_URL = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"

ANN, BOB = "ann@x.example", "bob@x.example"

#: Seconds: for what a worker does at once, and for a sweep, which comes once a minute.
SOON, SWEPT = 120.0, 150.0

SQLITE = """
DATABASES["default"]["OPTIONS"] = {
    "transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=wal",
}
"""

SETTINGS = """
INSTALLED_APPS += ["conversion_sync"]
CONVERSION_SYNC = {{
    "API_KEY": "test-key", "BASE_URL": "{base_url}", "RATE_LIMIT": 1000,
    "CALL_DEADLINE": 2, "LEASE": 7, "DRAIN_SECONDS": 3, "QUEUE": "{queue}",
}}
"""

DJANGO_Q = """
INSTALLED_APPS += ["django_q"]
Q_CLUSTER = {
    "orm": "default", "workers": 1, "queue_limit": 1, "bulk": 1, "timeout": 60, "retry": 240,
    "max_attempts": 1, "ack_failures": True, "save_limit": -1, "catch_up": False, "poll": 0.2,
}
import os
CONVERSION_SYNC["SWEEP"] = os.environ.get("SWEEP", "queue")
"""

TASKS_DB = """
INSTALLED_APPS += ["django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
CONVERSION_SYNC["SWEEP"] = "cron"
"""

OX = """
INSTALLED_APPS += ["django_ox"]
TASKS = {"default": {"BACKEND": "django_ox.backend.OxBackend"}}
CONVERSION_SYNC["SWEEP"] = "cron"
"""

CELERY = """
CELERY_BROKER_URL = "{url}"
CELERY_BROKER_TRANSPORT_OPTIONS = {{"global_keyprefix": "{prefix}"}}
"""

#: As Celery's documentation has it.
CELERY_APP = """
import os
from celery import Celery
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_of_its_own.settings")
app = Celery("site_of_its_own")
app.config_from_object("django.conf:settings", namespace="CELERY")
"""

#: A save in a process that ends at once.
SAVE = """
from conversion_sync.models import Contact
Contact.objects.create(email={email!r})
"""

#: Saves within a loop over an open cursor: the session stays, and tasks are rows of the same one.
LOOP = """
from django.db import connection
from conversion_sync.models import Contact, Wakeup
Contact.objects.bulk_create(Contact(email=f"c{n}@x.example") for n in range(9))
raw = connection.connection
for row in Contact.objects.iterator(chunk_size=1):
    Wakeup.write("default", requested_until=None)
    row.first_name = "Renamed"
    row.save()
assert connection.connection is raw
assert Contact.objects.filter(first_name="Renamed").count() == 9
"""

STATES = """
from conversion_sync.models import Contact
print({row.sync_status for row in Contact.objects.all()})
"""

#: A lease that is over: nobody waits for a clock.
END_WAITS = "from conversion_sync.testing import end_waits; end_waits()"


@dataclass(frozen=True)
class Kind:
    """A queue of a site.

    Attributes:
        name: as ``QUEUE`` has it.
        extras: of the package.
        install: what the environment has beside it.
        worker: the command that works, after the Python.
        sweeper: the same, with the sweep.
        cron: the sweep is cron's.
        settings: of the site, beside those of this app.
        tasks: where its tasks are rows, the model of these.
    """

    name: str
    extras: str
    install: Sequence[str]
    worker: Sequence[str]
    sweeper: Sequence[str]
    cron: bool = False
    settings: str = ""
    tasks: str = ""


CELERY_WORKER = ("-m", "celery", "-A", "site_of_its_own", "worker", "--concurrency=1")
DB_WORKER = ("manage.py", "db_worker", "--interval=0.1")
QCLUSTER = ("manage.py", "qcluster")

OX_WORKER = ("manage.py", "ox_worker", "--interval=0.1")

DJANGO_Q_KIND = Kind("django_q", "", (), QCLUSTER, QCLUSTER, settings=DJANGO_Q)
CELERY_KIND = Kind(
    "celery",
    "[celery]",
    ("celery[redis]",),
    CELERY_WORKER,
    (*CELERY_WORKER, "--beat", "-s", "beat"),
)
OWN_KIND = Kind(
    "django_tasks",
    "",
    ("django-tasks-db",),
    DB_WORKER,
    DB_WORKER,
    cron=True,
    settings=TASKS_DB,
    tasks="django_tasks_database.DBTaskResult",
)
BACKPORT_KIND = replace(OWN_KIND, extras="[django-tasks]")
OX_KIND = replace(
    OWN_KIND,
    install=("django-ox",),
    worker=OX_WORKER,
    sweeper=OX_WORKER,
    settings=OX,
    tasks="django_ox.OxTask",
)


@cache
def kinds() -> list[tuple[Kind, str]]:
    """Each queue, and its Python: the oldest has Django 5.2, the newest one with its own tasks.

    django-ox takes no Python before 3.12.
    """
    oldest, *others = pythons()
    found = [(DJANGO_Q_KIND, oldest), (CELERY_KIND, oldest), (BACKPORT_KIND, oldest)]
    return found + [(kind, python) for python in others[-1:] for kind in (OWN_KIND, OX_KIND)]


Install = Callable[[Kind, str], Environment]


class Site:
    """A site that has the queue, its processes, and the API that it sends to."""

    def __init__(self, kind: Kind, environment: Environment, folder: Path, box: Sandbox) -> None:
        self.kind, self.folder, self.python = kind, folder, environment.python
        self.box = box
        self.project = folder / "site_of_its_own"
        self.running: list[subprocess.Popen[bytes]] = []

    def manage(self, *command: str) -> str:
        return run([self.python, "manage.py", *command], self.folder)

    def shell(self, script: str) -> None:
        self.manage("shell", "--command", script)

    def start(self, command: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker, in a session of its own."""
        with (self.folder / f"worker{len(self.running)}.log").open("wb") as log:
            process = subprocess.Popen(
                [self.python, *command],
                cwd=self.folder,
                env=inherited() | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.folder.glob("worker*.log"))

    def wait(self, condition: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.logs()
            time.sleep(0.1)


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 a worker, and whatever it has started."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def prefix() -> Iterator[str]:
    """Of the keys of this test in Redis."""
    made = f"test-{uuid.uuid4().hex}"
    yield made
    with redis.Redis.from_url(REDIS_URL) as client:
        for key in client.scan_iter(f"{made}*"):
            client.delete(key)


@pytest.fixture(scope="session")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Make the environment of a queue, once."""

    @cache
    def made(kind: Kind, python: str) -> Environment:
        environment = Environment(tmp_path_factory.mktemp("queue") / "venv", python)
        environment.install(f"{wheel}{kind.extras}", "psycopg[binary]", *kind.install)
        return environment

    return made


Made = Callable[[str, str], contextlib.AbstractContextManager[Site]]


@pytest.fixture(
    params=kinds(),
    ids=lambda param: (
        f"{param[0].tasks.partition('.')[0] or param[0].name}-{Path(param[1]).resolve().name}"
    ),
)
def made(request, install: Install, tmp_path: Path, prefix: str) -> Made:
    """Make a site of a queue, in a folder of this name, with these lines of settings."""
    kind, python = request.param
    environment = install(kind, python)

    @contextlib.contextmanager
    def made(name: str, database: str) -> Iterator[Site]:
        (folder := tmp_path / name).mkdir()
        run([environment.python, "-m", "django", "startproject", "site_of_its_own", "."], folder)
        with Sandbox() as box:
            site = Site(kind, environment, folder, box)
            _set_up(site, database, f"{prefix}-{name}")
            try:
                yield site
            finally:
                for process in site.running:
                    kill(process)
                    process.wait()

    return made


def _set_up(site: Site, database: str, prefix: str) -> None:
    settings, queue = site.project / "settings.py", site.kind.name
    text = settings.read_text() + database
    text += SETTINGS.format(base_url=site.box.base_url, queue=queue)
    if queue == "celery":
        text += CELERY.format(url=REDIS_URL, prefix=prefix)
        (site.project / "celery.py").write_text(CELERY_APP)
        (site.project / "__init__.py").write_text("from .celery import app as celery_app\n")
    settings.write_text(text + site.kind.settings)
    site.manage("migrate", "--verbosity=0")


@pytest.fixture
def on_sqlite(made: Made) -> Iterator[Site]:
    with made("sqlite", SQLITE) as site:
        yield site


@pytest.fixture
def on_postgres(request, made: Made, install: Install) -> Iterator[Site]:
    python = install(*request.node.callspec.params["made"]).python
    with postgres_database(python) as settings, made("postgres", settings) as site:
        yield site


def test_a_save_arrives_and_what_a_killed_worker_held_is_swept(on_sqlite: Site, on_postgres: Site):
    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(_go_through, site) for site in (on_sqlite, on_postgres)]:
            done.result()


def _go_through(site: Site) -> None:
    box = site.box
    assert "no issues" in site.manage("check", "--fail-level=WARNING")
    if site.kind.name == "django_q":
        site.shell("from django_q.models import Schedule; Schedule.objects.all().delete()")
    # A cluster that starts would see to the sweep.
    worker = site.start(site.kind.worker, SWEEP="cron")
    site.shell(SAVE.format(email=ANN))
    # Nothing sweeps yet: the save itself has asked for this.
    site.wait(lambda: ANN in box.contacts, SOON)

    box.before(lambda request: kill(worker), path="^/contacts/batch$")
    site.shell(SAVE.format(email=BOB))
    site.wait(lambda: worker.poll() is not None, SOON)
    site.shell(END_WAITS)
    site.manage("migrate", "--verbosity=0")
    before = len(box.calls)
    site.start(site.kind.sweeper)
    if site.kind.cron:
        site.manage("conversion_push")
    site.wait(lambda: len(box.calls) > before, SWEPT)
    site.wait(lambda: "{'SYNCED'}" in site.manage("shell", "--command", STATES), SOON)
    assert set(box.contacts) == {ANN, BOB}


def test_saves_keep_the_session_of_the_site_and_queue_their_tasks_in_it(on_sqlite: Site):
    tasks = on_sqlite.kind.tasks
    queued = f"from django.apps import apps; assert apps.get_model({tasks!r}).objects.count() > 8"
    on_sqlite.shell(LOOP + (queued if tasks else ""))
