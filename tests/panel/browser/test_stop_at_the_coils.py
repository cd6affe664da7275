"""Stop-all and a closed tab, read from the registers of the emulated board: microtwin panel --backend hardware."""

import statistics
import time

import pytest

from emulated_rig import build

from .window import start_panel, until

STOP_MS, GONE_S = 100.0, 2.5
STOPS = 5


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """The emulated rig in real time."""
    if missing := build.missing():
        pytest.skip(f"no {', '.join(missing)}: sudo apt-get install {' '.join(missing)}")
    from emulated_rig.process import RigProcess

    with RigProcess(tmp_path_factory.mktemp("rig")) as process:
        yield process


@pytest.fixture(scope="module")
def panel(rig, tmp_path_factory):
    """The panel on that rig."""
    started = start_panel(tmp_path_factory.mktemp("panel"), "--backend", "hardware", "--config", str(rig.toml))
    yield started
    assert started.close() in (0, 130)


def off_after_s(rig, act) -> float:
    """From just before an act to the last duty that was not zero, both in the rig's time: the way there is counted."""
    begun_s = rig.report()["emulated_s"]
    act()
    until(lambda: not rig.report()["driven"], 5, "the coils are still driven")
    time.sleep(0.3)  # nothing may come back
    found = rig.report()
    assert not found["driven"]
    return found["last_driven_s"] - begun_s


def push(window, rig) -> None:
    window.press("path-load")
    window.until("h.paths[0]", 10)
    window.press("start")
    try:
        until(lambda: rig.report()["driven"], 30)
    except AssertionError:
        found = window.header
        raise AssertionError(f"the coils stayed off: {found['state']}, {found['reason']}, {found['notices']}") from None


def test_the_coils_are_off_within_a_tenth_of_a_second_of_the_click(rig, panel, visit):
    window = visit(panel.url)
    window.take_control()
    found_ms = []
    for _ in range(STOPS):
        window.detect()
        push(window, rig)
        window.page.wait_for_timeout(300)
        click = "document.querySelector('[data-testid=stop]').click()"
        found_ms.append(1000 * off_after_s(rig, lambda click=click: window.page.evaluate(click)))
        window.until("h.state == 'watching'", 30)
    assert statistics.median(found_ms) <= STOP_MS, found_ms
    assert max(found_ms) <= 2 * STOP_MS, found_ms


def test_the_coils_go_off_when_the_operator_s_tab_is_closed(rig, panel, visit):
    window = visit(panel.url)
    window.take_control()
    window.detect()
    push(window, rig)
    assert off_after_s(rig, window.page.close) <= GONE_S
