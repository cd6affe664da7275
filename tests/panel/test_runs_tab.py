"""The tab of past runs: it follows the folder, plays what is chosen, and says what cannot be played."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the panel needs NiceGUI: pip install 'microtwin[panel]'")

from nicegui import ui
from nicegui.testing import User
from nicegui.testing.user_simulation import user_simulation

from microtwin import paths, recording
from microtwin.panel.page import player, runs_tab
from microtwin.panel.page.runs_tab import described, figures, outcome_of
from microtwin.panel.server import replay
from microtwin.panel.server.past_runs import PastRun
from microtwin.panel.server.playback import Replay
from microtwin.pushing import Push

from .waiting import soon

NODES = paths.polyline([(0.0, 0.0), (40.0, 0.0)])


class View:
    """Stands for the live view."""

    played: str | None = None

    def replay(self, url: str) -> None:
        self.played = url

    def live(self) -> None:
        self.played = None


def record(folder: Path, trials: int = 1) -> None:
    folder.mkdir(parents=True)
    run = Push(NODES, 12.0, trials=trials, time_limit_s=1.0)
    recording.save(folder, run.settings("line"), NODES, list(run.run()), 1.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run of one trial, and one of two."""
    made = tmp_path_factory.mktemp("made")
    record(made / "one")
    record(made / "two", trials=2)
    return made


def appear(run: Path, folder: Path) -> None:
    """A copy of a run, all of it at once."""
    folder.parent.mkdir(exist_ok=True)
    half = folder.with_name(f".{folder.name}")  # the list passes hidden folders over
    shutil.copytree(run, half)
    half.rename(folder)


@pytest.fixture
def out(tmp_path, made) -> Path:
    appear(made / "one", tmp_path / "20260131-120000")
    appear(made / "two", tmp_path / "20260131-110000")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    return tmp_path


def visit(out: Path, doing: Callable[[User, View], Awaitable[None]], monkeypatch) -> None:
    """Open a page with nothing but the tab, in a simulated browser; its list is there."""
    monkeypatch.setattr(runs_tab, "LOOKED_S", 0.05)
    monkeypatch.setattr(player, "LOOKED_S", 0.02)
    view = View()

    async def visited() -> None:
        async with user_simulation() as user:

            @ui.page("/")
            def page() -> None:
                runs_tab.build(SimpleNamespace(out=out), view)  # type: ignore[arg-type]

            await user.open("/")
            await soon(lambda: controls(user, "runs-count")[0].text)  # it has looked at the folder
            await doing(user, view)
            await asyncio.sleep(0.05)  # what is still to be sent to a browser holds its end up by two seconds

    asyncio.run(visited())


def controls(user: User, name: str) -> list:
    assert user.client is not None
    return [one for one in user.client.elements.values() if name in one._markers and not one.is_deleted]


def texts(user: User) -> list[str]:
    """What all labels say."""
    assert user.client is not None
    return [one.text for one in user.client.elements.values() if isinstance(one, ui.label) and not one.is_deleted]


def in_order(user: User) -> list[str]:
    """Names of the runs as they are listed."""
    (listed,) = controls(user, "runs-list")
    return [card.props["data-run"] for card in listed.default_slot.children]


def test_runs_are_listed_newest_first_and_broken_ones_named(out, monkeypatch):
    async def look(user, view):
        assert in_order(user) == ["20260131-120000", "20260131-110000"]
        outcomes = [one.text for one in controls(user, "run-outcome")]
        assert outcomes == ["not finished after 1 s", "0 of 2 trials reached the goal"]
        (skipped,) = controls(user, "runs-skipped")
        assert skipped.visible and skipped.text == "Not shown: 1"
        assert any(text.startswith("broken: run.json cannot be read") for text in texts(user))
        assert not controls(user, "run-file-video-mp4") and len(controls(user, "run-file-path-csv")) == 2

    visit(out, look, monkeypatch)


def test_a_new_run_appears_above_and_the_others_stay(out, made, monkeypatch):
    async def look(user, view):
        before = controls(user, "run")
        appear(made / "one", out / "20260201-000000")
        await soon(lambda: len(in_order(user)) == 3)
        assert in_order(user) == ["20260201-000000", "20260131-120000", "20260131-110000"]
        assert set(before) < set(controls(user, "run"))  # so that they keep the focus
        report = json.loads((out / "20260131-110000" / "run.json").read_text())
        report["config"]["controller"] = "blended"
        (out / "20260131-110000" / "run.json").write_text(json.dumps(report))
        await soon(lambda: "blended · line" in texts(user))
        assert len(controls(user, "run")) == 3

    visit(out, look, monkeypatch)


