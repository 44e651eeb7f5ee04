"""Whether a site listens to the saves of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal

__all__ = ["anybody_listens", "for_fixtures"]

R = TypeVar("R", bound=Callable[..., Any])

_FOR_FIXTURES = "only_for_fixtures"


def for_fixtures(receiver: R) -> R:
    """A receiver of ``pre_save`` that does nothing but for the rows of a fixture."""
    setattr(receiver, _FOR_FIXTURES, True)
    return receiver


def anybody_listens(model: type[Any]) -> bool:
    """Whether code of others runs within a save of this model: what it does belongs to the save."""
    return post_save.has_listeners(model) or any(
        not hasattr(receiver, _FOR_FIXTURES) for receiver in _receivers(pre_save, model)
    )


def _receivers(signal: Signal, model: type[Any]) -> Iterator[Any]:
    # Django has no public way to ask for them. What it was tried with:
    # tests/models/test_private_django.py.
    for receivers in signal._live_receivers(model):
        yield from receivers
