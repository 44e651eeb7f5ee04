"""Transactions that are run again when the database fails."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError

from conversion_sync.conf import conf
from conversion_sync.sync.transactions import close_broken

__all__ = ["retried", "retried_for_a_lease"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def retried_for_a_lease(function: Callable[P, T]) -> Callable[P, T]:
    """Run a transaction again when the database fails, for as long as a lease.

    An answer that came is never asked for twice.
    """
    return _again(function, lambda: conf.lease)


def retried(function: Callable[P, T]) -> Callable[P, T]:
    """Run a transaction again when the database fails; what it does can be done later."""
    return _again(function, lambda: 5.0)


def _again(function: Callable[P, T], seconds: Callable[[], float]) -> Callable[P, T]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        end, pause = time.monotonic() + seconds(), 0.05
        while True:
            try:
                return function(*args, **kwargs)
            except (OperationalError, InterfaceError):
                if time.monotonic() + pause > end:
                    raise
                logger.warning("The database failed; trying again.", exc_info=True)
                close_broken()
                time.sleep(pause)
                pause = min(2.0, pause * 2)

    return wrapper
