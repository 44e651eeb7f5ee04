"""``python -m project.demo``.

All that it makes is in ``.demo/``; the next run goes on with it, whatever ended this one, and
whatever became of the rows. ``--once`` ends when everything has arrived, and fails unless the
sandbox holds, record by record, what the database holds.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from project.demo.words import Failed, say

BASE_DIR = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run the demo, until Ctrl-C or, with ``--once``, until everything has arrived."""
    options = parsed()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup, SIGHUP is to be ignored.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    os.chdir(BASE_DIR)
    try:
        # Django is loaded after Ctrl-C is handled.
        from project.demo.run import run

        run(options)
    except KeyboardInterrupt:
        say("Stopped.")
    except Failed as error:
        sys.exit(f"\n{error}")


def parsed() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m project.demo", description=main.__doc__)
    parser.add_argument("--once", action="store_true", help="check that all arrives, and end")
    parser.add_argument("--port", type=int, default=8000, help="of the site")
    parser.add_argument(
        "--sandbox-port", type=int, default=8899, help="of the sandbox; its pages are after it"
    )
    parser.add_argument("--folder", type=Path, default=BASE_DIR / ".demo", help="where its data is")
    parser.add_argument(
        "--samples",
        type=Path,
        default=BASE_DIR / "project" / "sample_data",
        help="a folder with companies.csv, contacts.csv and engagements.csv",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
