"""Who may use the pages: a browser on this machine, and no page of another origin in it.

A page of a stranger that is open in the same browser can post a form to a loopback address, and
with a name of its own that resolves to one (DNS rebinding) even read. So the name that was asked
for must be one that no stranger can own, and what changes something must come from a page of ours.
Programs, which send no ``Origin``, may use the control as they are.
"""

from __future__ import annotations

import ipaddress
import secrets
from email.message import Message
from urllib.parse import urlsplit

__all__ = ["is_foreign", "is_local_name", "is_token"]


def is_local_name(host: str, own: str = "") -> bool:
    """Tell whether a ``Host`` header names a machine by what a stranger can't own.

    That is an address, localhost, a name without a dot (as in containers), or the ``own`` name
    that the sandbox was told to listen on. Blank, as some programs have it, will do.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == own.lower() or "." not in name or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_foreign(headers: Message) -> bool:
    """Tell whether a browser says that a page of another origin asks."""
    site = headers.get("Sec-Fetch-Site", "same-origin")
    origin = headers.get("Origin")
    return site not in ("same-origin", "none") or (
        origin is not None and origin != f"http://{headers.get('Host', '')}"
    )


def is_token(given: str, token: str) -> bool:
    """Tell whether a form came from a page of this process."""
    return secrets.compare_digest(given.encode(), token.encode())
