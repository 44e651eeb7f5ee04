"""Pages as everybody meets them: in the light and in the dark, on a desk and on a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page

__all__ = ["EXCUSED", "Violation", "faults", "violations"]

WIDTHS = (390, 1280)

#: What Django's own admin does, too, as a test shows: axe's rule, and where.
EXCUSED = {
    # The two boxes of a date and its time have a legend, and no label.
    ("label", ".vDateField, .vTimeField"),
    # The label is an image, beside a help text.
    ("label-title-only", "#searchbar"),
    # Links that differ from the text around them by a colour alone.
    ("link-in-text-block", ".breadcrumbs a"),
    ("link-in-text-block", "#changelist-search .small a"),
}

AXE: str = Axe().axe_script

#: What the themes may break: they differ in colours alone.
COLOURS = ["color-contrast", "link-in-text-block"]


@dataclass(frozen=True)
class Violation:
    """What axe-core finds serious or critical in an element, and the excuse if there is one."""

    words: str
    excuse: tuple[str, str] | None


def faults(page: Page) -> Iterator[str]:
    """What keeps somebody from using the page."""
    for violation in violations(page):
        if not violation.excuse:
            yield violation.words
    for width in WIDTHS:
        resize(page, width)
        if (wide := page.evaluate("document.scrollingElement.scrollWidth")) > width:
            yield f"{page.url}, {page.title()}: {wide} pixels wide, of {width}"
    if page.evaluate("window.hurt"):
        yield f"{page.url}: runs what a stranger wrote"


def violations(page: Page) -> Iterator[Violation]:
    """What axe-core finds, in each look."""
    page.evaluate(AXE)
    for width in WIDTHS:
        resize(page, width)
        page.emulate_media(color_scheme="dark")
        yield from found(page, {"runOnly": COLOURS})
        page.emulate_media(color_scheme="light")
        yield from found(page, {})


def resize(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})


def found(page: Page, options: dict[str, Any]) -> Iterator[Violation]:
    settle(page)
    # What it would preload, the policy forbids.
    options = {"resultTypes": ["violations"], "preload": False, **options}
    for violation in page.evaluate("options => axe.run(options)", options)["violations"]:
        if violation["impact"] in ("serious", "critical"):
            for node in violation["nodes"]:
                rule, element = violation["id"], page.locator(node["target"][0]).first
                words = f"{page.url}: {rule}: {node['html'][:200]}: {node['failureSummary']}"
                yield Violation(words, excuse(rule, element))


def settle(page: Page) -> None:
    """Have the colours that fade into each other arrive.

    Not waited for: what is not painted may never finish, and what repeats never does.
    """
    page.evaluate("document.getAnimations().forEach(animation => animation.finish())")


def excuse(rule: str, element: Locator) -> tuple[str, str] | None:
    """Why it is not ours, if it is not."""
    for excused, selector in EXCUSED:
        matches = "(element, selector) => element.matches(selector)"
        if rule == excused and element.evaluate(matches, selector):
            return excused, selector
    return None
