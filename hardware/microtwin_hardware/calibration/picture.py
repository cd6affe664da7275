"""The calibration in one picture: the lines, where the robot was seen to go, and how fast at which frequency."""

import cmath
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from microtwin_hardware.calibration.measure import Measured


def draw(measured: "Measured", path: Path) -> None:
    """Write a PNG with one panel for each thing that was measured."""
    from matplotlib.figure import Figure

    panels = [
        (panel, one)
        for panel, one in (
            (_scale, measured.scale),
            (_angle, measured.angle),
            (_step_out, measured.step_out),
        )
        if one is not None
    ]
    figure = Figure(figsize=(5.0 * len(panels), 4.5), layout="constrained")
    for axes, (panel, _) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        panel(axes, measured)
    figure.savefig(path, dpi=120)


def _scale(axes, measured: "Measured") -> None:
    scale, frame = measured.scale, measured.frame
    assert scale and frame and frame.image is not None
    height, width = 0.5 * scale.um_per_px * np.array(frame.image.shape)
    axes.imshow(frame.image, cmap="gray", extent=(-width, width, -height, height))
    if math.isfinite(scale.angle_rad):
        along = min(width, height) * np.array([math.cos(scale.angle_rad), math.sin(scale.angle_rad)])
        axes.plot([-along[0], along[0]], [-along[1], along[1]], color="tab:orange", label="direction of the lines")
        axes.legend(loc="lower right")
    axes.set(title=f"{scale.um_per_px:.5g} µm per pixel", xlabel="x (µm)", ylabel="y (µm)")


def _angle(axes, measured: "Measured") -> None:
    angle = measured.angle
    assert angle
    drift = complex(*angle.drift_um_s)
    turn = np.exp(1j * np.linspace(0, 2 * math.pi, 181)) * angle.speed_um_s
    axes.plot(turn.real, turn.imag, color="0.8")
    for leg in angle.legs:
        seen = leg.velocity_um_s - drift
        meant = cmath.rect(angle.speed_um_s, leg.heading_rad)
        axes.plot([0, meant.real], [0, meant.imag], color="0.8", linewidth=1)
        axes.plot([0, seen.real], [0, seen.imag], color="tab:blue", marker="o", markevery=[1], linewidth=1)
    axes.set_aspect("equal")
    axes.set(
        title=f"seen (blue) {math.degrees(angle.rotation_rad):+.2f}° from commanded (grey)",
        xlabel="velocity along x, less drift (µm/s)",
        ylabel="along y (µm/s)",
    )


def _step_out(axes, measured: "Measured") -> None:
    found = measured.step_out
    assert found
    axes.plot(found.frequencies_hz, found.speeds_um_s, "o-", label="measured")
    axes.plot(found.frequencies_hz, found.um_per_turn * found.frequencies_hz, color="0.7", label="turn for turn")
    axes.axvline(found.frequency_hz, color="tab:orange", linestyle="--")
    axes.set_ylim(0, 1.3 * float(found.speeds_um_s.max()))
    axes.legend(loc="upper left")
    axes.set(title=f"step-out {found.frequency_hz:.1f} Hz", xlabel="frequency of the field (Hz)", ylabel="speed (µm/s)")
