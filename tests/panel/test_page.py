"""The operator's page before a desk that only writes down what it is told."""

import asyncio
import gc
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the panel needs NiceGUI: pip install 'microtwin[panel]'")

from nicegui import events, ui
from nicegui.elements.upload_files import SmallFileUpload
from nicegui.testing import User
from nicegui.testing.user_simulation import user_simulation

from microtwin import paths
from microtwin.errors import InputError
from microtwin.panel import messages as m
from microtwin.panel.engine.twin import TwinSettings
from microtwin.panel.page import main_page as page
from microtwin.panel.page import slider_row, words
from microtwin.panel.page.choose_bodies import nearest
from microtwin.panel.page.choose_path import keep
from microtwin.panel.page.microscope import MicroscopeView
from microtwin.panel.page.notice_log import KEPT, News
from microtwin.panel.server.blank import blank_header
from microtwin.vision.mask import MaskSettings

from .waiting import soon

BODIES = [(200.0, 300.0, 15.0, "robot"), (260.0, 250.0, 15.0, "cargo"), (420.0, 150.0, 15.0, "cargo")]
CSV = b"x_um,y_um\n0,0\n10,0\n20,5\n"


class StandIn:
    """A desk with nobody behind it."""

    def __init__(self, out: Path, backend: str = "sim"):
        self.out, self.backend, self.checkpoint, self.silent_s = out, backend, None, 0.0
        self.holder: str | None = None
        self.told: list[m.Command] = []
        self.refuses = ""
        self.header: m.Header = blank_header(backend)
        masks = {body: {**asdict(MaskSettings()), "upper": None} for body in ("robot", "object")}
        self.show(state="watching", masks=masks, twin=asdict(TwinSettings()), step_out_hz=46.0)

    def show(self, **changed) -> None:
        self.header = {**self.header, "seq": self.header["seq"] + 1, **changed}  # type: ignore[typeddict-item]

    def select(self, objects: int = 1, path: bool = True) -> None:
        line = [(260.0, 250.0), (320.0, 250.0)]
        self.show(
            bodies=[{"x": x, "y": y, "r": r, "kind": kind} for x, y, r, kind in BODIES],
            robot=BODIES[0][:3],
            objects=[body[:3] for body in BODIES[1 : 1 + objects]],
            paths=[line if path else None] * objects,
        )

    def holder_is(self, client: str) -> bool:
        return self.holder == client

    def held(self) -> bool:
        return self.holder is not None

    def take(self, client: str) -> bool:
        self.holder = self.holder or client
        return self.holder == client

    def release(self, client: str) -> None:
        if self.holder == client:
            self.holder = None

    def send(self, client: str, command: m.Command) -> None:
        if self.holder != client or self.refuses:
            raise InputError(self.refuses or "someone else holds control: take control when it is free")
        self.told.append(command)

    def stop(self, reason: str = "stopped by hand") -> None:
        self.told.append(m.Stop(reason))


looks = 0  # how often pages have looked at the desk


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages look often, and their looks are counted."""
    look = page.Page._look

    def counted(one: page.Page) -> None:
        global looks
        look(one)
        looks += 1

    monkeypatch.setattr(page.Page, "_look", counted)
    monkeypatch.setattr(page, "LOOKED_S", 0.01)


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    """NiceGUI's simulation collects garbage twice a test: spare it what was imported before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def desk(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


def visit(desk: StandIn, doing: Callable[[User], Awaitable[None]]) -> None:
    """Open the page in a simulated browser."""

    failed: list[BaseException] = []

    async def visited() -> None:
        async with user_simulation() as user:
            page.build(desk)  # type: ignore[arg-type]
            try:
                await user.open("/")
                await doing(user)
                await settled()  # what is still to be sent to a browser holds its end up by two seconds
            except BaseException as error:  # the simulation would not end its tasks, and wait for them for ever
                failed.append(error)

    asyncio.run(visited())
    if failed:
        raise failed[0]


def control(user: User, name: str) -> Any:
    """The one element of a name, also in a tab that is not on show."""
    assert user.client is not None
    (found,) = [one for one in user.client.elements.values() if name in one._markers]
    return found


