"""The programs of the demo, and where they listen."""

from __future__ import annotations

import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass

from project.demo.folder import RATE, Folder
from project.demo.words import Failed, say
from project.processes import HOST, Program, Together

__all__ = ["Places", "programs", "wait_for"]

START_SECONDS = 120
TRIED_PORTS = 20


@dataclass(frozen=True)
class Places:
    """The ports of the site, of the sandbox's API and of its pages."""

    site_port: int
    api_port: int
    page_port: int

    @classmethod
    def free(cls, site: int, api: int) -> Places:
        """Return the wanted ports, or the next ones that are free.

        Raises:
            Failed: none of the next is.
        """
        ports: list[int] = []
        for wanted in (site, api, api + 1):
            ports.append(_free_port(wanted, ports))
        return cls(*ports)

    @property
    def site(self) -> str:
        """The address of the site, without a slash at the end."""
        return f"http://{HOST}:{self.site_port}"

    @property
    def base_url(self) -> str:
        """The base URL of the API."""
        return f"http://{HOST}:{self.api_port}/api/v1"

    @property
    def pages(self) -> str:
        """The address of the sandbox's pages, without a slash at the end."""
        return f"http://{HOST}:{self.page_port}"


def _free_port(wanted: int, taken: Collection[int]) -> int:
    for port in range(wanted, wanted + TRIED_PORTS):
        if port in taken or not _is_free(port):
            continue
        if port != wanted and wanted not in taken:
            say(f"Port {wanted} is taken: {port} instead.")
        return port
    raise Failed(
        f"The ports {wanted} to {wanted + TRIED_PORTS - 1} are all taken. Choose others: "
        'make demo ARGS="--port 9000 --sandbox-port 9100"'
    )


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True


def programs(places: Places, folder: Folder) -> list[Program]:
    """Return what runs, in the order in which it stops: the q cluster before what it calls.

    The cluster has the time to end its drain: what it sends at this moment would be in doubt.
    """

    def manage(name: str, *command: str, grace: float = 5) -> Program:
        line = [sys.executable, "manage.py", *command]
        return Program(name, line, folder.log(command[0]), grace)

    return [
        manage("q cluster", "qcluster", grace=60),
        manage("site", "runserver", f"{HOST}:{places.site_port}", "--noreload"),
        manage(
            "sandbox",
            "conversion_sandbox",
            f"--port={places.api_port}",
            f"--page-port={places.page_port}",
            f"--rate={RATE}",
            f"--state={folder.sandbox}",
        ),
    ]


def wait_for(address: str, together: Together) -> None:
    """Wait until a server answers.

    Raises:
        Failed: it doesn't.
        Ended: a program ended.
    """
    # Whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_SECONDS
    while True:
        together.check()
        try:
            with opener.open(address, timeout=10):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > until:
                raise Failed(f"No answer from {address}: see the logs in the folder.") from None
            time.sleep(0.1)
