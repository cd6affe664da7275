"""What is known of a robot of the OTMR set, and what was read from its picture, in words."""

from collections.abc import Mapping
from typing import Any

from microtwin.otmr.pose import POSES
from microtwin.panel.otmr.view import View
from microtwin.robots.catalogue import Robot


def of_robot(body: Robot) -> list[tuple[str, str]]:
    """Name and value of each fact."""
    x, y, z = body.size_um
    poses = len(POSES.get(body.number, ()))
    return [
        ("Body", body.name),
        ("Size", f"{x:.2f} × {y:.2f} × {z:.2f} µm"),
        ("Volume", f"{body.volume_um3:.1f} µm³"),
        ("Symmetry", _symmetry(body)),
        ("Depth sweep", f"{body.depth_range_um:g} µm of stage travel"),
        ("Pose classes", str(poses) if poses else "none in the set, depths only"),
        ("Folder", body.folder + ("" if body.folder_published else " (name not published)")),
        ("Sizes", body.provenance),
    ]


def of_reading(view: View, depth_um: float, read: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, what was drawn and what was read, of each thing the network reads."""
    found = []
    for name, true in (("pitch", view.pitch_deg), ("roll", view.roll_deg)):
        if name in read:
            sure = f"p {read[f'{name}_probability']:.2f}, ± {read[f'{name}_sd_deg']:.1f}°"
            found.append((name.capitalize(), f"{true:g}°", f"{read[name]}° ({sure})"))
    if "depth_um" in read:
        sure = f"± {read['depth_sd_um']:.2f} µm, 90 %: {read['depth_low_um']:+.2f} to {read['depth_high_um']:+.2f}"
        found.append(("Depth", f"{depth_um:+.2f} µm", f"{read['depth_um']:+.2f} {sure}"))
    if "depth_scaled" in read:
        found.append(("Depth, 0 to 1", "", f"{read['depth_scaled']:.3f} ± {read['depth_sd_scaled']:.3f}"))
    return found


def _symmetry(body: Robot) -> str:
    if body.isotropic:
        return "looks the same in every pose"
    names = {(1.0, 0.0, 0.0): "x", (0.0, 1.0, 0.0): "y", (0.0, 0.0, 1.0): "z"}
    said = []
    for axis, order in body.symmetries:
        about = names.get(tuple(abs(round(part, 3)) + 0.0 for part in axis))  # pyright: ignore[reportArgumentType]
        said.append(f"{order}-fold about {about or '({:.2g}, {:.2g}, {:.2g})'.format(*axis)}")
    return ", ".join(said) or "none"
