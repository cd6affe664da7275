"""Heat maps as pictures: each crop beside its own, and all of them on one sheet."""

from pathlib import Path

import cv2
import numpy as np

from microtwin import files
from microtwin.otmr.framing import CROP
from microtwin.perception.estimator import Estimates

MOST = 48  # crops on a sheet
_GAP_PX = 4
_COLUMNS = 3  # pairs in a row
_OPACITY = 0.45  # of the colours over the crop


def overlaid(crop: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 red, green, blue: a grey crop (H, W) under its heat map, 0 to 1, blue to red."""
    large = cv2.resize(heat, crop.shape[::-1], interpolation=cv2.INTER_LINEAR)
    levels = np.round(255 * np.clip(large, 0, 1)).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    mixed = _OPACITY * colours + (1 - _OPACITY) * crop[..., None]
    return np.round(mixed).astype(np.uint8)


def pair(crop: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(H, 2 W + 4, 3) uint8 red, green, blue: the crop, and its heat map on the right."""
    gap = np.full((crop.shape[0], _GAP_PX, 3), 255, dtype=np.uint8)
    return np.concatenate([np.repeat(crop[..., None], 3, axis=2), gap, overlaid(crop, heat)], axis=1)


def write_pair(path: Path, crop: np.ndarray, heat: np.ndarray) -> None:
    """Write a crop beside its heat map as a PNG."""
    data = cv2.imencode(".png", cv2.cvtColor(pair(crop, heat), cv2.COLOR_RGB2BGR))[1].tobytes()
    with files.whole(path) as temporary:
        temporary.write_bytes(data)


def write_sheet(path: Path, crops: np.ndarray, heat: np.ndarray, captions: list[str]) -> int:
    """Write the first ``MOST`` crops (n, 256, 256) and heat maps on one sheet; returns how many there are on it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n = min(len(crops), MOST)
    columns = min(n, _COLUMNS)
    rows = -(-n // columns)
    width = 2 * CROP[1] + _GAP_PX
    figure = Figure(figsize=(4.4 * columns, (4.4 * CROP[0] / width + 0.3) * rows + 0.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns))).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, crop, warm, caption in zip(axes, crops[:n], heat[:n], captions[:n], strict=False):
        ax.imshow(pair(crop, warm))
        ax.set_title(caption, fontsize=8)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return n


def captions(names: list[str], said: Estimates) -> list[str]:
    """For each image its name and what was read from it."""
    found = []
    for k, name in enumerate(names):
        words = [name if len(name) <= 40 else "…" + name[-39:]]
        if said.pitch_deg is not None and said.roll_deg is not None:
            assert said.pitch_probability is not None and said.roll_probability is not None
            words.append(f"pitch {said.pitch_deg[k]}° ({said.pitch_probability[k]:.2f})")
            words.append(f"roll {said.roll_deg[k]}° ({said.roll_probability[k]:.2f})")
        if said.depth_um is not None and said.depth_sd_um is not None:
            unit = "scaled" if said.depth_unit == "scaled" else "µm"
            words.append(f"depth {said.depth_um[k]:+.2f} ± {said.depth_sd_um[k]:.2f} {unit}")
        found.append("   ".join(words))
    return found
