"""``microtwin render``: draw one picture as the camera would take it."""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def _unset(metavar: str, default: str = "none"):
    """An option that is None unless given, so that one given in vain can be refused; ``default`` is for the help."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


def render(
    scene: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    robot: Annotated[int | None, _unset("INT")] = None,
    mesh: Annotated[Path | None, _unset("PATH")] = None,
    unit: Annotated[Literal["um", "nm", "mm", "m"] | None, _unset("{um,nm,mm,m}", "um")] = None,
    pitch: Annotated[int | None, _unset("INT", "0")] = None,
    roll: Annotated[int | None, _unset("INT", "0")] = None,
    in_plane: Annotated[float | None, _unset("FLOAT", "0, or drawn with --randomise")] = None,
    depth: Annotated[float | None, _unset("FLOAT", "0")] = None,
    stack: Annotated[tuple[float, float, int] | None, _unset("LOW HIGH N")] = None,
    frame: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    randomise: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    seed: int = 0,
    shape: Annotated[tuple[int, int] | None, _unset("ROWS COLUMNS", "512 640")] = None,
    binning: Annotated[int | None, _unset("INT", "2")] = None,
    focus: Annotated[float | None, _unset("FLOAT", "0")] = None,
    cells: Annotated[int | None, _unset("INT", "6")] = None,
    debris: Annotated[int | None, _unset("INT", "12")] = None,
    out: Annotated[Path | None, _unset("PATH", "runs/render.png")] = None,
) -> int:
    """Draw one picture as the camera would take it.

    --robot is one of OTMR's 18 microrobots through the 100× oil objective, 256 × 256 pixels of 0.055 µm; --mesh is a
    body of your own, in true µm. OTMR's scale bar counts 1.8 of these as one: a crop shows 25 × 25 true µm, a --frame
    67 × 48. --pitch, --roll, --in-plane, --depth, --stack, --frame and --randomise belong to them. Depths may lie
    within the robot's sweep (12 to 17 µm) about the body's origin, or about the middle of the turned body's height.

    --scene is the pushing rig through its 20× objective: a robot and a 10 µm bead in the middle, resting cells and
    debris around them, on the sensor. The first picture of a kind takes seconds longer: its bodies are propagated once
    and kept. --shape, --binning, --focus, --cells and --debris belong to it.

    The same settings and seed give the same picture.

    Args:
        scene: one frame of the pushing rig.
        robot: number from 1 to 18.
        mesh: closed surface (STL, OBJ, PLY, OFF, GLB) to draw instead of a robot, 0.54 to 67 true µm large.
        unit: of the mesh file, if it is not µm.
        pitch: turn out of the plane, whole degrees from 0 to 90, as OTMR's folders name it.
        roll: likewise.
        in_plane: turn in the picture, counter-clockwise, degrees.
        depth: stage travel, µm; 0 has the body's origin in focus, more looks further towards the objective.
        stack: pictures at N depths from LOW to HIGH side by side; one file each if --out is a folder (no suffix).
        frame: the camera's whole frame of 678 × 488 pixels.
        randomise: draw optics, camera, pose and print errors as the data set does; otherwise all are at their middles.
        seed: of the noise and all that is drawn; in the scene, where everything lies and how it looks.
        shape: rows and columns of the picture; the chip has 2048 × 2448.
        binning: sensor pixels of 0.1725 µm to one of the picture, on each axis.
        focus: how far above the bead's centre the microscope is focused, µm.
        cells: resting cells, 12–15 µm across.
        debris: specks of 1–3 µm on the glass.
        out: PNG file for the picture.
    """
    from microtwin.errors import InputError

    chosen = [name for name, given in (("scene", scene), ("robot", robot is not None), ("mesh", mesh)) if given]
    if len(chosen) != 1:
        said = " and ".join(f"--{name}" for name in chosen)
        raise InputError(
            f"{said} together: choose one of them"
            if chosen
            else "nothing to render: give --scene for one frame of the pushing rig, --robot 1 to 18, or --mesh FILE"
        )
    of_robots = {"pitch": pitch, "roll": roll, "in-plane": in_plane, "depth": depth, "stack": stack}
    of_robots |= {"frame": frame or None, "randomise": randomise or None}
    of_scenes = {"shape": shape, "binning": binning, "focus": focus, "cells": cells, "debris": debris}
    in_vain = {} if mesh else {"unit": unit}
    in_vain |= of_robots if scene else of_scenes
    for name, value in in_vain.items():
        if value is not None:
            raise InputError(f"--{name} has no meaning with --{chosen[0]}: leave it out")
    if depth is not None and stack is not None:
        raise InputError("--depth and --stack together: choose one of them")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    out = out or Path("runs/render.png")
    if scene:
        from microtwin.cli.render_scene import render_scene

        given = {name: value for name, value in of_scenes.items() if value is not None}
        return render_scene(seed, out, **given)  # type: ignore[arg-type]
    from microtwin.cli.render_body import own_body, robot_body
    from microtwin.cli.render_robot import render_robot

    return render_robot(
        own_body(mesh, unit or "um") if mesh else robot_body(robot),  # type: ignore[arg-type]
        (pitch or 0, roll or 0),
        in_plane,
        stack or (depth or 0.0, depth or 0.0, 1),
        frame,
        randomise,
        seed,
        out,
    )