async def settled() -> None:
    """The page, or both, have looked at the desk again."""
    seen = looks
    await soon(lambda: looks >= seen + 4)


async def in_control(user: User) -> None:
    await settled()
    user.find("take-control").click()
    await settled()


def test_a_run_starts_only_when_everything_is_there(desk):
    assert words.start_refusal(desk.header, "take control first") == "take control first"
    assert words.start_refusal(desk.header, "") == "select the robot first"
    desk.show(robot=BODIES[0][:3])
    assert words.start_refusal(desk.header, "") == "select an object first"
    desk.select(path=False)
    assert words.start_refusal(desk.header, "") == "draw or load a path first"
    desk.select()
    assert words.start_refusal(desk.header, "") == ""
    for state in ("preparing", "running", "paused", "saving", "broken"):
        desk.show(state=state)
        assert words.start_refusal(desk.header, "")


def test_what_to_do_next_is_said_until_a_run_goes_on(desk):
    def said(mine: bool = True, held: bool = True, recording: bool = False) -> str:
        return words.next_step(desk.header, mine, held, recording)

    assert "Take control" in said(mine=False, held=False)
    assert "watching" in said(mine=False)
    assert "Auto-detect" in said()
    desk.show(robot=BODIES[0][:3])
    assert "Object" in said()
    desk.select(path=False)
    assert "Draw path" in said()
    desk.select()
    assert said().startswith("Ready") and "recording" in said(recording=True)
    now = {"folder": "x", "controller": "corridor", "elapsed_s": 4.0, "limit_s": 9.0, "results": None}
    desk.show(state="running", run=now, nodes=5)
    assert said() == said(mine=False) == said(recording=True) == "4 s of 9 s · node 1 of 5"
    desk.show(state="saving")
    assert "saving" in said()
    desk.show(state="broken")
    assert "not open" in said()


def test_trouble_is_said(desk):
    assert "starting" in words.trouble(None, 0.0)
    assert words.trouble(desk.header, 0.3) == ""
    assert "4 s" in words.trouble(desk.header, 4.2)
    desk.show(state="preparing")
    assert words.trouble(desk.header, 10.0) == ""  # sprites take their time
    desk.show(state="broken", reason="camera: gone")
    assert words.trouble(desk.header, 0.0) == "camera: gone"


def test_figures_of_a_run_that_failed_and_of_one_that_did_not():
    failed = words.results({"success": False, "reason": "object lost", "completion_time_s": None, "mae_um": 1.234})
    assert failed == {"Outcome": "object lost", "Time": "–", "Mean error": "1.23 µm", "Spinning": "–"}
    done = words.results({"success": True, "completion_time_s": 61.26, "mae_um": 2.0, "spin_fraction": 0.3})
    assert done == {"Outcome": "reached the goal", "Time": "61.3 s", "Mean error": "2.00 µm", "Spinning": "30 %"}


def test_each_notice_is_news_once_also_of_an_engine_that_began_anew():
    news = News()
    first: list[m.Notice] = [{"id": k, "level": "info", "text": f"old {k}"} for k in (1, 2)]
    assert news.of(first) == first
    later: list[m.Notice] = [first[1], {"id": 3, "level": "error", "text": "new"}]
    assert news.of(later) == later[1:]
    assert news.of(later) == []
    again: list[m.Notice] = [{"id": 1, "level": "info", "text": "begun anew"}]
    assert news.of(again) == again
    for k in range(10, 3 * KEPT):
        news.of([{"id": k, "level": "info", "text": "x"}])
    assert len(news._seen) <= KEPT


def test_a_selected_circle_is_the_body_it_lies_on():
    bodies: list[m.Found] = [{"x": x, "y": y, "r": r, "kind": kind} for x, y, r, kind in BODIES]
    assert [nearest(bodies, body[:3]) for body in BODIES] == [0, 1, 2]
    assert nearest(bodies, (600.0, 40.0, 15.0)) is None
    assert nearest([], (0.0, 0.0, 15.0)) is None


