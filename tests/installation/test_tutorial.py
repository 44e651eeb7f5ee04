"""The tutorial, followed to the letter: this reads the page and does what it says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests

from tests.installation.kit import COMMAND_LIMIT, LIMIT, ROOT, inherited

pytestmark = [pytest.mark.installation, pytest.mark.timeout(LIMIT)]

PAGE = ROOT / "docs" / "tutorial.md"

#: A fence with what stands between it and the one before.
BLOCK = re.compile(r"(?P<lead>.*?)^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
SEEN = re.compile(r"Open <(\S+)>:\s+there is `([^`]+)`")

#: Seconds for what arrives by itself.
SOON = 60


class Reader:
    """Somebody who follows the page: with terminals, an editor and a browser."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder, self.text = folder, text
        self.started: list[subprocess.Popen[bytes]] = []
        # `python3` is the Python of these tests; of their environment nothing else is there.
        programs = folder.parent / "programs"
        programs.mkdir()
        (programs / "python3").symlink_to(Path(sys.executable).resolve())
        own = str(Path(sys.executable).parent)
        paths = [path for path in os.environ["PATH"].split(os.pathsep) if path != own]
        self.environment = inherited() | {"PATH": os.pathsep.join([str(programs), *paths])}
        self.environment.pop("VIRTUAL_ENV", None)
        self.activated = ""

    def follow(self, acts: dict[str, Callable[[Reader], None]]) -> None:
        """Do what the page says.

        Args:
            acts: what is to be done in a browser, by the words with which its paragraph begins.
        """
        end = 0
        for block in BLOCK.finditer(self.text):
            self._read(block["lead"], acts)
            self._do(block["lead"].strip().splitlines()[-1], block["language"], block["code"])
            end = block.end()
        self._read(self.text[end:], acts)
        assert not acts, "not on the page"

    def _read(self, prose: str, acts: dict[str, Callable[[Reader], None]]) -> None:
        for address, what in SEEN.findall(prose):
            self.see(address, what)
        for paragraph in prose.split("\n\n"):
            for words in [words for words in acts if paragraph.strip().startswith(words)]:
                acts.pop(words)(self)

    def _do(self, lead: str, language: str, code: str) -> None:
        if language == "python":
            [name] = re.findall(r"`([\w/]+\.py)`:$", lead)
            path = self.folder / name
            assert path.parent.is_dir()
            path.write_text(path.read_text() + code if "At the end of" in lead else code)
            return
        assert language == "console", language
        if "leave it running" in lead:
            self._start(code)
            return
        for command, said in commands(code):
            self._run(command, said)

    def _run(self, command: str, said: list[str]) -> None:
        if command.startswith(". "):
            self.activated = command
            return
        done = subprocess.run(
            ["bash", "-ec", f"{self.activated or ':'}\n{command}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        for line in said:
            assert line in done.stdout.splitlines(), (command, done.stdout, done.stderr)

    def _start(self, code: str) -> None:
        *before, (last, said) = commands(code)
        assert [command for command, _ in before] == [self.activated]
        output = self.folder.parent / f"terminal{len(self.started)}"
        with output.open("wb") as file:
            self.started.append(
                subprocess.Popen(
                    ["bash", "-ec", f"{self.activated}\nexec {last}"],
                    cwd=self.folder,
                    env=self.environment,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            )
        until(lambda: {*said} <= {*output.read_text().splitlines()}, output.read_text)

    def see(self, address: str, what: str) -> None:
        """Look at a page until something is there."""
        until(lambda: what in read(address), lambda: f"{what!r} is not at {address}")

    def stop(self) -> None:
        """End what was started, as Ctrl-C does."""
        for process in reversed(self.started):
            process.send_signal(signal.SIGINT)
        for process in self.started:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def commands(code: str) -> list[tuple[str, list[str]]]:
    """The commands of a block, each with the lines that it is shown to print."""
    found: list[tuple[str, list[str]]] = []
    for line in code.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


def read(address: str) -> str:
    try:
        return requests.get(address, timeout=10).text
    except requests.ConnectionError:
        return ""


def until(holds: Callable[[], bool], why: Callable[[], str]) -> None:
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end, why()
        time.sleep(0.1)


def with_free_ports(text: str) -> str:
    """The page, with ports in it that are free here: other suites run beside this one."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for name, each in (("8899", one), ("8900", two), ("8000", three)):
            each.bind(("127.0.0.1", 0))
            assert name in text
            text = text.replace(name, str(each.getsockname()[1]))
    return text


@contextmanager
def staff(text: str) -> Iterator[tuple[requests.Session, str]]:
    """A browser in which the person whom the page names is logged in, and the admin's address."""
    found = re.search(r"Log in at <(\S+)> as `(\w+)` with the password `(\w+)`", text)
    assert found
    address, name, password = found.groups()
    with closing(requests.Session()) as browser:
        until(lambda: read(address) != "", lambda: "no site")
        browser.get(address, timeout=30)
        answer = browser.post(
            f"{address}login/",
            data={
                "username": name,
                "password": password,
                "next": "/admin/",
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            },
            timeout=30,
        )
        assert "shop/customer" in answer.text
        yield browser, address


def edit_in_the_admin(reader: Reader) -> None:
    with staff(reader.text) as (browser, address):
        customers = browser.get(f"{address}shop/customer/", timeout=30).text
        assert "Synced" in customers
        page = f"{address}shop/customer/1/change/"
        browser.get(page, timeout=30)
        answer = browser.post(
            page,
            data={
                "name": "Ada Lovelace",
                "email": "ada@customer.example",
                "is_active": "on",
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            },
            timeout=30,
        )
        assert "was changed successfully" in answer.text
        [contacts, _] = [address for address, _ in SEEN.findall(reader.text)]
        reader.see(contacts, "Ada Lovelace")
        until(lambda: "Synced" in browser.get(page, timeout=30).text, lambda: "no badge")


def ask_why(reader: Reader) -> None:
    with staff(reader.text) as (browser, address):
        page = browser.get(f"{address}shop/customer/2/change/", timeout=30).text
        assert "Why" in page


def see_the_opt_out(reader: Reader) -> None:
    [contacts, _] = [address for address, _ in SEEN.findall(reader.text)]
    reader.see(contacts, "UNSUBSCRIBED")


def test_the_tutorial_does_what_it_says(wheel: Path, tmp_path: Path):
    folder = tmp_path / "crm"
    folder.mkdir()
    shutil.copy(wheel, folder)
    reader = Reader(folder, with_free_ports(PAGE.read_text()))
    try:
        reader.follow(
            {
                "Log in at": edit_in_the_admin,
                "The save succeeded": ask_why,
                "`on_exit` says": see_the_opt_out,
            }
        )
    finally:
        reader.stop()
