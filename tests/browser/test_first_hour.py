"""The first hour: what the demo's last lines tell one to do, in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.kit import panel
from tests.demo.kit import PATIENCE, Demo, write_samples


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "demo", write_samples(tmp_path / "samples"))
    yield demo
    demo.kill_all()


@pytest.mark.timeout(600)
def test_one_sees_an_error_handled_as_the_demo_says(demo: Demo, browser: Browser) -> None:
    said = demo.ready()
    [refuse] = re.findall(r"Press “Refuse” at (\S+)", said)
    [contact] = re.findall(r"Change and save (\S+)", said)
    login, password = re.findall(r"login: (\S+) +password: (\S+)", said)[-1]
    context = browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    sandbox, site = context.new_page(), context.new_page()

    sandbox.goto(refuse)
    sandbox.get_by_role("button", name="Refuse", exact=True).click()
    site.goto(contact)
    site.get_by_label("Username").fill(login)
    site.get_by_label("Password").fill(password)
    site.get_by_role("button", name="Log in").click()
    site.get_by_label("Job title").fill("Head of Everything")
    site.get_by_role("button", name="Save and continue editing").click()
    expect(panel(site)).to_contain_text("The sandbox refuses this contact: press “Accept again”")

    sandbox.get_by_role("button", name="Back to normal").click()
    site.get_by_role("button", name="Retry", exact=True).click()
    expect(panel(site)).to_contain_text("Synced")
    sandbox.goto(demo.addresses()["sandbox"] + "contacts?q=Everything")
    expect(sandbox.get_by_role("status")).to_have_text("1, the latest first.")
    context.close()
    assert demo.stop() == 0
