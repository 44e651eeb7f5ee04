"""Where the API is: a URL that a key may be sent to."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from conversion_sync.api.errors import ConfigurationError

__all__ = ["check_base_url", "is_loopback"]


def check_base_url(base_url: str) -> str:
    """Return the base URL without a trailing slash.

    Raises:
        ConfigurationError: not http(s), plain http to another host than loopback, or a URL with
            credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(base_url.strip())
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError("The base URL is not a URL.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("The base URL must start with https:// and name a host.")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("The base URL must hold no credentials.")
    if parts.query or parts.fragment or any(char.isspace() for char in parts.geturl()):
        raise ConfigurationError("The base URL must hold no query, fragment or space.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError("The base URL must be https; plain http is for loopback only.")
    return parts.geturl().rstrip("/")


def is_loopback(base_url: str) -> bool:
    """Whether a base URL leads to this machine."""
    return _is_loopback(urlsplit(base_url).hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
