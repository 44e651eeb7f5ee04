"""The documentation as a reader uses it: links that are followed, code that is pasted."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conversion_sync.conf import SETTINGS
from conversion_sync.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: They bring others into the documentation that Sphinx builds.
FRAMES = {ROOT / "docs" / "index.md", ROOT / "docs" / "changelog.md"}
SECONDS = 120
LINK = re.compile(r"!?\[[^\]]*\]\(([^)]+)\)")


def anchors(page):
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_the_code_of_every_page_is_python(page):
    for code in blocks(page.relative_to(ROOT / "docs")):
        compile(code, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = LINK.findall(page.read_text())
    for link in links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_has_one_picture_and_leads_everywhere():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 60
    assert text.count("![") == 1
    assert {str(page.relative_to(ROOT)) for page in {*PAGES[1:]} - FRAMES} <= set(
        LINK.findall(text)
    )


def test_the_table_of_settings_is_that_of_the_code():
    rows = (ROOT / "docs" / "reference" / "settings.md").read_text().splitlines()
    table = [row for row in rows if row.startswith("| `")]
    assert table == [
        f"| `{name}` | {as_default(setting.default)} | {setting.doc} |"
        for name, setting in SETTINGS.items()
    ]


def as_default(value):
    """A default as the table has it."""
    if value == "":
        return "none"
    if isinstance(value, str) and value.startswith("https:"):
        return f"`{value}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value}`" if isinstance(value, bool) else str(value)


def blocks(name):
    """The Python code of a page, block by block."""
    text = (ROOT / "docs" / name).read_text()
    return [
        textwrap.dedent(code)
        for code in re.findall(r"^ *```python\n(.*?)^ *```$", text, re.M | re.S)
    ]


class Site:
    """A site that Django's own ``startproject`` made, and its ``manage.py``."""

    def __init__(self, folder):
        line = [sys.executable, "-m", "django", "startproject", "site_of_mine", str(folder)]
        subprocess.run(line, check=True, timeout=SECONDS)
        self.folder = folder
        self.settings = folder / "site_of_mine" / "settings.py"

    def paste(self, *code):
        with self.settings.open("a") as file:
            file.write("\n".join(["", *code]))

    def manage(self, *command, **environment):
        kept = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=self.folder,
            env=kept | environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_the_settings_work_as_they_are_pasted_and_without_a_key_rows_wait(site):
    site.paste(*blocks("how-to/installation.md")[:2])
    done = site.manage("check")
    assert done.returncode == 0, done.stderr
    assert "(conversion_sync.W001)" in done.stderr
    assert "rows wait" in done.stderr

    done = site.manage("check", CONVERSION_API_KEY="key")
    assert (done.returncode, done.stderr) == (0, "")


def test_all_of_the_installation_page_and_the_examples_of_code_reach_the_api(site):
    with Sandbox() as box:
        site.paste(
            *blocks("how-to/installation.md"), f'CONVERSION_SYNC["BASE_URL"] = "{box.base_url}"\n'
        )
        (site.folder / "tests.py").write_text(blocks("how-to/code.md")[-1])
        for command in (
            ["check", "--fail-level=WARNING"],
            ["migrate", "--verbosity=0"],
            ["conversion_check"],
            ["shell", "--command", blocks("how-to/code.md")[0]],
            ["conversion_push"],
            ["test", "--verbosity=0"],
        ):
            done = site.manage(*command, CONVERSION_API_KEY="key")
            assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert box.contacts["ada@customer.example"]["subscriptionStatus"] == "SUBSCRIBED"
    assert [event["name"] for event in box.engagements] == ["Webinar attended"]
