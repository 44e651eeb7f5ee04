"""A pool of connections that a process has forked off with.

django-q2 forks its workers, and so do others their own. psycopg's pool (``OPTIONS["pool"]``, Django
5.1) then lives on in each of them, with the same sockets: one process reads what the server
answered another.
"""

from __future__ import annotations

import os
from typing import Any

from django.db import connections

__all__ = ["use_no_inherited_pools"]

#: Pools and connections of the parent. They are kept, for to let one go would be to close it.
_inherited: list[Any] = []


def use_no_inherited_pools() -> None:
    """Have each process that is forked from now on open connections of its own."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(after_in_child=_forget_pools)


def _forget_pools() -> None:
    for alias in connections:
        # A pool belongs to all threads of the parent, whichever has opened it.
        if connections.settings[alias].get("OPTIONS", {}).get("pool"):
            connection: Any = connections[alias]
            # Django has no public way: its own ``close_pool`` would close the parent's connections.
            _inherited.extend([type(connection)._connection_pools, connection.connection])
            type(connection)._connection_pools = {}
            connection.connection = None
