"""What staff see of mirrors: what is wrong, and what they decide."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from conversion_sync.models import MirrorLink, SubscriptionChange
from conversion_sync.sandbox import Sandbox
from tests.browser import sources
from tests.browser.looks import faults
from tests.kit import push

PAGES = (
    "../",
    "apigate/",
    "mirrorlink/",
    "mirrorlink/?mirror=shop.CustomerMirror&trouble=any",
    "mirrorlink/{ada}/change/",
    "mirrorlink/{grace}/change/",
    "mirrorlink/{held}/change/",
    "mirrorlink/{second}/change/",
    "mirrorlink/{nasty}/change/",
    "mirrorlink/let-leave/?mirror=shop.CustomerMirror",
    "contact/{mirrored}/change/",
    "../shop/customer/",
    "../shop/customer/{customer}/change/",
    "../shop/customer/{customer}/conversion/",
    "../shop/customer/{raises}/conversion/",
)


def test_every_page_of_mirrors_is_within_reach(page: Page, box: Sandbox):
    made = sources.make()
    found: list[str] = []
    for address in PAGES:
        page.goto(address.format(**made))
        found += faults(page)
    assert not found, "\n".join(found)


#: The computed styles of what is not ours, with our style sheets and without: what differs.
STYLES = """() => {
    const ours = [...document.styleSheets].filter(s => (s.href || "").includes("conversion_sync/"));
    const theirs = [...document.querySelectorAll("body, body *")].filter(
        e => !e.closest("[class*='cs-'], .field-conversion_state, .field-conversion_panel"));
    const SIZES = /^(--|width|height|inline-size|block-size|perspective-origin|transform-origin)/;
    const read = () => theirs.map(e => {
        const style = getComputedStyle(e);
        const names = [...style].filter(name => !SIZES.test(name));
        return names.map(name => `${name}: ${style.getPropertyValue(name)}`);
    });
    const before = read();
    ours.forEach(sheet => { sheet.disabled = true; });
    const after = read();
    const differ = theirs.flatMap((e, i) => before[i].filter((each, n) => each !== after[i][n])
        .map(each => `${e.tagName}.${e.className} ${each}`));
    return [ours.length, theirs.length, differ];
}"""


@pytest.mark.parametrize("width", [390, 800, 1280])
@pytest.mark.parametrize("address", ["../shop/customer/", "../shop/customer/{customer}/change/"])
def test_a_site_has_its_own_pages_as_they_were(page: Page, box: Sandbox, address: str, width: int):
    made = sources.make()
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address.format(**made))
    sheets, elements, differ = page.evaluate(STYLES)
    assert sheets
    assert elements > 100
    assert differ == []


def test_the_list_leaves_room_for_emails_and_uuids(page: Page, box: Sandbox):
    sources.make()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("mirrorlink/")
    found = page.locator("#result_list tbody tr").first.locator(".field-source_name").bounding_box()
    assert found is not None
    assert found["width"] >= 160


def test_from_the_first_page_to_the_last_decision(page: Page, box: Sandbox):
    sources.make()
    push()
    page.goto("../")
    expect(page.get_by_role("main")).to_contain_text("21 rows would leave")
    page.get_by_role("status").get_by_role("link", name="Dashboard").click()
    page.get_by_role("link", name="21 contacts").click()
    page.get_by_role("link", name="Look, and decide").click()
    expect(page.get_by_role("heading", name="Let 21 contacts leave?")).to_be_visible()
    page.get_by_role("button", name="Let them leave").click()
    expect(page.get_by_text("21 of the contacts leave with the next drains.")).to_be_visible()
    with sources.mirrored():
        sources.look()
    assert SubscriptionChange.unmarked.filter(requested_by="sam").count() == 21
    assert not MirrorLink.objects.filter(trouble="held").exists()


def test_a_source_is_looked_at_again_with_one_press(page: Page, box: Sandbox):
    made = sources.make()
    page.goto("mirrorlink/?trouble=fault")
    page.get_by_role("button", name="Look again: Grace").first.click()
    expect(page.get_by_text("1 source is looked at again with the next drain.")).to_be_visible()
    assert page.url.endswith("mirrorlink/?trouble=fault")
    page.goto(f"mirrorlink/{made['grace']}/change/")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("1 source is looked at again with the next drain.")).to_be_visible()
