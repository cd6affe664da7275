"""The OTMR page's optics as a file for ``microtwin dataset --config``."""

import math
import re
from pathlib import Path
from typing import Literal

from microtwin import files
from microtwin.errors import InputError
from microtwin.panel.otmr.view import OPTICS, View, usual

Spread = Literal["usual", "none"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")


def save(
    folder: Path,
    name: str,
    view: View,
    *,
    spread: Spread = "usual",
    images_per_sequence: int = 20,
    sequences: int = 2,
    seed: int = 0,
) -> Path:
    """Write ``folder``/``name``.toml.

    Raises:
        InputError: a name that is no file's or is taken, a set that cannot be made, a folder that cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"name {name!r}: give letters, digits, - and _, as robot_3_wide_condenser")
    path = folder / f"{name}.toml"
    if path.exists():
        raise InputError(f"{path} is there already: give another name, or remove it")
    content = text(view, spread=spread, images_per_sequence=images_per_sequence, sequences=sequences, seed=seed)
    files.open_folder(folder)
    with files.whole(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path


def text(
    view: View, *, spread: Spread = "usual", images_per_sequence: int = 20, sequences: int = 2, seed: int = 0
) -> str:
    """The settings in TOML, under the names of the command's options.

    The set has every pose of the view's robot and its whole sweep of depths. What is not on the page, and the in-plane
    angle, which must not tell the pose, are drawn as usual.

    Args:
        spread: ``usual`` draws every value from a range about the view's, as wide as in any set; ``none`` fixes it.
            Aberrations and the lamp's slope are always drawn about 0, as far as the view's are from it.

    Raises:
        InputError: values of which no set can be made.
    """
    from microtwin.otmr.plan import Plan
    from microtwin.otmr.pose import POSES
    from microtwin.otmr.randomisation import Randomisation

    view = view.checked()
    ranges = _ranges(usual() | dict(view.optics), spread)
    task: Literal["both", "depth"] = "both" if view.robot in POSES else "depth"
    Plan(task, (view.robot,), images_per_sequence, sequences, seed, Randomisation(**ranges))
    lines = [
        f"# Robot {view.robot}, as chosen on the OTMR page; options of microtwin dataset. What is missing is as usual.",
        f'task = "{task}"',
        f"robots = [{view.robot}]",
        f"images_per_sequence = {images_per_sequence}",
        f"sequences = {sequences}",
        f"seed = {seed}",
        "",
        "[randomise]",
    ]
    for field, value in ranges.items():
        shown = f"[{value[0]:.6g}, {value[1]:.6g}]" if isinstance(value, tuple) else f"{value:.6g}"
        lines.append(f"{field} = {shown}")
    return "\n".join(lines) + "\n"


def _ranges(values: dict[str, float], spread: Spread) -> dict:
    """Fields of Randomisation for the page's values."""
    from microtwin.otmr.randomisation import Randomisation

    found = {}
    default = Randomisation()
    for name, slider in OPTICS.items():
        if slider.of:
            continue
        low, high = getattr(default, name)
        half = (high - low) / 2 if spread == "usual" else 0.0
        least, most = max(values[name] - half, slider.least), min(values[name] + half, slider.most)
        found[name] = (round(least), round(most)) if name == "dust" else (round(least, 6), round(most, 6))
    for field, first, second in (
        ("astigmatism_waves", "astigmatism_waves", "oblique_astigmatism_waves"),
        ("coma_waves", "coma_x_waves", "coma_y_waves"),
    ):
        found[field] = round(math.hypot(values[first], values[second]) / math.sqrt(2), 6)  # likeliest deviation of two
    found["gradient"] = round(math.hypot(values["gradient_x"], values["gradient_y"]), 6)
    return found