def test_an_uploaded_path_is_kept_under_a_free_name(tmp_path):
    folder = tmp_path / "paths"
    assert keep(folder, "../../my path!.csv", CSV) == "my-path"
    assert keep(folder, "my path.csv", CSV) == "my-path-2"
    assert keep(folder, "circle.csv", CSV) == "circle-2"  # a shape's name stays the shape's
    assert (folder / "my-path.csv").read_bytes() == CSV
    assert len(paths.read_csv(folder / "my-path.csv")) == 3


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"\xff\xfe\x00", b"x_um,y_um\n1,nan\n2,3\n"])
def test_an_upload_that_is_no_path_leaves_nothing(tmp_path, content):
    with pytest.raises(InputError, match=r"^given\.csv"):
        keep(tmp_path / "paths", "given.csv", content)
    assert not (tmp_path / "paths").exists()


def test_who_only_watches_can_change_nothing_and_is_told_why(desk):
    async def doing(user: User) -> None:
        desk.select()
        desk.holder = "someone"
        await settled()
        assert control(user, "control").text == "Someone else holds control"
        watched = ("start", "pause", "detect", "tool-draw", "frequency", "controller", "path-load", "drive")
        hidden = ("mask-lower-robot", "mask-show-object", "mask-suggest-robot", "twin-rebuild", "twin-disturb")
        for name in (*watched, *hidden):
            assert not control(user, name).enabled, name
            assert control(user, name).props["title"] == "someone else holds control", name
        assert not control(user, "take-control").enabled
        assert control(user, "stop").enabled
        desk.holder = None
        await in_control(user)
        assert desk.holder == user.client.id  # type: ignore[union-attr]
        for name in ("start", "detect", "frequency", "mask-lower-robot", "twin-rebuild"):
            assert control(user, name).enabled, name
        assert control(user, "control").text == "You hold control"
        user.find("take-control").click()
        assert desk.holder is None and desk.told == []

    visit(desk, doing)


def test_start_sends_what_the_fields_say(desk):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        control(user, "frequency").value = 9.0
        control(user, "width").value = 7.5
        control(user, "time-limit").value = 120.0
        user.find("start").click()
        control(user, "controller").value = "steering"  # has no corridor
        control(user, "threshold").value = 6.0
        user.find("start").click()
        assert desk.told == [
            m.Start("corridor", frequency_hz=9.0, width_um=7.5, time_limit_s=120.0),
            m.Start("steering", frequency_hz=9.0, threshold_um=6.0, time_limit_s=120.0),
        ]
        assert not control(user, "width").visible

    visit(desk, doing)


def test_a_number_outside_its_limits_starts_nothing(desk):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        for name, wrong in (("frequency", 0.0), ("frequency", 1e9), ("width", -1.0), ("threshold", 30.0)):
            control(user, name).value = wrong
            user.find("start").click()
            assert desk.told == []
            assert f"is {wrong:g}" in user.notify.messages[-1] and "more than 0" in user.notify.messages[-1]
            control(user, name).value = None
        user.find("start").click()
        assert desk.told == [m.Start()]

    visit(desk, doing)


def test_a_frequency_above_step_out_and_one_that_is_no_number_are_said_at_the_field(desk):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        field = control(user, "frequency")
        assert (field.props["hint"], field.props["placeholder"]) == ("up to 200 · step-out 46 Hz", "12")
        for hz, warned in ((46.0, False), (46.5, True), (12.0, False)):
            field.value = hz
            await settled()
            assert ("above step-out, 46 Hz" in field.props["hint"]) == ("mt-warned" in field.classes) == warned
        field.value = None  # as the browser says of 1e999
        tell(field, "focusout", True)
        user.find("start").click()
        assert desk.told == [] and "Frequency is no number" in user.notify.messages[-1]
        tell(field, "focusout", False)
        user.find("start").click()
        assert desk.told == [m.Start()]

    visit(desk, doing)


