"""One headless browser for these tests, and pages that it opens from disk.

Playwright drives the machine's own Chromium; it downloads none.  The browser ends with this
folder's last test: its event loop must not be running when other tests want one.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from rdagent.comparison.html import render_html
from tests.conftest import REQUIRE_ENGINE
from tests.unit.comparison.sample_report import sample_report

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in _NAMES if (path := shutil.which(name))), None)
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

#: The pages that tests open, by name.
_REPORTS = {
    "one": {"flips": 60},
    "many": {"candidates": 2, "flips": 30, "forced": True},
    "nasty": {"candidates": 2, "flips": 42, "nasty": True, "forced": True},
    "big": {"flips": 10_000},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out where there is no browser, in a way that a reader sees."""
    if CHROMIUM is not None or REQUIRE_ENGINE:
        return
    reason = "no Chromium or Chrome is found ('make browser' installs Debian's)"
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class Visit:
    """A page that is open, with all that it asked for and complained of."""

    page: Page
    path: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on(
            "console", lambda message: self.complaints.append(f"{message.type}: {message.text}")
        )
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("no Chromium or Chrome is found ('make browser' installs Debian's)")
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield started
        started.close()


@pytest.fixture(scope="package")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A page's file, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("pages with blanks 报告")

    def path_of(name: str) -> Path:
        path = folder / f"{name} 报告.html"
        if not path.exists():
            path.write_text(render_html(sample_report(**_REPORTS[name])), encoding="utf-8")
        return path

    return path_of


@pytest.fixture
def visit(browser: Browser, written: Callable[[str], Path]) -> Iterator[Callable[..., Visit]]:
    """Open a page in a context of its own; options are the context's."""
    contexts = []

    def open_page(name: str, **options: Any) -> Visit:
        context = browser.new_context(**{"viewport": WIDE, **options})
        context.set_default_timeout(15_000)
        contexts.append(context)
        opened = Visit(context.new_page(), written(name))
        opened.page.goto(opened.path.as_uri())
        if options.get("java_script_enabled", True):
            opened.page.locator("#flip-list [role=option]").first.wait_for()
        return opened

    yield open_page
    for context in contexts:
        context.close()
