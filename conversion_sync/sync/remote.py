"""The client of this process."""

from __future__ import annotations

import os
from typing import Any

from conversion_sync.api import Client
from conversion_sync.api.secret import Secret
from conversion_sync.conf import conf
from conversion_sync.sync.transactions import refuse_transaction

__all__ = ["client"]

_clients: dict[tuple[Any, ...], Client] = {}


def client(deadline: float | None = None) -> Client:
    """The client of this process for the settings as they are now; whoever asks is about to call.

    Args:
        deadline: seconds for a whole call, where that is less than ``CALL_DEADLINE``.

    Raises:
        ConfigurationError: the key or the URL can't be used.
        CallInTransaction: this thread has a transaction open.
    """
    refuse_transaction()
    api_key = Secret(conf.api_key)
    site = (os.getpid(), api_key, conf.base_url)
    seconds = min(conf.call_deadline, deadline or conf.call_deadline)
    if (*site, seconds) not in _clients:
        made = Client(api_key, conf.base_url, deadline=seconds)
        for each in [each for each in _clients if each[:-1] != site]:
            del _clients[each]
        _clients[*site, seconds] = made
    return _clients[*site, seconds]