def test_nothing_starts_unseen_while_a_recording_is_on_show(desk):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        (view,) = [one for one in user.client.elements.values() if isinstance(one, MicroscopeView)]  # type: ignore[union-attr]
        view.replay("/replay/x")
        await settled()
        assert not control(user, "start").enabled and not control(user, "tool-draw").enabled
        assert control(user, "stop").enabled
        view.live()
        await settled()
        assert control(user, "start").enabled

    visit(desk, doing)


def test_policies_and_the_hand(desk):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        control(user, "controller").value = "file"
        user.find("start").click()
        assert desk.told == [] and any("policy.zip" in said for said in user.notify.messages)
        control(user, "policy-file").value = " runs/policy.zip "
        user.find("start").click()
        control(user, "controller").value = m.HAND
        control(user, "drive-frequency").value = 4.0
        user.find("start").click()
        assert desk.told == [m.Start("runs/policy.zip"), m.Start(m.HAND, frequency_hz=4.0)]
        (view,) = [one for one in user.client.elements.values() if isinstance(one, MicroscopeView)]  # type: ignore[union-attr]
        assert not view.drive
        now = {"folder": "x", "controller": m.HAND, "elapsed_s": 0.0, "limit_s": 9.0, "results": None}
        desk.show(state="running", run=now)
        await settled()
        assert view.drive and view.operator and view.drive_hz == 4.0  # the hand has the run
        desk.holder = "someone"
        await settled()
        assert not view.drive and not view.operator

    visit(desk, doing)


def test_a_refusal_is_said_and_nothing_breaks(desk):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        desk.refuses = "the engine has ended: open it again"
        user.find("detect").click()
        assert any("the engine has ended" in said for said in user.notify.messages)

    visit(desk, doing)


def test_the_picture_is_clicked_and_drawn_on_with_the_chosen_tool(desk):
    async def doing(user: User) -> None:
        desk.select(objects=2, path=False)
        await in_control(user)
        (view,) = [one for one in user.client.elements.values() if isinstance(one, MicroscopeView)]  # type: ignore[union-attr]
        interaction = user.find(kind=MicroscopeView)
        interaction.trigger("pick", {"x": 5.0, "y": 6.0, "add": False})  # no tool: no meaning
        assert desk.told == []
        for tool, kind in (("tool-robot", "select-robot"), ("tool-object", "select-object")):
            user.find(tool).click()
            await settled()
            assert view.tool == kind and control(user, tool).props["aria-pressed"] == "true"
            interaction.trigger("pick", {"x": 5.0, "y": 6.0, "add": True})
        control(user, "path-target").value = 1
        user.find("tool-draw").click()
        await settled()
        interaction.trigger("drawn", {"points": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]})
        await settled()
        assert view.tool == "none"
        assert desk.told == [
            m.SelectRobot((5.0, 6.0)),
            m.SelectObject((5.0, 6.0), True),
            m.Draw(((1.0, 2.0), (3.0, 4.0)), 1),
        ]

    visit(desk, doing)


def test_bodies_are_chosen_by_number_and_the_lists_follow_the_engine(desk):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        assert control(user, "select-robot").value == 0 and control(user, "select-objects").value == [1]
        assert desk.told == []  # following is no wish
        assert list(control(user, "select-objects").options) == [1, 2]  # not the robot
        control(user, "select-robot").value = 2
        control(user, "select-objects").value = [1, 2]
        control(user, "select-robot").value = None
        await settled()
        desk.show(state="running", robot=(500.0, 500.0, 15.0))  # bodies are not detected anew now
        await settled()
        assert not control(user, "select-robot").enabled and control(user, "select-objects").value == [1]
        assert desk.told == [
            m.SelectRobot((420.0, 150.0)),
            m.SelectObject((260.0, 250.0), False),
            m.SelectObject((420.0, 150.0), True),
            m.SelectRobot(None),
        ]

    visit(desk, doing)


