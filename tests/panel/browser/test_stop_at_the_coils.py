"""Stop-all and a closed tab, read from the registers of the emulated board: microtwin panel --backend hardware."""

import math

import pytest

from emulated_rig import build

from .window import start_panel, until

STOP_MS, GONE_S = 100.0, 2.5
TIMES, TRIES = 3, 8  # a bound is met if it is so often, on a machine that may be busy


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
    """From just before an act to the last duty that was not zero, both in the rig's time: the way there is counted.

    Infinite where the coils were off before it: the board's own watchdog is quicker than a machine that stands still.
    """
    begun_s = rig.report()["emulated_s"]
    act()
    until(lambda: not rig.report()["driven"], words="the coils are still driven")
    off_s = rig.report()["emulated_s"]
    until(lambda: rig.report()["emulated_s"] > off_s + 0.3)  # nothing may come back
    found = rig.report()
    assert not found["driven"] and found["last_driven_s"] <= off_s
    return found["last_driven_s"] - begun_s if found["last_driven_s"] >= begun_s else math.inf


def push(window, rig) -> None:
    """Push until the coils are driven; a rig that a busy machine has lost is opened again."""

    def came(what: str) -> bool:
        window.until(f"({what}) || h.state == 'broken'")
        return window.header["state"] != "broken"

    for _ in range(TRIES):
        if not came("h.state == 'watching'"):
            window.press("reopen")
            window.until("h.state != 'broken'")
            continue
        window.press("detect")
        if came("h.robot && h.objects.length"):
            window.press("path-load")
            if came("h.paths[0]"):
                window.press("start")
                until(lambda: rig.report()["driven"] or window.header["state"] == "broken")
                if rig.report()["driven"]:
                    return
    found = window.header
    raise AssertionError(f"the coils stayed off: {found['state']}, {found['reason']}, {found['notices']}")


def test_the_coils_are_off_within_a_tenth_of_a_second_of_a_click_or_the_space_key(rig, panel, visit):
    """Each way to stop, until it was as quick as it must be often enough."""
    window = visit(panel.url)
    window.take_control()
    page = window.page

    def click() -> None:
        page.evaluate("document.querySelector('[data-testid=stop]').click()")

    def space() -> None:
        page.keyboard.press("Space")

    for stop, focus in ((click, None), (space, "frequency"), (space, "pause")):
        found_ms = []
        while sum(one <= STOP_MS for one in found_ms) < TIMES:
            assert len(found_ms) < TRIES, f"{stop.__name__} after {found_ms} ms"
            push(window, rig)
            if focus:
                window.button(focus).focus()
            found_ms.append(1000 * off_after_s(rig, stop))


def test_the_coils_go_off_when_the_operator_s_tab_is_closed(rig, panel, visit):
    found_s = []
    while sum(one <= GONE_S for one in found_s) < TIMES - 1:
        assert len(found_s) < TRIES, f"after {found_s} s"
        window = visit(panel.url)
        window.take_control()
        push(window, rig)
        found_s.append(off_after_s(rig, window.page.close))
