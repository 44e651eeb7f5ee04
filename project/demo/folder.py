"""The folder of the demo: its data, its secrets, who uses it, and its environment for commands."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from project.demo.words import Failed, say
from project.processes import HOST

__all__ = ["RATE", "Folder"]

RATE = 500
ENDING_SECONDS = 90

_ENV = """\
# The environment of the demo's site, of its last run. To be read by sh.
for name in $(env | sed -n 's/^\\(CONVERSION_[A-Z_]*\\)=.*/\\1/p'); do unset "$name"; done
"""
_MANAGE = """\
#!/bin/sh
# manage.py of the demo's site, whether it runs or not.
set -e
cd {base}
. {env}
exec {python} manage.py "$@"
"""


class Folder:
    """A folder that one demo uses at a time.

    Raises:
        Failed: it can't be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.database = self.path / "demo.sqlite3"
        self.sandbox = self.path / "sandbox.sqlite3"
        self.manage = self.path / "manage"
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write("writable", "", 0o600)
            (self.path / "writable").unlink()
        except OSError as error:
            raise Failed(f"The folder {self.path} can't be used: {error.strerror}.") from error

    @contextlib.contextmanager
    def taken(self) -> Iterator[int]:
        """Hold the folder; gives a file descriptor for the programs to hold, too.

        As long as a program of an earlier run has that, the folder is not free: it may still send,
        and write.

        Raises:
            Failed: another demo runs, or what an earlier one started does not end.
        """
        with (self.path / "lock").open("a+") as lock, (self.path / "programs").open("a+") as used:
            if not _lock(lock.fileno()):
                lock.seek(0)
                where = lock.read().strip()
                raise Failed(f"The demo runs already, in another terminal. {where}".strip())
            lock.truncate(0)
            self._wait_for(used.fileno())
            yield used.fileno()

    def announce(self, words: str) -> None:
        """Leave a word for those who start a second demo meanwhile."""
        with (self.path / "lock").open("r+") as lock:
            lock.write(words)

    def _wait_for(self, programs: int) -> None:
        until = time.monotonic() + ENDING_SECONDS
        if not _lock(programs):
            say("What an earlier run started is still ending: waiting for it ...")
            while not _lock(programs):
                if time.monotonic() > until:
                    raise Failed(
                        "What an earlier run started does not end. Look for its processes "
                        f"(`lsof {self.path / 'programs'}`), end them, and start again."
                    )
                time.sleep(0.2)

    def kept(self, name: str, new: str) -> tuple[str, bool]:
        """Return the secret of this name, and whether it is the new one."""
        path = self.path / name
        if path.exists() and (old := path.read_text().strip()):
            return old, False
        self._write(name, new, 0o600)
        return new, True

    def log(self, name: str) -> str:
        """Return where the output of a program goes."""
        return str(self.path / f"{name}.log")

    def environment(self, base_url: str) -> dict[str, str]:
        """Return the settings of the site.

        Args:
            base_url: of the API.
        """
        return {
            "ALLOWED_HOSTS": f"localhost,{HOST}",
            "CONVERSION_API_KEY": "demo-key",
            "CONVERSION_BASE_URL": base_url,
            "CONVERSION_RATE_LIMIT": str(RATE),
            "DATABASE_URL": f"sqlite:///{quote(str(self.database))}",
            "DEBUG": "1",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "IGNORE_DOT_ENV": "1",
            "NO_PROXY": "*",
            "PYTHONUNBUFFERED": "1",
            "REDIS_URL": "",
            "SECRET_KEY": self.kept("secret_key", secrets.token_urlsafe(64))[0],
        }

    def leave_commands(self, environment: Mapping[str, str], base: Path) -> None:
        """Leave the environment, and a ``manage`` that uses it."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
        self._write("env", _ENV + "".join(lines), 0o600)
        words = {"base": base, "env": self.path / "env", "python": sys.executable}
        quoted = {name: shlex.quote(str(value)) for name, value in words.items()}
        self._write("manage", _MANAGE.format(**quoted), 0o700)

    def set_aside(self, *databases: Path) -> Path:
        """Move databases out of the way, with what SQLite keeps beside them; returns where to."""
        target = self.path / time.strftime("set-aside-%Y%m%d-%H%M%S")
        while target.exists():
            target = target.with_name(f"{target.name}x")
        target.mkdir()
        for database in databases:
            for file in self.path.glob(f"{database.name}*"):
                file.rename(target / file.name)
        return target

    def _write(self, name: str, text: str, mode: int) -> None:
        """Write a file whole or not at all."""
        new = self.path / f".{name}.new"
        new.touch(mode=mode)
        new.write_text(text, encoding="utf-8")
        new.chmod(mode)
        os.replace(new, self.path / name)


def _lock(file: int) -> bool:
    """Lock an open file; return whether it worked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
