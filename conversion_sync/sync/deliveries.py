"""What a delivery, and the loop that runs it, say to each other.

A delivery is a generator. It claims rows, yields the calls to make, is sent their answers, and
settles. It holds no transaction during a call, and knows of no thread and no socket.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from conversion_sync.api import ConversionError
from conversion_sync.api.request import Request
from conversion_sync.sync.claim import Claim

__all__ = ["Calls", "Delivery", "LoggedAnswer", "NoSlot", "SlotsNeeded"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SlotsNeeded:
    """Go on when so many calls may begin; what is claimed then need not wait. Nothing is sent back.

    A delivery that holds nothing yet looks, claims and yields its ``Calls`` after this.

    Attributes:
        is_urgent: a person waits for it; so from now on it goes before others.
    """

    count: int = 1
    is_urgent: bool = False

    #: It makes no calls.
    is_probe: ClassVar[bool] = False
    carries_rows: ClassVar[bool] = False

    @property
    def slots(self) -> int:
        """How many slots it needs."""
        return self.count


@dataclass(frozen=True, slots=True)
class LoggedAnswer(Generic[T]):
    """What came of a call: a result or an error, and its line (``call``) in the call log."""

    result: T | None
    error: ConversionError | None
    call: int | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """Make these calls, each in a slot of its own; their answers are sent back, in this order.

    Attributes:
        claim: the calls carry rows of it. What has less of its lease left than a call may take is
            not sent, but answered by `Withheld`; and a content that is refused may be a row's
            fault: the delivery blames the channel where it is not.
        pks: which rows each of the calls carries.
        is_probe: they say nothing of the endpoint that the delivery serves.
        are_singles: each carries one row, which has arrived where its call succeeds. That is
            settled at once, while others are still on their way; the delivery may settle it again.
    """

    requests: Sequence[Request[Any]]
    claim: Claim | None = None
    pks: Sequence[Collection[int]] = ()
    is_probe: bool = False
    are_singles: bool = False

    #: What is urgent was said when it asked for slots.
    is_urgent: ClassVar[bool] = False

    @property
    def slots(self) -> int:
        """How many slots it needs."""
        return len(self.requests)

    @property
    def carries_rows(self) -> bool:
        """Whether the calls carry rows of a claim."""
        return self.claim is not None


class NoSlot(Exception):
    """The gate lets nothing through for ``wait`` seconds; None: until somebody acts."""

    def __init__(self, wait: float | None) -> None:
        super().__init__(wait)
        self.wait = wait


#: ``NoSlot`` is thrown into one whose calls the gate does not let through.
Delivery: TypeAlias = Generator[SlotsNeeded | Calls, Sequence[LoggedAnswer[Any]], T]
