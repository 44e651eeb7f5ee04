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


def client() -> Client:
    """The client of this process for the settings as they are now; whoever asks is about to call.

    Raises:
        ConfigurationError: the key or the URL can't be used.
        CallInTransaction: this thread has a transaction open.
    """
    refuse_transaction()
    api_key = Secret(conf.api_key)
    wanted = (os.getpid(), api_key, conf.base_url, conf.call_deadline)
    if wanted not in _clients:
        made = Client(api_key, conf.base_url, deadline=conf.call_deadline)
        _clients.clear()
        _clients[wanted] = made
    return _clients[wanted]
