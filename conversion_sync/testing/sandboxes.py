"""A sandbox in the place of the API, over HTTP or in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

from django.conf import settings
from django.test import override_settings

from conversion_sync.api.doors import door
from conversion_sync.conf import conf
from conversion_sync.sandbox import Sandbox
from conversion_sync.sandbox.memory import InMemorySandbox

__all__ = ["in_memory", "sandbox_in_use", "sandbox_settings", "sandboxed"]

_boxes: WeakValueDictionary[str, Sandbox] = WeakValueDictionary()


@contextmanager
def sandboxed(*, memory: bool = False, **options: Any) -> Iterator[Sandbox]:
    """Start a sandbox, and have the site send to it without holding back.

    Args:
        memory: True: without a network. What the site does is the same, but for what needs a
            connection: processes of their own don't reach it.
        options: further keys of ``CONVERSION_SYNC``, for as long; the site's own hold, too.
    """
    with in_memory() if memory else Sandbox() as box:
        given = {**getattr(settings, "CONVERSION_SYNC", {}), **sandbox_settings(box), **options}
        with override_settings(CONVERSION_SYNC=given):
            yield box


@contextmanager
def in_memory(**options: Any) -> Iterator[InMemorySandbox]:
    """Start a sandbox without a network, which clients of its ``base_url`` reach.

    Args:
        options: of ``Sandbox``, but for its ports.
    """
    with InMemorySandbox(**options) as box, door(box.base_url, box):
        yield box


def sandbox_settings(box: Sandbox) -> dict[str, Any]:
    """What ``CONVERSION_SYNC`` must hold to send to this sandbox, as fast as it answers."""
    _boxes[box.base_url] = box
    return {
        "ENABLED": True,
        "SEND_IN_TESTS": True,
        "API_KEY": "test-key",
        "BASE_URL": box.base_url,
        "RATE_LIMIT": 10_000,
    }


def sandbox_in_use() -> Sandbox:
    """The sandbox that the site sends to now.

    Raises:
        RuntimeError: it sends to none.
    """
    box = _boxes.get(conf.base_url)
    if box is None:
        raise RuntimeError(
            "No sandbox is in use: use sandboxed(), or the fixture “conversion”, "
            "of conversion_sync.testing."
        )
    return box
