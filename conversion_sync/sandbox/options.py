"""The options of the program, for ``python -m`` and the management command alike."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from conversion_sync.arguments import number, whole

__all__ = ["DEFAULT_PORT", "DESCRIPTION", "add_options", "arguments"]

DEFAULT_PORT = 8899
PORT = whole(0, 65535)
DESCRIPTION = "Serve a local stand-in of the Conversion API, with a page that shows what arrived."


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--port", type=PORT, default=DEFAULT_PORT, help="0 takes a free one.")
    parser.add_argument(
        "--page-port",
        type=PORT,
        help="Of the page; by default the one after --port, or a free one.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="The API is not protected at all.")
    parser.add_argument(
        "--rate",
        type=number(0, 1e6),
        default=10,
        help="Requests a second for each key; 0 is no limit.",
    )
    parser.add_argument(
        "--latency", type=number(0, 3600), default=0, help="Seconds before each answer."
    )
    parser.add_argument(
        "--fail",
        action="append",
        default=[],
        metavar="SPEC",
        help="A fault, with its probability: 429:0.1, 500:0.3, drop:0.1, drop-after, hang=5, "
        "html:0.2, truncate, redirect, poison=a@x.example … May be repeated.",
    )
    parser.add_argument("--state", metavar="FILE", help="Keep what arrives in this file.")
    parser.add_argument(
        "--key", action="append", default=[], help="Accept only this API key. May be repeated."
    )
    parser.add_argument(
        "--item-errors",
        action="store_true",
        help="Answer the bad items of a batch one by one, instead of refusing the batch.",
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**63 - 1), help="Make the same choices of faults each time."
    )


def arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given as arguments of `conversion_sync.sandbox.run`."""
    names = ("port", "host", "page_port", "rate", "latency", "fail", "state", "item_errors", "seed")
    return {**{name: options[name] for name in names}, "keys": options["key"]}
