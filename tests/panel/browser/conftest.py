"""Headless Chromium in front of a panel, as an operator would have it."""

import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from .window import CHROMIUM, LARGE, Panel, Window, start_panel


# Not for the session: Playwright's event loop runs on, and would be in the way of other folders' tests.
@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def panel(tmp_path_factory) -> Iterator[Panel]:
    """A twin for the tests of this folder, open to the network as behind ``--host``."""
    started = start_panel(tmp_path_factory.mktemp("panel"), "--host", "0.0.0.0")
    asked = urlsplit(started.url)
    started.url = f"http://127.0.0.1:{asked.port}/?{asked.query}"  # only there may a page see a gamepad
    yield started
    assert started.close() in (0, 130)


@pytest.fixture(scope="module")
def fresh_bench(panel, chromium) -> None:
    """The twin as it is at first, whatever the tests before did to it."""
    window = Window(chromium.new_page(), panel.url)
    window.take_control()
    window.rebuild()
    window.leave()


@pytest.fixture
def visit(chromium) -> Iterator[Callable]:
    """Open a page of the panel in a browser of its own: ``visit(url, size)``; left after the test."""
    windows = []

    def opened(url: str, size: dict | None = None, **more) -> Window:
        context = chromium.new_context(viewport=size or LARGE, reduced_motion="reduce", **more)
        windows.append(Window(context.new_page(), url))
        return windows[-1]

    yield opened
    for window in windows:
        window.leave()
