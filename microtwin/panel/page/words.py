"""What the page says of the engine's state: short, and without a page, so that it can be tested by itself."""

from typing import Any

from microtwin.panel.messages import Header

BUSY = {"preparing": "preparing, a moment", "saving": "saving the last run"}
STATES = {
    "preparing": "Preparing",
    "watching": "Idle",
    "driving": "Driving",
    "running": "Running",
    "paused": "Paused",
    "saving": "Saving",
    "broken": "Broken",
}
RUNS = ("running", "paused")
SILENT_S = 2.0  # the engine sends at least four times a second


def state(header: Header) -> str:
    """``Running · push``."""
    said = STATES.get(header["state"], header["state"])
    return f"{said} · {header['mode'].replace('_', ' ')}" if header["mode"] else said


def trouble(header: Header | None, silent_s: float) -> str:
    """What is wrong, and empty when nothing is. ``silent_s``: for how long the engine has said nothing."""
    if header is None:
        return "The engine is starting."
    if header["state"] == "broken":
        return header["reason"] or "The rig is not open."
    if silent_s > SILENT_S and header["state"] not in BUSY:
        return f"No news from the engine for {silent_s:.0f} s: what is shown is old."
    return ""


def start_refusal(header: Header, refusal: str) -> str:
    """Why a run cannot start now, in words; empty when it can. ``refusal``: why this browser may change nothing."""
    if refusal:
        return refusal
    if header["state"] in BUSY:
        return BUSY[header["state"]]
    if header["state"] == "broken":
        return "the rig is not open"
    if header["state"] in RUNS:
        return "a run goes on"
    if header["robot"] is None:
        return "select the robot first"
    if not header["objects"]:
        return "select an object first"
    if not any(header["paths"]):
        return "draw or load a path first"
    return ""


def next_step(header: Header, mine: bool, held: bool, recording: bool) -> str:
    """What to do now, for somebody who sees the page for the first time.

    Args:
        mine, held: who has control.
        recording: one is on show instead of the live picture.
    """
    if going := run_now(header):
        return going
    if recording:
        return "You see a recording; Live, on the right under Runs, ends it."
    if header["state"] in BUSY:
        return f"Busy: {BUSY[header['state']]}."
    if header["state"] == "broken":
        return "The rig is not open: see above."
    if not mine:
        return "You are watching; STOP works for you too." if held else "Next: Take control, at the top."
    if header["robot"] is None:
        return "Next: Auto-detect, or take Robot and click the robot."
    if not header["objects"]:
        return "Next: take Object and click what is to be pushed."
    if not any(header["paths"]):
        return "Next: Draw path, from the object on; or Load a shape, on the right."
    return "Ready: Start pushes the object along its path."


def too_fast(frequency_hz: float | None, step_out_hz: float | None) -> str:
    """A warning for a frequency that the robot cannot follow; empty for others."""
    if step_out_hz is None or frequency_hz is None or frequency_hz <= step_out_hz:
        return ""
    return f"above step-out, {step_out_hz:.0f} Hz: the robot slips and becomes slower"


def number(value: float | None, unit: str = "", digits: int = 1) -> str:
    """``12.3 µm``; a dash for what is not known."""
    if value is None:
        return "–"
    return f"{value:.{digits}f} {unit}".rstrip()


def run_now(header: Header) -> str:
    """How far the run is; empty when none goes on."""
    run = header["run"]
    if run is None or header["state"] not in RUNS:
        return ""
    return f"{run['elapsed_s']:.0f} s of {run['limit_s']:.0f} s · node {header['goal_index'] + 1} of {header['nodes']}"


def results(summary: dict[str, Any]) -> dict[str, str]:
    """The figures of a run that ended: words and values, in the order they are shown."""
    spin = summary.get("spin_fraction")
    if summary.get("success"):
        outcome = "reached the goal"
    else:
        outcome = summary.get("reason") or "did not reach the goal"
    return {
        "Outcome": outcome,
        "Time": number(summary.get("completion_time_s"), "s"),
        "Mean error": number(summary.get("mae_um"), "µm", 2),
        "Spinning": "–" if spin is None else f"{100 * spin:.0f} %",
    }
