"""Mirror contacts, companies and engagements in Django, and push them to the Conversion API.

``conversion_sync.track``, ``set_subscription`` and ``suspended`` are for a site's own code. They
are imported when they are asked for: this package is imported before Django is set up.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conversion_sync.mirrors.by_hand import NotMirrored, set_subscription, suspended, track

__all__ = ["NotMirrored", "__version__", "set_subscription", "suspended", "track"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from conversion_sync.mirrors import by_hand

    return getattr(by_hand, name)
