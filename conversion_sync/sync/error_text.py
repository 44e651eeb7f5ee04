"""What is recorded of a row or a channel that raised: in words, and without the API key."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

from conversion_sync.api.secret import Secret
from conversion_sync.conf import conf
from conversion_sync.sync.states import vendor_text

__all__ = ["error_in_words", "is_of_the_database"]

#: Characters that are kept of an error's text.
LENGTH = 500


def error_in_words(error: BaseException) -> str:
    """The error in a line, as it may be kept in the database and shown."""
    messages = getattr(error, "messages", None)
    if messages:
        text = " ".join(str(message) for message in messages)
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hidden = Secret(conf.api_key).hide(" ".join(text.split()))
    return vendor_text(hidden)[:LENGTH]


def is_of_the_database(error: BaseException) -> bool:
    """Whether the database may have failed by itself, so that no row need be at fault."""
    return isinstance(error, OperationalError | InterfaceError)
