"""The pages for people: what has arrived, and buttons that make the API misbehave.

HTML without a script, so that they work in any browser, with the keyboard alone, and in the dark.
"""

from conversion_sync.sandbox.pages.guard import is_foreign, is_local_name
from conversion_sync.sandbox.pages.router import PAGE_HEADERS, Pages

__all__ = ["PAGE_HEADERS", "Pages", "is_foreign", "is_local_name"]
