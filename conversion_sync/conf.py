"""A typed, lazy view of ``settings.CONVERSION_SYNC``; nothing is read at import."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, cast, overload

from django.conf import settings

from conversion_sync.test_runner import are_calls_allowed, is_under_test

__all__ = ["SETTINGS", "Setting", "ValueKind", "conf"]

T = TypeVar("T")


@dataclass(frozen=True)
class ValueKind(Generic[T]):
    """What the values of a setting have in common.

    Attributes:
        check: the number of the check that says that a value is of another kind.
        hint: what that check advises.
        is_right: whether a value is of the kind; the value may be anything.
        read: makes of such a value what the app works with.
    """

    check: str
    hint: str
    is_right: Callable[[Any], bool]
    read: Callable[[Any], T]


def _is_positive(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0


def _is_path(value: str) -> bool:
    """Whether it is a dotted path, of two parts at least."""
    parts = value.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


def _choice(*choices: str) -> ValueKind[str]:
    return ValueKind(
        "E005",
        f"Make it one of {', '.join(map(repr, choices))}.",
        lambda value: value in choices,
        str,
    )


#: The queues that this app comes with.
QUEUES = ("django_q", "django_tasks", "celery", "none")

QUEUE = ValueKind(
    "E005",
    f"Make it one of {', '.join(map(repr, QUEUES))}, or the dotted path of a queue of your own.",
    lambda value: value in QUEUES or (isinstance(value, str) and _is_path(value)),
    str,
)
NAME = ValueKind("E006", "Make it a string.", lambda value: isinstance(value, str), str)
NUMBER = ValueKind("E003", "Make it a number above 0.", _is_positive, float)
WHOLE = ValueKind(
    "E003",
    "Make it a whole number above 0.",
    lambda value: _is_positive(value) and value == int(value),
    int,
)
#: A text of the environment is none: "False" would be true, and would send from a staging site.
SWITCH = ValueKind(
    "E004",
    "Make it True or False.",
    lambda value: isinstance(value, bool),
    lambda value: value is True,
)
KEY = ValueKind(
    "E006",
    "Make it a string.",
    lambda value: value is None or isinstance(value, str),
    lambda value: str(value or "").strip(),
)
ADDRESS = ValueKind(
    "E006",
    "Make it a string.",
    lambda value: isinstance(value, str),
    lambda value: str(value).rstrip("/"),
)


class Setting(Generic[T]):
    """A setting: an attribute of ``Conf`` that reads it anew each time, so tests may override it.

    Args:
        name: its key in ``CONVERSION_SYNC``.
        default: what holds where the site gives nothing.
        kind: of its values; a check goes by it.
        doc: what it means, as in ``docs/reference/settings.md``.
        is_secret: True: its value is shown nowhere.
    """

    def __init__(
        self, name: str, default: object, kind: ValueKind[T], doc: str, *, is_secret: bool = False
    ) -> None:
        self.name, self.default, self.kind = name, default, kind
        self.doc, self.is_secret = doc, is_secret
        self.__doc__ = doc

    def value(self, given: Mapping[str, Any]) -> Any:
        """The value as the site wrote it, or the default."""
        return given.get(self.name, self.default)

    @overload
    def __get__(self, instance: None, owner: type[Conf]) -> Self: ...
    @overload
    def __get__(self, instance: Conf, owner: type[Conf]) -> T: ...
    def __get__(self, instance: Conf | None, owner: type[Conf]) -> Self | T:
        return self if instance is None else self.kind.read(self.value(instance.given))


class Conf:
    """The settings, by attribute. The checks say when a value is of the wrong kind."""

    api_key = Setting(
        "API_KEY",
        "",
        KEY,
        "needed to send; without it rows wait, and a check says so",
        is_secret=True,
    )
    base_url = Setting(
        "BASE_URL",
        "https://pub-api.conversion.ai/api/v1",
        ADDRESS,
        "https is required, except to this machine",
    )
    enabled = Setting(
        "ENABLED", True, SWITCH, "`False`: rows are marked and nothing is sent (staging, tests)"
    )
    batch_size = Setting("BATCH_SIZE", 200, WHOLE, "the most rows in one call")
    rate_limit = Setting(
        "RATE_LIMIT",
        10,
        NUMBER,
        "calls a second, over all processes; above 1 a whole number, of 3.5 three are used",
    )
    concurrency = Setting(
        "CONCURRENCY", 24, WHOLE, "the most calls that a drain has on their way at once"
    )
    call_deadline = Setting("CALL_DEADLINE", 20, NUMBER, "seconds that a call may take in all")
    lease = Setting(
        "LEASE",
        60,
        NUMBER,
        "seconds for which a delivery holds its rows; 5 more than a call, or longer",
    )
    drain_seconds = Setting(
        "DRAIN_SECONDS",
        30,
        NUMBER,
        "seconds after which a drain begins no further call; longer than a call",
    )
    max_attempts = Setting(
        "MAX_ATTEMPTS",
        12,
        WHOLE,
        "tries that count, after which, and after a day, a row has failed",
    )
    backoff = Setting(
        "BACKOFF", 30, NUMBER, "seconds of the first wait between tries; it doubles each time"
    )
    backoff_max = Setting("BACKOFF_MAX", 4 * 60 * 60, NUMBER, "seconds of the longest such wait")
    delete_changed_keys = Setting(
        "DELETE_CHANGED_KEYS",
        True,
        SWITCH,
        "a changed email or company id deletes the record of the old one in Conversion; `False`: "
        "Conversion is only asked whether the person has opted out at the old email",
    )
    delete_remote = Setting(
        "DELETE_REMOTE", True, SWITCH, "deleting a row here deletes its record in Conversion"
    )
    engagements_in_doubt = Setting(
        "ENGAGEMENTS_IN_DOUBT",
        "hold",
        _choice("hold", "resend"),
        'or `"resend"`: it may then arrive twice',
    )
    queue = Setting(
        "QUEUE",
        "django_q",
        QUEUE,
        'or `"django_tasks"`, `"celery"`, `"none"` for `conversion_push`, or the dotted path of a '
        "queue of your own",
    )
    queue_name = Setting(
        "QUEUE_NAME", "", NAME, "of django.tasks, or of Celery: the queue that drains are put into"
    )
    tasks_backend = Setting(
        "TASKS_BACKEND", "default", NAME, "the backend among `TASKS` that runs the drains"
    )
    sweep = Setting(
        "SWEEP",
        "queue",
        _choice("queue", "cron"),
        'who drains each minute: the queue\'s own schedule, or `"cron"`, which runs '
        "`conversion_push`",
    )
    call_log_days = Setting(
        "CALL_LOG_DAYS", 30, NUMBER, "days for which the call log, and ended bulk jobs, are kept"
    )
    stale_after = Setting(
        "STALE_AFTER",
        180,
        NUMBER,
        "seconds without a drain, while rows are due, after which nobody is working",
    )
    send_in_tests = Setting(
        "SEND_IN_TESTS",
        False,
        SWITCH,
        "under a test runner rows are held; `True`: they are sent there, too, as by the sandbox of "
        "`conversion_sync.testing`",
    )

    @property
    def given(self) -> Mapping[str, Any]:
        """The dict as the site wrote it (empty where it is missing)."""
        return cast("Mapping[str, Any]", getattr(settings, "CONVERSION_SYNC", None) or {})

    @property
    def resend_in_doubt(self) -> bool:
        """True: an engagement whose answer never came is sent again by itself."""
        return self.engagements_in_doubt == "resend"

    @property
    def can_send(self) -> bool:
        """Whether this site may call the API at all."""
        return self.enabled and bool(self.api_key) and not self.is_held

    @property
    def is_held(self) -> bool:
        """Whether rows are held only because tests run that have not allowed calls."""
        return is_under_test() and not (self.send_in_tests or are_calls_allowed())


conf = Conf()

#: All of them by name, in the order of the docs.
SETTINGS: Mapping[str, Setting[Any]] = {
    setting.name: setting for setting in vars(Conf).values() if isinstance(setting, Setting)
}
