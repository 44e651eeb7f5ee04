"""The demo as a person has it: its own processes, on a small part of the sample data."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from project.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "project" / "sample_data"
#: After so long something is taken for lost. The machine may be busy.
PATIENCE = 180
READY = "Ctrl-C stops it all"


class Demo:
    """A demo in a folder of its own."""

    def __init__(self, folder: Path, samples: Path) -> None:
        self.folder = folder
        self.samples = samples
        self.site_port, self.api_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.output = folder.with_name("output")

    def start(self, *options: str) -> None:
        """Start it, and return at once."""
        self.output.unlink(missing_ok=True)
        line = [sys.executable, "-m", "project.demo", f"--folder={self.folder}"]
        ports = [f"--port={self.site_port}", f"--sandbox-port={self.api_port}"]
        # What a user's own site may have set.
        environment = os.environ | {"CONVERSION_ENABLED": "0", "CONVERSION_BATCH_SIZE": "1"}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*line, f"--samples={self.samples}", *ports, *options],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def says(self, words: str) -> str:
        """Wait until it has said this; all that it has said."""
        eventually(lambda: words in self.said or self.has_ended())
        assert words in self.said, self.said
        return self.said

    def ready(self, *options: str) -> str:
        """Start it, and wait until it invites to look; what it says."""
        self.start(*options)
        return self.says(READY)

    def once(self) -> tuple[int, str]:
        """Run it with ``--once``; its status, and what it says."""
        self.start("--once")
        return self.ended(), self.said

    def has_ended(self) -> bool:
        return self.running.poll() is not None

    def ended(self) -> int:
        """Wait for its end, and that of all that it started; its status."""
        status = self.running.wait(PATIENCE)
        eventually(lambda: not self.processes())
        return status

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self.process
        return self.process

    def stop(self, number: int = signal.SIGINT) -> int:
        """Have it end."""
        self.running.send_signal(number)
        return self.ended()

    def processes(self) -> list[int]:
        """The processes that run for it: the folder is in their environment or command."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                told = (path / "environ").read_bytes() + (path / "cmdline").read_bytes()
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if str(self.folder).encode() in told and state != "Z":
                found.append(int(path.name))
        return sorted(found)

    def program(self, part: str) -> int:
        """The first process with this in its command."""
        for number in self.processes():
            if part in Path(f"/proc/{number}/cmdline").read_text().replace("\0", " "):
                return number
        raise AssertionError(f"no {part}")

    def manage(self, *command: str) -> str:
        """Run a command of the site, as the demo tells one to; its output."""
        done = subprocess.run(
            [str(self.folder / "manage"), *command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, code: str) -> str:
        """Run some code in the site."""
        imports = "from conversion_sync.models import *"
        return self.manage("shell", "--no-imports", "--command", f"{imports}\n{code}").strip()

    def control(self, path: str, /, **body: Any) -> Any:
        """Use a control of the stand-in."""
        address = f"http://127.0.0.1:{self.api_port}/_sandbox/{path}"
        answer = requests.post(address, json=body, timeout=PATIENCE)
        assert answer.ok, answer.text
        return answer.json()

    def stand_in(self) -> Any:
        """What the stand-in has."""
        address = f"http://127.0.0.1:{self.api_port}/_sandbox/state"
        return requests.get(address, timeout=PATIENCE).json()

    def addresses(self) -> dict[str, str]:
        """The addresses that it tells."""
        found = re.findall(r"(The site is at|The sandbox) +(http://\S+/) ", self.said)
        return {words.split()[1]: address for words, address in found}

    def kill_all(self) -> None:
        for number in self.processes():
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.process:
            self.process.wait(PATIENCE)


def eventually(happens: Callable[[], object]) -> None:
    """Wait until this is so."""
    until = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < until, "too late"
        time.sleep(0.1)


def write_samples(folder: Path, *, contacts: int = 6) -> Path:
    """Write the beginnings of the sample files, which fit together."""
    folder.mkdir(exist_ok=True)
    read = {}
    for kind in ("companies", "contacts", "engagements"):
        with (SAMPLES / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
            read[kind] = list(csv.DictReader(file))
    people = read["contacts"][:contacts]
    # In the order of the contacts, so that a longer part begins as a shorter one.
    emails = [person["email"] for person in people]
    ids = [person["company_id"] for person in people]
    companies = [row for row in read["companies"] if row["id"] in ids]
    engagements = [row for row in read["engagements"] if row["contact_email"] in emails]
    parts = {
        "companies": sorted(companies, key=lambda row: ids.index(row["id"])),
        "contacts": people,
        "engagements": sorted(engagements, key=lambda row: emails.index(row["contact_email"])),
    }
    for kind, rows in parts.items():
        with (folder / f"{kind}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, read[kind][0].keys())
            writer.writeheader()
            writer.writerows(rows)
    return folder
