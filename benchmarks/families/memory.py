"""The memory of a worker that sends many rows of 1 kB, and the size of its largest call."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks import rows
from benchmarks.apart import MEGABYTE, done_apart
from benchmarks.figure import Figure
from benchmarks.server import StandIn, sending
from benchmarks.sizes import Sizes

KILOBYTE = 1_000
BATCH = 200


def counts(sizes: Sizes) -> Iterator[Figure]:
    """Drain rows of 1 kB, and then some that are so large that a full batch is more than 1 MB."""
    with StandIn() as server, sending(server.url):
        rows.due_contacts(sizes.memory, custom_variables=_variables(KILOBYTE))
        done = done_apart("benchmarks.work:drain_all")
        yield Figure(
            f"memory of a drain of {sizes.memory:,} rows of 1 kB, above its start",
            done.grown,
            "MB",
            f"{done.result} calls",
            20,
            is_count=True,
        )
        server.report()
        rows.due_contacts(2 * BATCH, custom_variables=_variables(20 * KILOBYTE))
        done = done_apart("benchmarks.work:drain_all")
        yield Figure(
            "the largest call, with rows of 20 kB",
            server.report().largest / MEGABYTE,
            "MB",
            f"{done.result} calls for {2 * BATCH} rows",
            1,
            is_count=True,
        )


def _variables(size: int) -> str:
    """Custom variables of about so many bytes, ten of them."""
    return json.dumps({f"variable_{number}": "x" * (size // 10 - 16) for number in range(10)})