def test_an_empty_folder_says_so_and_many_runs_come_in_parts(tmp_path, made, monkeypatch):
    monkeypatch.setattr(runs_tab, "SHOWN", 2)

    async def look(user, view):
        (empty,) = controls(user, "runs-empty")
        (more,) = controls(user, "runs-more")
        assert empty.visible and not more.visible
        for k in range(3):
            appear(made / "one", tmp_path / f"2026010{k + 1}-000000")
        await soon(lambda: controls(user, "runs-count")[0].text == "2 of 3")
        assert not empty.visible and more.visible
        assert in_order(user) == ["20260103-000000", "20260102-000000"]
        user.find("runs-more").click()
        assert in_order(user)[-1] == "20260101-000000" and not more.visible

    visit(tmp_path, look, monkeypatch)


def test_a_run_is_played_and_the_live_picture_comes_back(out, monkeypatch):
    async def look(user, view):
        (block,) = controls(user, "replay")
        assert not block.visible
        press(controls(user, "run-replay")[1])
        await soon(lambda: block.visible)
        assert view.played == f"/replay/20260131-110000?client={user.client.id}&n=1"
        playing = Replay(out / "20260131-110000")
        replay._playing[user.client.id] = playing  # as the socket does
        playing.pause()
        (time,), (toggle,), (trial,) = (controls(user, f"replay-{n}") for n in ("time", "toggle", "trial"))
        await soon(lambda: toggle.props.get("aria-label") == "Play")
        assert time.text == f"0.0 / {playing.duration_s:.1f} s" and trial.visible
        user.find("replay-toggle").click()
        assert playing.running
        await soon(lambda: toggle.props["aria-label"] == "Pause")
        trial.value = 1
        assert playing.trial == 1
        (speed,) = controls(user, "replay-speed")
        speed.value = 0.25
        assert playing.speed == 0.25
        playing.close()
        press(controls(user, "run-replay")[1])
        await soon(lambda: view.played.endswith("&n=2"))  # the same again begins anew
        user.find("replay-live").click()
        assert view.played is None and not block.visible

    visit(out, look, monkeypatch)


def press(element) -> None:
    """Click one of several of a name."""
    for listener in element._event_listeners.values():
        if listener.type == "click":
            element._handle_event({"id": element.id, "listener_id": listener.id, "args": None})


def test_a_run_that_cannot_be_played_is_said(out, monkeypatch):
    async def look(user, view):
        (out / "20260131-120000" / "telemetry.parquet").write_bytes(b"PAR1")
        press(controls(user, "run-replay")[0])
        await soon(lambda: any("telemetry.parquet cannot be read" in said for said in user.notify.messages))
        assert view.played is None and not controls(user, "replay")[0].visible

    visit(out, look, monkeypatch)


def past(**changes) -> PastRun:
    values: dict[str, Any] = dict(
        name="a", folder=Path("a"), when=0.0, controller="corridor", path="circle", backend="sim", trials=1,
        success=1.0, time_s=37.83, error_um=1.5034, spin_fraction=0.336, reason="", has_video=True, has_picture=True,
    )  # fmt: skip
    return PastRun(**(values | changes))


def test_words_of_a_run():
    assert figures(past()) == "37.8 s · 1.50 µm · spinning 34 %"
    assert figures(past(time_s=None, error_um=None, spin_fraction=None)) == ""
    assert figures(past(time_s=None)) == "1.50 µm · spinning 34 %"
    assert outcome_of(past()) == "reached the goal"
    assert outcome_of(past(success=0.0)) == "did not reach the goal"
    assert outcome_of(past(success=0.0, reason="stopped by hand")) == "stopped by hand"
    assert outcome_of(past(trials=3, success=2 / 3)) == "2 of 3 trials reached the goal"
    assert described(past(controller="/home/me/best.zip", path="/data/my path.csv", backend="hardware")) == (
        "best.zip · my path.csv · hardware"
    )
