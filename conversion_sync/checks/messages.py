"""The messages of checks."""

from __future__ import annotations

from django.core.checks import Error, Warning

__all__ = ["error", "warning"]


def error(number: str, message: str, hint: str) -> Error:
    """What can't work.

    Args:
        number: such as ``E001``.
    """
    return Error(message, hint=hint, id=f"conversion_sync.{number}")


def warning(number: str, message: str, hint: str) -> Warning:
    """What may go wrong, or is slow.

    Args:
        number: such as ``W001``.
    """
    return Warning(message, hint=hint, id=f"conversion_sync.{number}")
