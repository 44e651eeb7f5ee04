"""A typed, lazy view of ``settings.CONVERSION_SYNC``; nothing is read at import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings

__all__ = ["conf"]

DEFAULT_BASE_URL = "https://pub-api.conversion.ai/api/v1"


class Conf:
    """One property per setting; each reads the settings anew, so tests may override them.

    The checks (``conversion_sync.checks``) say when a value is of the wrong kind.
    """

    DEFAULTS: Mapping[str, Any] = {
        "API_KEY": "",
        "BASE_URL": DEFAULT_BASE_URL,
        "ENABLED": True,
        "BATCH_SIZE": 200,
        "RATE_LIMIT": 10,
        "CONCURRENCY": 4,
        "CALL_DEADLINE": 30,
        "LEASE": 60,
        "DRAIN_SECONDS": 20,
        "MAX_ATTEMPTS": 12,
        "BACKOFF": 30,
        "BACKOFF_MAX": 4 * 60 * 60,
        "DELETE_CHANGED_KEYS": True,
        "DELETE_REMOTE": True,
        "ENGAGEMENTS_IN_DOUBT": "hold",
        "QUEUE": "django_q",
        "CALL_LOG_DAYS": 30,
        "STALE_AFTER": 180,
    }

    @property
    def given(self) -> Mapping[str, Any]:
        """The dict as the site wrote it (empty where it is missing)."""
        return cast("Mapping[str, Any]", getattr(settings, "CONVERSION_SYNC", None) or {})

    def _get(self, name: str) -> Any:
        return self.given.get(name, self.DEFAULTS[name])

    @property
    def api_key(self) -> str:
        """The vendor's key; empty: rows wait."""
        return str(self._get("API_KEY") or "").strip()

    @property
    def base_url(self) -> str:
        """Where the API is, without a slash at the end."""
        return str(self._get("BASE_URL")).rstrip("/")

    @property
    def enabled(self) -> bool:
        """False: rows are marked, nothing is sent."""
        return bool(self._get("ENABLED"))

    @property
    def batch_size(self) -> int:
        """The most rows in one call."""
        return int(self._get("BATCH_SIZE"))

    @property
    def rate_limit(self) -> float:
        """Calls a second, counted over all processes."""
        return float(self._get("RATE_LIMIT"))

    @property
    def concurrency(self) -> int:
        """How many one-row calls a drain makes at once."""
        return int(self._get("CONCURRENCY"))

    @property
    def call_deadline(self) -> float:
        """Seconds that one call may take in all."""
        return float(self._get("CALL_DEADLINE"))

    @property
    def lease(self) -> float:
        """Seconds for which a delivery holds its rows."""
        return float(self._get("LEASE"))

    @property
    def drain_seconds(self) -> float:
        """Seconds after which a drain begins no further call."""
        return float(self._get("DRAIN_SECONDS"))

    @property
    def max_attempts(self) -> int:
        """Counted tries after which (and after a day) a row is FAILED."""
        return int(self._get("MAX_ATTEMPTS"))

    @property
    def backoff(self) -> float:
        """Seconds before the second try; doubled with each further one."""
        return float(self._get("BACKOFF"))

    @property
    def backoff_max(self) -> float:
        """The longest wait between two tries, in seconds."""
        return float(self._get("BACKOFF_MAX"))

    @property
    def delete_changed_keys(self) -> bool:
        """Whether a changed email or external id deletes the record of the old one."""
        return bool(self._get("DELETE_CHANGED_KEYS"))

    @property
    def delete_remote(self) -> bool:
        """Whether deleting a row deletes its record in Conversion."""
        return bool(self._get("DELETE_REMOTE"))

    @property
    def resend_in_doubt(self) -> bool:
        """True: an engagement whose answer never came is sent again by itself."""
        return bool(self._get("ENGAGEMENTS_IN_DOUBT") == "resend")

    @property
    def queue(self) -> str:
        """``django_q``, or ``none``: nobody is woken (see ``conversion_push --forever``)."""
        return str(self._get("QUEUE"))

    @property
    def call_log_days(self) -> float:
        """Days for which the call log is kept."""
        return float(self._get("CALL_LOG_DAYS"))

    @property
    def stale_after(self) -> float:
        """Seconds without a drain, while rows are due, after which nobody is working."""
        return float(self._get("STALE_AFTER"))

    @property
    def can_send(self) -> bool:
        """Whether this site may call the API at all."""
        return self.enabled and bool(self.api_key)


conf = Conf()
