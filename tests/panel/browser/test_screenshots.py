"""Pictures of the panel at two sizes, looked at by people; here only what can be told without eyes.

``MICROTWIN_SCREENSHOTS=docs/images pytest tests/panel/browser/test_screenshots.py`` renews those of docs/panel.md.
"""

import os
from pathlib import Path

import pytest

from .window import LARGE, SMALL, until

PLAIN_BYTES = 8_000  # a page without a picture in it


@pytest.fixture
def shoot(tmp_path):
    """Take a picture of what is in the window, under a name."""
    kept = os.environ.get("MICROTWIN_SCREENSHOTS")
    folder = Path(kept or tmp_path)

    def take(page, name: str) -> None:
        if kept:
            page.wait_for_timeout(700)  # ripples end, charts and tabs are drawn
        file = folder / f"panel_{name}.png"
        page.screenshot(path=file)
        assert file.stat().st_size > PLAIN_BYTES
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), "wider than the window"

    return take


def in_sight(page, name: str) -> bool:
    """Whether all of a control lies in the window and is what a click there would meet."""
    return page.evaluate(
        """name => {
            const element = document.querySelector(`[data-testid=${name}]`), box = element.getBoundingClientRect();
            const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return box.x >= 0 && box.y >= 0 && box.right <= innerWidth && box.bottom <= innerHeight
                && box.width > 20 && element.contains(top);
        }""",
        name,
    )


@pytest.mark.parametrize(("name", "size"), [("large", LARGE), ("small", SMALL)])
def test_the_main_page_fits_and_shows_everything(panel, visit, shoot, name, size):
    window = visit(panel.url, size)
    window.take_control()
    window.start_circle()
    window.until("h.state == 'running' && h.goal_index >= 3 && h.run.elapsed_s > 2")
    shoot(window.page, f"run_{name}")
    for control in ("stop", "start", "pause", "view-canvas", "strips", "tab-runs"):
        # the engine's messages lie on the picture for a while
        until(lambda control=control: in_sight(window.page, control), words=f"{control} is not in sight")
    assert window.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    window.press("stop")
    window.until("h.state == 'watching'")
    window.press("tab-masks")
    window.press("mask-show-object")
    window.until("h.mask.length")
    shoot(window.page, f"masks_{name}")
    window.press("tab-twin")
    shoot(window.page, f"twin_{name}")
    window.replay(Path(window.header["run"]["folder"]).name)
    window.until("h.replay && h.time_s > 1")
    shoot(window.page, f"replay_{name}")
    window.press("help")
    window.page.wait_for_selector("[data-testid=shortcuts-close]")
    until(lambda: in_sight(window.page, "shortcuts-close"), words="the list of keys does not fit")
    assert in_sight(window.page, "stop"), "the dialog covers the stop button"


@pytest.mark.parametrize(("name", "size"), [("large", LARGE), ("small", SMALL)])
def test_the_otmr_page_fits_and_draws_a_robot(panel, visit, shoot, name, size):
    page = visit(panel.url, size).page
    page.goto(panel.url.replace("/?", "/otmr?"))
    page.wait_for_selector("[data-testid=otmr-picture][data-detail=full]")
    if os.environ.get("MICROTWIN_SCREENSHOTS"):
        page.wait_for_selector("[data-testid=otmr-read-pitch]")
    shoot(page, f"otmr_{name}")
    assert in_sight(page, "otmr-stop")
