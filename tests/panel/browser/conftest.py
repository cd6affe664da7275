"""Headless Chromium in front of a panel, as an operator would have it."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from .window import CHROMIUM, LARGE, Panel, Window, start_panel


@pytest.fixture(scope="module")  # Playwright's event loop runs on, and would be in the way of other files' tests
def chromium() -> Iterator:
    """Headless Chromium of Debian."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def panel(tmp_path_factory) -> Iterator[Panel]:
    """A twin for the tests of one file."""
    started = start_panel(tmp_path_factory.mktemp("panel"))
    yield started
    assert started.close() in (0, 130)


@pytest.fixture
def visit(chromium) -> Iterator[Callable]:
    """Open a page of the panel in a browser of its own: ``visit(url, size)``; closed after the test."""
    contexts = []

    def opened(url: str, size: dict | None = None):
        context = chromium.new_context(viewport=size or LARGE, reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.goto(url)
        return Window(page)

    yield opened
    for context in contexts:
        context.close()
