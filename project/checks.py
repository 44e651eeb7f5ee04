"""What the site needs of its environment before it may serve or send."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

__all__ = ["check_secret_key", "require_secret_key"]

NO_SECRET_KEY = Error(
    "SECRET_KEY is not set.",
    hint=(
        "Set it, or DEBUG=1 on your own machine, in the environment or in .env (see .env.example)."
    ),
    id="project.E001",
)


@register(Tags.security)
def check_secret_key(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: object
) -> list[CheckMessage]:
    """Return an error where there is no secret key.

    The settings load without it, so that what needs none works in a bare clone: the help of each
    command, the sandbox.
    """
    try:
        settings.SECRET_KEY  # noqa: B018  # Django raises where it is empty
    except ImproperlyConfigured:
        return [NO_SECRET_KEY]
    return []


def require_secret_key() -> None:
    """See that a server has its secret key before it answers: no check runs for it.

    Raises:
        ImproperlyConfigured: it has none.
    """
    for error in check_secret_key():
        raise ImproperlyConfigured(f"{error.msg} {error.hint}")
