"""What an operator does at the window, in a real browser, on the twin from pixels."""

import json
import math
import time

import pandas as pd

from .window import until

PICTURE = "document.querySelector('[data-testid=view-canvas]').toDataURL().length"


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
    window.until("h.bodies.some(b => b.kind == 'robot')", 10)
    found = window.header
    robot = bodies(found, "robot")[0]
    near = min(bodies(found, "cargo"), key=lambda place: math.dist(place, robot))
    window.tool("robot")
    window.click_picture(*robot)
    window.tool("object")
    window.click_picture(*near)
    window.until("h.robot && h.objects.length == 1", 5)
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
    window.until("h.paths[0] && h.paths[0].length > 5", 5)
    window.press("start")
    window.until("h.state == 'running' && h.field.amplitude > 0", 10)
    window.until("h.run && h.run.results", 90)
    results = window.header["run"]["results"]
    assert results["success"], results
    assert results["mae_um"] < 8
    window.until("h.state == 'watching' && h.field.amplitude == 0", 5)
    (folder,) = panel.out.glob("2*")
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
    window.press("tab-runs")
    window.press("run-replay")
    window.until("h.replay && h.time_s > 0.5", 15)
    first = window.header["time_s"]
    picture = window.page.evaluate(PICTURE)
    window.until(f"h.replay && h.time_s > {first} + 0.5", 15)
    assert window.page.evaluate(PICTURE) != picture
    window.press("replay-live")
    window.until("!h.replay && h.state == 'watching'", 10)


def test_stop_ends_a_run_at_once_and_keeps_what_was_recorded(panel, visit):
    window = visit(panel.url)
    window.take_control()
    before = set(panel.out.glob("2*"))
    for how in ("click", "space in a field", "space on a button"):
        window.start_circle()
        match how:
            case "click":
                asked = window.page.evaluate("document.querySelector('[data-testid=stop]').click(), Date.now() / 1000")
            case "space in a field":
                window.button("frequency").locator("input").or_(
                    window.page.locator("input[data-testid=frequency]")
                ).first.focus()
                asked = time.time()
                window.page.keyboard.press("Space")
            case _:
                window.button("start").focus()
                asked = time.time()
                window.page.keyboard.press("Space")
        # a frame comes every 42 ms: the coils are read to that (test_stop_at_the_coils.py reads their registers)
        assert window.off_after_s(asked) < 0.2, how
        time.sleep(0.3)
        assert window.header["field"]["amplitude"] == 0
        window.until("h.state == 'watching'", 20)
    new = set(panel.out.glob("2*")) - before
    assert len(new) == 3
    for folder in new:
        (trial,) = json.loads((folder / "run.json").read_text())["trials"]
        assert trial["interrupted"]
        assert not trial["success"]


def test_a_second_person_watches_and_cannot_take_control(panel, visit):
    first, second = visit(panel.url), visit(panel.url)
    first.take_control()
    second.until("h.state == 'watching'")
    second.page.wait_for_timeout(500)
    for name in ("detect", "start", "tool-draw", "path-load"):
        assert second.button(name).is_disabled(), name
    taking = second.button("take-control")
    if taking.is_visible() and taking.is_enabled():
        taking.click()
        second.page.wait_for_timeout(500)
    assert second.button("detect").is_disabled()
    assert first.button("detect").is_enabled()
    first.detect()
    second.until("h.robot", 5)  # sees what the first one does
    first.page.bring_to_front()
    first.drive()
    first.page.keyboard.down("ArrowUp")
    first.until("h.field.amplitude > 0", 5)
    second.press("stop")  # stopping is everybody's
    second.until("h.field.amplitude == 0", 1)
    first.page.keyboard.up("ArrowUp")


def test_the_field_goes_off_when_the_operator_s_tab_is_closed(panel, visit):
    first, watcher = visit(panel.url), visit(panel.url)
    first.take_control()
    first.start_circle()
    watcher.until("h.state == 'running' && h.field.amplitude > 0", 15)
    closed = time.time()
    first.page.close()
    assert watcher.off_after_s(closed) <= 2.5
    watcher.until("h.state == 'watching'", 20)
    watcher.take_control()  # free again


def test_mask_sliders_change_the_mask_that_is_shown(panel, visit):
    window = visit(panel.url)
    window.take_control()
    window.detect()
    window.press("tab-masks")
    window.press("mask-show-robot")
    window.until("h.mask.length > 0", 5)

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
    window.until(f"h.masks.robot.lower > {lower} + 0.02", 5)
    until(lambda: area() < 0.98 * before, 5, "the mask stayed as it was")
    window.press("mask-suggest-robot")
    window.until(f"Math.abs(h.masks.robot.lower - {lower}) < 0.03", 5)


def test_keys_drive_the_robot_and_a_held_key_does_not_outlast_stop(panel, visit):
    window = visit(panel.url)
    window.take_control()
    window.detect()
    begin = window.header["robot"]
    window.drive()
    window.page.keyboard.down("ArrowRight")
    window.until("h.state == 'driving' && h.field.amplitude > 0", 5)
    assert abs(window.header["field"]["alpha_deg"]) < 1
    window.until(f"h.robot && h.robot[0] > {begin[0]} + 15", 10)
    window.page.keyboard.press("Space")
    window.until("h.field.amplitude == 0", 1)
    time.sleep(0.5)
    assert window.header["field"]["amplitude"] == 0
    window.page.keyboard.up("ArrowRight")
    window.page.wait_for_timeout(200)
    window.page.keyboard.down("q")
    window.until("h.field.amplitude > 0 && h.field.gamma_deg < 1", 5)
    window.page.keyboard.up("q")
    window.until("h.field.amplitude == 0", 1)
