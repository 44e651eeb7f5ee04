"""A session of ``requests`` that sends the API key nowhere but to the API."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy

import requests
from requests.auth import AuthBase

from conversion_sync.api.connections import Adapter
from conversion_sync.api.doors import adapters
from conversion_sync.api.secret import Secret

__all__ = ["KeyHeader", "make_session"]


class KeyHeader(AuthBase):
    """The key as an auth of its own: with none set, requests would take one from a netrc.

    Args:
        name: of the header that carries the key.
        prefix: what stands before the key in it.
    """

    def __init__(self, api_key: Secret, name: str, prefix: str) -> None:
        self._api_key, self._name, self._prefix = api_key, name, prefix

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = f"{self._prefix}{self._api_key.reveal()}"
        return request


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return nothing: even unfollowed, requests would read such an answer without a cap."""


def make_session(auth: KeyHeader, *, trust_env: bool) -> requests.Session:
    """Return a session without cookies, retries or headers of its own.

    Args:
        trust_env: proxies and CA files of the environment count.
    """
    session = _Session()
    session.auth = auth
    session.trust_env = trust_env
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    adapter = Adapter(pool_connections=4, pool_maxsize=32, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    for base_url, inside in adapters().items():
        session.mount(base_url, inside)
    return session
