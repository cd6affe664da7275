"""Stop-all and a closed tab, read from the registers of the emulated board: microtwin panel --backend hardware."""

import math
import threading
import time

import pytest

from emulated_rig import build

from .window import start_panel, until

STOP_S, GONE_S = 0.1, 2.5
TIMES, TRIES = 3, 20  # quick so often, before it was slow so often: the median of five is within the bound
STILL_S = 0.05  # a machine that stood still for so long meanwhile says nothing of what was slow


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


class Pulse(threading.Thread):
    """How long this machine stood still within the block."""

    def __enter__(self):
        self.longest_s, self._ended = 0.0, threading.Event()
        self.start()
        return self

    def run(self):
        before_s = time.monotonic()
        while not self._ended.wait(0.005):
            now_s = time.monotonic()
            self.longest_s, before_s = max(self.longest_s, now_s - before_s), now_s

    def __exit__(self, *_):
        self._ended.set()
        self.join()


def off_after(rig, act) -> tuple[float, bool]:
    """Seconds from just before an act to the last duty that was not zero, and whether this machine kept going.

    Both in the rig's time: the way there is counted. Infinite where the coils were off before it: the board's own
    watchdog is quicker than a machine that stands still.
    """
    with Pulse() as pulse:
        begun_s = rig.report()["emulated_s"]
        act()
        until(lambda: not rig.report()["driven"], words="the coils are still driven")
    off_s = rig.report()["emulated_s"]
    until(lambda: rig.report()["emulated_s"] > off_s + 0.3)  # nothing may come back
    found = rig.report()
    assert not found["driven"] and found["last_driven_s"] <= off_s
    took_s = found["last_driven_s"] - begun_s
    return took_s if took_s >= 0 else math.inf, pulse.longest_s < STILL_S


def assert_quick(turn, bound_s: float) -> None:
    """``turn()`` is an :func:`off_after`; the median of five is within the bound."""
    quick, slow, turns = 0, 0, []
    while quick < TIMES:
        assert slow < TIMES and len(turns) < TRIES, f"at most {bound_s} s, but (s, the machine kept going): {turns}"
        turns.append(turn())
        took_s, going = turns[-1]
        quick += took_s <= bound_s
        slow += took_s > bound_s and going


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
    """Each way to stop."""
    window = visit(panel.url)
    window.take_control()
    page = window.page

    def click() -> None:
        page.evaluate("document.querySelector('[data-testid=stop]').click()")

    def space() -> None:
        page.keyboard.press("Space")

    for stop, focus in ((click, None), (space, "frequency"), (space, "pause")):

        def turn(stop=stop, focus=focus) -> tuple[float, bool]:
            push(window, rig)
            if focus:
                window.button(focus).focus()
            return off_after(rig, stop)

        assert_quick(turn, STOP_S)


def test_the_coils_go_off_when_the_operator_s_tab_is_closed(rig, panel, visit):
    def turn() -> tuple[float, bool]:
        window = visit(panel.url)
        window.take_control()
        push(window, rig)
        return off_after(rig, window.page.close)

    assert_quick(turn, GONE_S)