def test_paths_by_name_saved_and_uploaded(desk):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        control(user, "path-length").value = 200.0
        user.find("path-load").click()
        user.find("path-save").click()  # without a name
        control(user, "path-save-name").value = "mine"
        user.find("path-save").click()
        assert desk.told == [m.LoadPath("circle", 0, 200.0, True), m.SavePath("mine", 0)]
        assert not control(user, "path-download").enabled
        desk.told.clear()
        file = SmallFileUpload("maze.csv", "text/csv", CSV)
        await control(user, "path-uploader").handle_uploads([file])
        await soon(lambda: desk.told)
        await settled()
        assert desk.told == [m.LoadPath("maze", 0, None, False)]  # as it lies in the file
        assert control(user, "path-download").enabled and (desk.out / "paths/maze.csv").exists()
        await control(user, "path-uploader").handle_uploads([SmallFileUpload("bad.csv", "text/csv", b"no")])
        await soon(lambda: any("bad.csv" in said for said in user.notify.messages))
        assert len(desk.told) == 1

    visit(desk, doing)


def test_mask_sliders_send_the_newest_value_and_follow_the_engine(desk, monkeypatch):
    monkeypatch.setattr(slider_row, "SETTLES_S", math.inf)

    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        for value in (0.2, 0.3, 0.4):
            control(user, "mask-lower-robot-slider").value = value
        await soon(lambda: desk.told)
        assert desk.told == [m.SetMask("robot", MaskSettings(lower=0.4))]  # one, the last, open above
        await settled()
        assert control(user, "mask-lower-robot").value == 0.4  # an old answer does not pull the hand back
        monkeypatch.setattr(slider_row, "SETTLES_S", 0.0)
        masks = {body: {**asdict(MaskSettings(lower=0.05)), "upper": 0.5} for body in ("robot", "object")}
        desk.show(masks=masks, shown="object")
        await soon(lambda: control(user, "mask-lower-robot").value == 0.05)
        assert control(user, "mask-lower-object-slider").value == 0.05
        assert control(user, "mask-upper-object").value == 0.5
        assert control(user, "mask-show-object").value and not control(user, "mask-show-robot").value
        control(user, "mask-lower-object").value = 0.9  # above the upper end
        await soon(lambda: control(user, "mask-wrong-object").text)
        assert "lower" in control(user, "mask-wrong-object").text
        assert len(desk.told) == 1  # neither following nor nonsense is sent
        control(user, "mask-show-robot").value = True
        with user.client:  # type: ignore[union-attr]
            press(control(user, "mask-suggest-robot"))
        assert desk.told[1:] == [m.ShowMask("robot"), m.SetMask("robot", None)]

    visit(desk, doing)


def press(button: ui.button) -> None:
    """Click a button of a tab that is not on show."""
    tell(button, "click", None)


def tell(element: ui.element, event: str, args: Any) -> None:
    """As if the browser sent this event."""
    for listener in list(element._event_listeners.values()):
        if listener.type == event and listener.handler is not None:
            arguments = events.GenericEventArguments(sender=element, client=element.client, args=args)
            with element.client:
                events.handle_event(listener.handler, arguments)


def test_the_twin_is_rebuilt_as_the_fields_say_and_knocked(desk):
    async def doing(user: User) -> None:
        await in_control(user)
        control(user, "twin-seed").value = 7.0
        control(user, "twin-flow").value = 2.5
        control(user, "twin-speed").value = None
        await settled()
        assert "seed" in control(user, "twin-changed").text and "flow" in control(user, "twin-changed").text
        with user.client:  # type: ignore[union-attr]
            press(control(user, "twin-rebuild"))
            press(control(user, "twin-disturb"))
        settings = TwinSettings(seed=7, flow_um_s=2.5, speed=math.inf)
        assert desk.told == [m.SetTwin(settings), m.Disturb()]
        desk.show(twin={**asdict(settings), "speed": None})
        await settled()
        assert control(user, "twin-changed").text == "" and control(user, "twin-seed").value == 7
        control(user, "twin-cargo").value = "cell"
        control(user, "twin-robot").value = "population"  # not known in culture medium
        with user.client:  # type: ignore[union-attr]
            press(control(user, "twin-rebuild"))
        assert len(desk.told) == 2 and any("population" in said for said in user.notify.messages)

    visit(desk, doing)


