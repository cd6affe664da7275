"""What an operator does at the window, in a real browser, on the twin from pixels."""

import json
import math

import pandas as pd
import pytest

from microtwin.panel.engine.hand import GRASP_S

from .window import until

pytestmark = pytest.mark.usefixtures("fresh_bench")
# Times and pictures of the recording that is on show
REPLAYED = """() => {
  window.replayed = { times: [], pictures: new Set() };
  const canvas = document.querySelector("[data-testid=view-canvas]");
  addEventListener("microtwin-packet", ({ detail }) => {
    if (!detail.replay) return;
    replayed.times.push(detail.time_s);
    replayed.pictures.add(canvas.toDataURL().length);
  });
}"""


def bend(start: tuple[float, float], to: tuple[float, float], points: int = 24) -> list[tuple[float, float]]:
    """A line with a slight bend, as a hand draws it."""
    (x, y), (u, v) = start, to
    across = -(v - y), u - x
    return [
        (x + f * (u - x) + 0.1 * s * across[0], y + f * (v - y) + 0.1 * s * across[1])
        for f, s in ((k / (points - 1), math.sin(math.pi * k / (points - 1))) for k in range(points))
    ]


def bodies(header: dict, kind: str) -> list[tuple[float, float]]:
    return [(one["x"], one["y"]) for one in header["bodies"] if one["kind"] == kind]


def select(window) -> tuple[float, float]:
    """Robot and the object nearest to it by clicks; where that object is."""
    window.press("detect")
    window.until("h.bodies.some(b => b.kind == 'robot')")
    found = window.header
    robot = bodies(found, "robot")[0]
    near = min(bodies(found, "cargo"), key=lambda place: math.dist(place, robot))
    window.tool("robot")
    window.click_picture(*robot)
    window.tool("object")
    window.click_picture(*near)
    window.until("h.robot && h.objects.length == 1")
    return near


def test_clicks_a_drawn_path_and_start_end_in_success_and_a_recorded_run(panel, visit):
    window = visit(panel.url)
    window.take_control()
    place = select(window)
    chosen = window.header
    assert math.dist(chosen["objects"][0][:2], place) < 6
    middle = tuple(length / 2 for length in chosen["size"])
    way = math.dist(place, middle)
    window.draw(bend(place, tuple(p + (m - p) * 130 / way for p, m in zip(place, middle, strict=True))))
    window.until("h.paths[0] && h.paths[0].length > 5")
    before = set(panel.out.glob("2*"))
    window.press("start")
    window.until("h.state == 'running' && h.field.amplitude > 0")
    window.until("h.run && h.run.results", 300)
    results = window.header["run"]["results"]
    assert results["success"], results
    assert results["mae_um"] < 8
    window.until("h.state == 'watching' && h.field.amplitude == 0")
    (folder,) = set(panel.out.glob("2*")) - before
    assert {file.name for file in folder.iterdir()} == {
        "run.json", "telemetry.parquet", "trajectory.png", "video.mp4", "path.csv"
    }  # fmt: skip
    report = json.loads((folder / "run.json").read_text())
    assert report["trials"][0]["success"]
    assert report["config"]["controller"] == "corridor"
    telemetry = pd.read_parquet(folder / "telemetry.parquet")
    assert telemetry["time_s"].iloc[0] < 0.2
    assert set(telemetry["mode"]) >= {"approach", "push"}

    # and it plays in the same view
    window.page.evaluate(REPLAYED)
    window.replay(folder.name)
    window.page.wait_for_function("Math.max(...replayed.times) > Math.min(...replayed.times) + 0.5")
    window.page.wait_for_function("replayed.pictures.size > 3")
    window.press("replay-live")
    window.until("!h.replay && h.state == 'watching'")


