"""``make demo``: the site, its queue and a stand-in of the API, together and with sample data.

All that it makes is in ``.demo/``; a second run goes on with it. ``--once`` ends when everything
has arrived, and fails unless the sandbox holds, record by record, what the database holds.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import logging
import os
import secrets
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import django
from tqdm import tqdm

from project.processes import Ended, Program, Together

BASE_DIR = Path(__file__).resolve().parent.parent
DEMO_DIR = BASE_DIR / ".demo"
SANDBOX_STATE = DEMO_DIR / "sandbox.sqlite3"
SAMPLE_DATA = BASE_DIR / "project" / "sample_data"
KINDS = ("companies", "contacts", "engagements")

HOST = "127.0.0.1"
RATE = 500
USER = "demo"
START_SECONDS = 30
STALL_SECONDS = 120


class Failed(Exception):
    """The demo can't go on; the message says why, and what to do."""


def main() -> None:
    """Run the demo, until Ctrl-C or, with ``--once``, until everything has arrived."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--once", action="store_true", help="check that all arrives, and end")
    parser.add_argument("--port", type=int, default=8000, help="of the site")
    parser.add_argument("--sandbox-port", type=int, default=8899, help="of the sandbox")
    options = parser.parse_args()

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    os.chdir(BASE_DIR)
    DEMO_DIR.mkdir(mode=0o700, exist_ok=True)
    try:
        with only_one():
            run(options)
    except KeyboardInterrupt:
        print("Stopped.")
    except (Failed, Ended) as error:
        sys.exit(f"\n{error}")


def run(options: argparse.Namespace) -> None:
    """Prepare the database, start the programs, and wait until all has arrived."""
    began = time.monotonic()
    port, sandbox_port = free_port(options.port), free_port(options.sandbox_port)
    sandbox = f"http://{HOST}:{sandbox_port}"
    site = f"http://{HOST}:{port}"
    os.environ.update(environment(sandbox))
    django.setup()
    logging.getLogger("django-q").setLevel(logging.WARNING)

    say("Database")
    prepare()
    password = login()
    import_samples()

    with Together(programs(port, sandbox_port), os.environ) as together:
        try:
            say("Sandbox, q cluster and site")
            for address in (f"{sandbox}/", f"{site}/admin/login/"):
                wait_for(address, together)
            arrive(together)
            report(sandbox, time.monotonic() - began)
            if options.once:
                compare()
                return
            invite(site, sandbox, password)
            while True:
                together.check()
                time.sleep(0.5)
        except KeyboardInterrupt:
            print("\nStopping, once what is being sent has been sent ...", flush=True)
            raise


def say(step: str) -> None:
    """Print the heading of a step."""
    print(f"- {step} ...", flush=True)


# Before


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Hold the demo's folder.

    Raises:
        Failed: another demo runs.
    """
    with (DEMO_DIR / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failed("The demo runs already, in another terminal.") from None
        yield


def free_port(wanted: int) -> int:
    """Return the wanted port, or the next one that is free.

    Raises:
        Failed: none of the next twenty is.
    """
    for port in range(wanted, wanted + 20):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
        if port != wanted:
            print(f"Port {wanted} is taken: {port} instead.")
        return port
    raise Failed(f"The ports {wanted} to {wanted + 19} are all taken.")


def environment(sandbox: str) -> dict[str, str]:
    """Return the settings of the demo; nothing of the caller's own site leaks in."""
    for name in [name for name in os.environ if name.startswith("CONVERSION_")]:
        del os.environ[name]
    return {
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "CONVERSION_API_KEY": "demo-key",
        "CONVERSION_BASE_URL": f"{sandbox}/api/v1",
        "CONVERSION_RATE_LIMIT": str(RATE),
        "DATABASE_URL": f"sqlite:///{DEMO_DIR / 'demo.sqlite3'}",
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "IGNORE_DOT_ENV": "1",
        "PYTHONUNBUFFERED": "1",
        "REDIS_URL": "",
        "SECRET_KEY": kept("secret_key", secrets.token_urlsafe(64)),
    }


def kept(name: str, new: str) -> str:
    """Return the secret of this name; the first time it is the new one."""
    path = DEMO_DIR / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(new)
    return path.read_text()


def programs(port: int, sandbox_port: int) -> list[Program]:
    """Return what runs, in the order in which it stops: the q cluster before what it calls.

    The cluster has the time to end its drain: what it sends at this moment would be in doubt.
    """

    def manage(name: str, *command: str, grace: float = 5) -> Program:
        log = str(DEMO_DIR / f"{command[0]}.log")
        return Program(name, [sys.executable, "manage.py", *command], log, grace)

    return [
        manage("q cluster", "qcluster", grace=30),
        manage("site", "runserver", f"{HOST}:{port}", "--noreload"),
        manage(
            "sandbox",
            "conversion_sandbox",
            f"--port={sandbox_port}",
            f"--rate={RATE}",
            f"--state={SANDBOX_STATE}",
        ),
    ]


def prepare() -> None:
    """Create the tables, or bring them up to date."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


def login() -> str:
    """Make sure that there is a login. Returns its password."""
    from django.contrib.auth import get_user_model

    password = kept("password", secrets.token_urlsafe(9))
    user, _ = get_user_model().objects.get_or_create(
        username=USER, defaults={"is_staff": True, "is_superuser": True}
    )
    if not user.check_password(password):
        user.set_password(password)
        user.save()
    return password


def import_samples() -> None:
    """Import the sample data; what is there already stays as it is."""
    from django.core.management import CommandError, call_command

    for kind in KINDS:
        say(f"Import {kind}")
        try:
            call_command("conversion_import", kind, str(SAMPLE_DATA / f"{kind}.csv"))
        except CommandError as error:
            raise Failed(f"The import of the {kind} failed: {error}") from error


# While it runs


def wait_for(address: str, together: Together) -> None:
    """Wait until a server answers.

    Raises:
        Failed: it doesn't.
        Ended: a program ended.
    """
    until = time.monotonic() + START_SECONDS
    while True:
        together.check()
        try:
            with fetch(address):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > until:
                raise Failed(f"No answer from {address}: see the logs in {DEMO_DIR}") from None
            time.sleep(0.1)


def fetch(address: str) -> IO[bytes]:
    """Open an address of this machine, whatever proxy the environment names."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer: IO[bytes] = opener.open(address, timeout=10)
    return answer


def rows() -> dict[str, Counter[str]]:
    """Return the number of rows by kind and status."""
    from django.apps import apps
    from django.db.models import Count

    from conversion_sync.models import SyncedModel

    models = [m for m in apps.get_models() if issubclass(m, SyncedModel)]
    return {
        str(model._meta.verbose_name_plural): Counter(
            dict(
                model._default_manager.order_by()
                .values_list("sync_status")
                .annotate(rows=Count("pk"))
            )
        )
        for model in models
    }


def rows_in_all() -> int:
    """Return the number of rows of all kinds."""
    return sum(statuses.total() for statuses in rows().values())


def arrive(together: Together) -> None:
    """Show how the rows arrive, until all have.

    Raises:
        Failed: some don't.
        Ended: a program ended.
    """
    last, until = -1, 0.0
    every = 0.1 if sys.stderr.isatty() else 5
    with tqdm(desc="In sync", unit=" rows", total=rows_in_all(), mininterval=every) as bar:
        while True:
            together.check()
            statuses = sum(rows().values(), Counter[str]())
            arrived = statuses["SYNCED"] + statuses["SUPERSEDED"]
            waiting = statuses["PENDING"] + statuses["SENDING"]
            bar.total = statuses.total()
            bar.update(arrived - bar.n)
            if arrived == statuses.total():
                return
            if arrived != last:
                last, until = arrived, time.monotonic() + STALL_SECONDS
            if not waiting or time.monotonic() > until:
                break
            time.sleep(0.2)
    raise Failed(
        f"{statuses.total() - arrived} rows did not arrive: {dict(statuses)}. Why is on the rows "
        f"of {DEMO_DIR}/demo.sqlite3, and in the logs beside it; without that folder the demo "
        "starts anew."
    )


def report(sandbox: str, seconds: float) -> None:
    """Print the rows by kind and status, and the calls that the sandbox had, by endpoint."""
    with fetch(f"{sandbox}/_sandbox/state") as answer:
        calls = Counter[str](json.load(answer)["counters"]["endpoints"])
    print("\nRows")
    for kind, statuses in rows().items():
        parts = [f"{count:,} {status}" for status, count in sorted(statuses.items())]
        print(f"  {kind:<34} {statuses.total():>6,}   {', '.join(parts)}".rstrip())
    print("Calls")
    for endpoint, count in sorted(calls.items()):
        print(f"  {endpoint:<34} {count:>6,}")
    total = f"  {'in all':<34} {calls.total():>6,}"
    print(total if calls else f"{total}   nothing was sent")
    print(f"Seconds\n  {'in all':<34} {seconds:>6.1f}", flush=True)


def invite(site: str, sandbox: str, password: str) -> None:
    """Print where to look, and the login."""
    print(
        f"\n  The site:     {site}/    login: {USER}    password: {password}"
        f"\n  The sandbox:  {sandbox}/    what has arrived\n"
        "\nEdit something, and look at its status. Ctrl-C stops it all.",
        flush=True,
    )


def compare() -> None:
    """Compare the database with the records of the sandbox, as it keeps them in its file.

    Raises:
        Failed: they differ.
    """
    from conversion_sync.sandbox.store import Store
    from project.agreement import differences

    store = Store(SANDBOX_STATE)
    try:
        found = differences(store)
    finally:
        store.close()
    if found:
        shown = "\n  ".join(found[:20])
        raise Failed(f"The sandbox differs from the database in {len(found)} places:\n  {shown}")
    print("\nThe sandbox holds, record by record, what the database holds.", flush=True)


if __name__ == "__main__":
    main()
