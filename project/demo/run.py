"""The demo, from its folder to the addresses to open."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import time
from pathlib import Path
from urllib.parse import urlencode

import django

from project.demo.folder import Folder
from project.demo.servers import Places, programs, wait_for
from project.demo.words import Failed, say, step
from project.processes import Ended, Together

__all__ = ["run"]

BASE_DIR = Path(__file__).resolve().parents[2]
USER = "demo"


def run(options: argparse.Namespace) -> None:
    """Prepare the database, start the programs, and wait.

    Raises:
        Failed: the demo can't run, or with ``--once`` something has not arrived.
    """
    began = time.monotonic()
    folder = Folder(options.folder)
    with folder.taken() as held:
        places = Places.free(options.port, options.sandbox_port)
        folder.announce(f"It is at {places.site}/")
        settle(folder, places)
        password = prepare(folder, options.samples)
        with Together(programs(places, folder), os.environ, [held]) as together:
            try:
                step("Start the sandbox, the q cluster and the site")
                for address in (f"{places.pages}/", f"{places.site}/admin/login/"):
                    wait_for(address, together)
                watch(options, folder, places, together, password, began)
            except Ended as error:
                raise Failed(str(error)) from error
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, lambda *_: together.hurry())
                say("\nStopping, once what is being sent has been sent (Ctrl-C again: at once) ...")
                raise


def settle(folder: Folder, places: Places) -> None:
    """Take the demo's environment for this process and those that it starts.

    Nothing of the caller's own site leaks in.
    """
    for name in [name for name in os.environ if name.startswith("CONVERSION_")]:
        del os.environ[name]
    environment = folder.environment(places.base_url)
    os.environ.update(environment)
    folder.leave_commands(environment, BASE_DIR)
    django.setup()
    logging.getLogger("django-q").setLevel(logging.WARNING)


def prepare(folder: Folder, samples: Path) -> str:
    """Have a database, a login and the sample data. Returns what to say of the password."""
    from project.demo import databases
    from project.demo.samples import import_samples

    step("Prepare the database")
    databases.prepare(folder)
    password = login(folder)
    import_samples(samples, folder)
    return password


def login(folder: Folder) -> str:
    """Make sure that one can log in. Returns the password, or that it is the user's own."""
    from django.contrib.auth import get_user_model

    password, is_new = folder.kept("password", secrets.token_urlsafe(9))
    user, created = get_user_model().objects.get_or_create(username=USER)
    user.is_active = user.is_staff = user.is_superuser = True
    if created or is_new:
        user.set_password(password)
    user.save()
    return password if user.check_password(password) else "(the one that you set)"


def watch(
    options: argparse.Namespace,
    folder: Folder,
    places: Places,
    together: Together,
    password: str,
    began: float,
) -> None:
    """Show how the rows arrive; then check them, or invite to look, until Ctrl-C."""
    from project.demo import arriving

    where = f"\n  The site is at  {places.site}/    login: {USER}    password: {password}\n"
    if arriving.standing().soon:
        if not options.once:
            say(f"{where}\nIt is open already, while the rows arrive:")
        arriving.arrive(together)
    arriving.report(places.site)
    say(f"{time.monotonic() - began:.0f} seconds in all.")
    if options.once:
        arriving.check(folder)
        return
    invite(folder, places, where)
    while True:
        together.check()
        time.sleep(0.5)


def invite(folder: Folder, places: Places, where: str) -> None:
    """Say where to look, and how to see an error handled."""
    from conversion_sync.models import Contact

    manage = os.path.relpath(folder.manage)
    say(
        f"{where}"
        f"  The sandbox     {places.pages}/    what has arrived; buttons for what may go wrong\n"
        f"  Commands        {manage} conversion_status    or any other of manage.py, for this site"
    )
    if contact := Contact.objects.order_by("pk").first():
        row = f"{places.site}/admin/conversion_sync/contact/{contact.pk}/change/"
        refuse = f"{places.pages}/?{urlencode({'email': contact.email})}"
        say(
            "\nTo see an error handled:\n"
            f"  1. Press “Refuse” at {refuse}\n"
            f"  2. Change and save {row} and read on it why it did not arrive\n"
            "  3. Press “Back to normal” there, and “Retry” here: it arrives"
        )
    say("\nCtrl-C stops it all; the next run goes on from here.")
