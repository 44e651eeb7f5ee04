"""``python -m conversion_sync.sandbox``: the stand-in for those who have no site yet."""

from __future__ import annotations

import sqlite3
import sys
from argparse import ArgumentParser

from conversion_sync.sandbox.box import Sandbox
from conversion_sync.sandbox.listener import PortInUse
from conversion_sync.sandbox.options import DESCRIPTION, add_options, arguments
from conversion_sync.sandbox.program import run


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = ArgumentParser(prog="python -m conversion_sync.sandbox", description=DESCRIPTION)
    add_options(parser)
    options = parser.parse_args()
    try:
        run(**arguments(vars(options)), announce=announce)
    except PortInUse as error:
        parser.exit(1, f"Port {error.port} is in use: choose others by --port, --page-port.\n")
    except sqlite3.Error as error:
        parser.exit(1, f"The state file {options.state} can't be used: {error}\n")
    except (ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")


def announce(box: Sandbox) -> None:
    """Print where it is."""
    sys.stdout.write(f"The sandbox listens; what arrives, and what may go wrong, is at {box.url}\n")
    sys.stdout.write(f"CONVERSION_BASE_URL={box.base_url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
