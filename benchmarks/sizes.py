"""How much is measured: in a minute, in ten, or the real thing."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "USUAL", "Sizes"]

LATENCIES = ((0.1, 0.5, 2.0), (0.3, 2.0))


@dataclass(frozen=True)
class Sizes:
    """What differs between a quick run, the usual one, and the full one.

    Attributes:
        name: of the run.
        seconds: of sending at the ceiling, for each latency.
        latencies: of contacts and of engagements, in seconds.
        contacts: of a drain with the limit lifted.
        rounds: how often what is compared is measured, in turns.
        tasks: of the usual way: a task and a request a row.
        bulk: rows of ``bulk_create`` and ``update()``.
        edits: how many edits are followed until they have arrived.
        loading: rows that are being sent while others are edited.
        backlogs: numbers of rows with which a claim is measured.
        memory: rows of 1 kB that a drain sends while its memory is looked at.
        pages: rows with which pages are asked for; and how few they are compared with.
        lines: of a file that is imported.
        worked: contacts that several workers send together; and how many workers.
        saves: saves with and without a mirror, and sources of a backfill.
        crowded: seconds in which a site and drains are in each other's way.
    """

    name: str
    seconds: float
    latencies: tuple[tuple[float, ...], tuple[float, ...]]
    contacts: int
    rounds: int
    tasks: int
    bulk: int
    edits: int
    loading: int
    backlogs: tuple[int, ...]
    memory: int
    pages: tuple[int, int]
    lines: int
    worked: tuple[int, tuple[int, ...]]
    saves: tuple[int, int]
    crowded: float


QUICK = Sizes(
    name="quick",
    seconds=2,
    latencies=((0.5,), (0.3,)),
    contacts=4_000,
    rounds=1,
    tasks=50,
    bulk=1_000,
    edits=4,
    loading=40_000,
    backlogs=(1_000, 5_000),
    memory=4_000,
    pages=(15_000, 10_000),
    lines=2_000,
    worked=(8_000, (2,)),
    saves=(50, 1_000),
    crowded=2,
)

USUAL = Sizes(
    name="usual",
    seconds=5,
    latencies=LATENCIES,
    contacts=20_000,
    rounds=2,
    tasks=200,
    bulk=10_000,
    edits=20,
    loading=60_000,
    backlogs=(1_000, 100_000),
    memory=20_000,
    pages=(100_000, 10_000),
    lines=20_000,
    worked=(24_000, (2, 4, 8)),
    saves=(300, 10_000),
    crowded=10,
)

FULL = Sizes(
    name="full",
    seconds=60,
    latencies=LATENCIES,
    contacts=20_000,
    rounds=3,
    tasks=1_000,
    bulk=10_000,
    edits=50,
    loading=1_000_000,
    backlogs=(1_000, 100_000, 1_000_000),
    memory=1_000_000,
    pages=(1_000_000, 10_000),
    lines=100_000,
    worked=(100_000, (2, 4, 8)),
    saves=(300, 100_000),
    crowded=20,
)