def test_a_rig_has_no_tab_for_the_twin(tmp_path):
    desk = StandIn(tmp_path, "hardware")
    desk.show(twin=None)

    async def doing(user: User) -> None:
        await settled()
        marks = {mark for one in user.client.elements.values() for mark in one._markers}  # type: ignore[union-attr]
        assert "tab-twin" not in marks and "twin-rebuild" not in marks and {"tab-run", "tab-masks"} <= marks
        assert control(user, "backend").text == "Rig"

    visit(desk, doing)


def test_a_run_goes_on_pauses_and_shows_its_figures(desk):
    now = {"folder": "runs/panel/1", "controller": "corridor", "elapsed_s": 4.0, "limit_s": 300.0, "results": None}

    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        desk.show(state="running", mode="spin_cw", run=now, nodes=60, goal_index=11)
        await settled()
        assert control(user, "state").text == "Running · spin cw"
        assert control(user, "run-words").text == "4 s of 300 s · node 12 of 60"
        assert not control(user, "start").enabled and not control(user, "results").visible
        user.find("pause").click()
        desk.show(state="paused")
        await settled()
        user.find("pause").click()
        assert desk.told == [m.Pause(True), m.Pause(False)]
        ended = {"success": True, "completion_time_s": 61.2, "mae_um": 1.5, "spin_fraction": 0.25, "reason": ""}
        desk.show(state="watching", mode="", run={**now, "results": ended})
        await settled()
        assert control(user, "results").visible and control(user, "result-folder").text == "runs/panel/1"
        assert control(user, "result-time").text == "61.2 s"

    visit(desk, doing)


def test_notices_are_said_once_and_kept(desk):
    desk.show(notices=[{"id": 1, "level": "info", "text": "before"}])

    async def doing(user: User) -> None:
        await settled()
        assert user.notify.messages == []  # said before the page was opened
        desk.show(notices=[{"id": 2, "level": "warning", "text": "path passes a cell"}])
        await settled()
        await settled()
        assert user.notify.messages == ["path passes a cell"]
        await user.should_see("before")
        await user.should_see("path passes a cell")

    visit(desk, doing)


def test_a_broken_rig_is_said_and_opened_again(desk):
    desk.show(state="broken", reason="camera: no device 0")

    async def doing(user: User) -> None:
        await in_control(user)
        await user.should_see("camera: no device 0")
        user.find("reopen").click()
        assert desk.told == [m.Reopen()]
        desk.show(state="watching", reason="")
        await settled()
        assert not control(user, "banner").visible
        desk.silent_s = 5.0
        await settled()
        await user.should_see("No news from the engine for 5 s: what is shown is old.")

    visit(desk, doing)


def test_settings_of_the_operator_are_seen_by_all_and_stay_for_the_next(desk):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        control(user, "frequency").value = 15.0
        control(user, "controller").value = "blended"
        first = user.client
        await user.open("/")  # another browser
        await settled()
        assert user.client is not first
        assert control(user, "frequency").value == 15.0 and control(user, "controller").value == "blended"
        control(user, "frequency").value = 3.0  # nobody's wish
        await settled()
        assert control(user, "frequency").value == 15.0

    visit(desk, doing)


def test_stop_goes_straight_from_the_browser(desk):
    async def doing(user: User) -> None:
        stop = control(user, "stop")
        handlers = {listener.type: listener for listener in stop._event_listeners.values()}
        assert {"pointerdown", "click"} <= set(handlers)
        for listener in handlers.values():
            assert listener.handler is None and "microtwin.stop()" in (listener.js_handler or "")

    visit(desk, doing)


def test_a_page_on_which_nothing_changes_sends_nothing(desk, monkeypatch):
    async def doing(user: User) -> None:
        desk.select()
        await in_control(user)
        assert user.client is not None
        sent: list[str] = []
        monkeypatch.setattr(user.client.outbox, "enqueue_update", lambda one: sent.append(str(one).splitlines()[0]))
        desk.show(time_s=1.0)
        await settled()
        assert sent == []
        desk.show(state="paused")
        await settled()
        assert sent

    visit(desk, doing)