def test_stop_ends_a_run_and_keeps_what_was_recorded(panel, visit):
    """How soon is read at the coils: test_stop_at_the_coils.py."""
    window = visit(panel.url)
    window.take_control()
    before = set(panel.out.glob("2*"))
    for how in ("click", "space in a field", "space on a button"):
        window.start_circle()
        if how == "click":
            window.press("stop")
        else:
            window.button("frequency" if how == "space in a field" else "pause").focus()
            window.page.keyboard.press("Space")
        window.stays_off()
        window.until("h.state == 'watching' && h.run.results")
        assert window.header["run"]["results"]["reason"] == "stopped by hand", how
    new = set(panel.out.glob("2*")) - before
    assert len(new) == 3
    for folder in new:
        (trial,) = json.loads((folder / "run.json").read_text())["trials"]
        assert trial["interrupted"]
        assert not trial["success"]


def test_a_second_person_watches_and_cannot_take_control(panel, visit):
    first, second = visit(panel.url), visit(panel.url)
    first.take_control()
    second.page.wait_for_function("document.querySelector('[data-testid=control]').innerText.includes('Someone else')")
    taking = second.button("take-control")
    assert taking.is_disabled() and "someone else holds control" in taking.get_attribute("title")
    for name in ("detect", "start", "tool-draw", "path-load"):
        assert second.button(name).is_disabled(), name
    taking.dispatch_event("click")  # as a page would that was made to say so nevertheless
    first.detect()
    second.until("h.robot")  # sees what the first one does
    assert second.button("detect").is_disabled() and first.button("detect").is_enabled()
    first.page.bring_to_front()
    first.drive()
    first.page.keyboard.down("ArrowUp")
    first.until("h.field.amplitude > 0")
    second.press("stop")  # stopping is everybody's
    second.stays_off()
    first.page.keyboard.up("ArrowUp")


def test_the_field_goes_off_when_the_operator_s_tab_is_closed(panel, visit):
    """How soon is read at the coils: test_stop_at_the_coils.py."""
    first, watcher = visit(panel.url), visit(panel.url)
    first.take_control()
    first.start_circle()
    watcher.until("h.state == 'running' && h.field.amplitude > 0")
    first.page.close()
    watcher.stays_off()
    watcher.until("h.state == 'watching' && h.run.results")
    assert "operator" in watcher.header["run"]["results"]["reason"]
    watcher.take_control()  # free again


def test_mask_sliders_change_the_mask_that_is_shown(panel, visit):
    window = visit(panel.url)
    window.take_control()
    window.detect()
    window.press("tab-masks")
    window.press("mask-show-robot")
    window.until("h.mask.length > 0")

    def area() -> float:
        total = 0.0
        for outline in window.header["mask"]:
            following = outline[1:] + outline[:1]
            total += abs(sum(x * v - u * y for (x, y), (u, v) in zip(outline, following, strict=True))) / 2
        return total

    before = area()
    lower = window.header["masks"]["robot"]["lower"]
    window.button("mask-lower-robot-slider").locator("[tabindex='0']").focus()
    for _ in range(12):
        window.page.keyboard.press("ArrowRight")
    window.until(f"h.masks.robot.lower > {lower} + 0.02")
    until(lambda: area() < 0.98 * before, words="the mask stayed as it was")
    window.press("mask-suggest-robot")
    window.until(f"Math.abs(h.masks.robot.lower - {lower}) < 0.03")


def test_keys_drive_the_robot_and_a_held_key_does_not_outlast_stop(panel, visit):
    window = visit(panel.url)
    window.take_control()
    window.rebuild()  # the robot has room
    window.detect()
    begin = window.header["robot"]
    window.drive()
    window.page.keyboard.down("ArrowRight")
    window.until("h.state == 'driving' && h.field.amplitude > 0")
    assert abs(window.header["field"]["alpha_deg"]) < 1
    window.until(f"h.robot && h.robot[0] > {begin[0]} + 15")
    window.page.keyboard.press("Space")
    window.stays_off()
    window.page.keyboard.up("ArrowRight")
    window.page.wait_for_timeout(1000 * GRASP_S)  # until then a key may have gone down before the stop
    window.page.keyboard.down("q")
    window.until("h.field.amplitude > 0 && h.field.gamma_deg < 1")
    window.page.keyboard.up("q")
    window.until("h.field.amplitude == 0")
