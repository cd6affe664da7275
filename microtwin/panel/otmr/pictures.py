"""The pictures of one view, coarse first: what the OTMR page's worker does for one wish."""

import functools
from collections.abc import Generator
from dataclasses import fields
from typing import Any

import cv2
import numpy as np

from microtwin.image_axes import to_image
from microtwin.optics import Sensor
from microtwin.otmr.depth import focus_um
from microtwin.otmr.draw import Draw
from microtwin.otmr.framing import CROP, PIXEL_UM, laid, laid_out, sensor_of
from microtwin.otmr.pose import Pose
from microtwin.otmr.render import BLUR_TAPS, depth_limits_um, microscope, middle_um, orientation, sliced
from microtwin.panel.otmr.view import View
from microtwin.panel.otmr.waves import Waves
from microtwin.robots.catalogue import robot

# What acts after the waves have left the body: another value needs no new waves.
_LENS = {
    "na",
    "spherical_waves",
    "astigmatism_waves",
    "oblique_astigmatism_waves",
    "coma_x_waves",
    "coma_y_waves",
}
_CAMERA = {"background_dn", "gradient_x", "gradient_y", "electrons", "read_noise_e", "interpolation_px", "dust"}
_CAMERA |= {"sensor_seed"}


class Kept:
    """The waves that were computed last, for the next wish of the same page."""

    def __init__(self) -> None:
        self.key: Any = None
        self.limits_um = (0.0, 0.0)
        self.waves: dict[bool, Waves] = {}  # by whether it is a sketch


def pictures(view: View, kept: Kept) -> Generator[dict[str, Any] | None, None, None]:
    """What there is to show of a view, as soon as it is there; None where a newer wish may step in.

    Pictures are dictionaries of ``image`` (256, 256) uint8, ``full`` (False for a sketch), ``depth_um`` as drawn,
    ``limits_um``, the sweep in this pose, ``turn``, rows of the rotation from the body's frame to the world,
    ``centre_um`` of the turned body, x, y, z from its origin, and ``focus_um``, the height in focus above its origin.

    Raises:
        InputError: a view that cannot be drawn.
    """
    body, draw = robot(view.robot), view.draw()
    turn = orientation(Pose(view.pitch_deg, view.roll_deg), draw)
    key = view.robot, view.pitch_deg, view.roll_deg, *_before_the_lens(draw)
    if kept.key != key:
        kept.limits_um = depth_limits_um(body.mesh, turn, draw, body.depth_range_um)
        slices = sliced(body.mesh, turn, kept.limits_um, draw)
        kept.waves = {sketch: Waves(slices, draw, sketch) for sketch in (True, False)}
        kept.key = key
    low, high = kept.limits_um
    depth_um = (low + high) / 2 if view.depth_um is None else min(max(view.depth_um, low), high)
    aside = middle_um(body.mesh, turn)
    scope = microscope(draw, 0.0)
    facts = {
        "depth_um": depth_um,
        "limits_um": (low, high),
        "turn": turn.tolist(),
        "centre_um": (*aside, focus_um((low + high) / 2, 0.0, scope)),  # the sweep's middle is the body's
        "focus_um": focus_um(depth_um, 0.0, scope),
    }
    for sketch in (True, False):
        waves = kept.waves[sketch]
        if sketch and kept.waves[False].ready(draw):
            continue
        while not waves.done:
            waves.advance()
            yield None
        light = waves.image(depth_um, draw)
        image = photograph(light, waves.slices.middle_um, (-aside[0], -aside[1]), draw, view.seed)
        yield {"image": image, "full": not sketch, **facts}


def photograph(
    light: np.ndarray, middle_um: np.ndarray, origin_um: tuple[float, float], draw: Draw, seed: int
) -> np.ndarray:
    """(256, 256) uint8: what the camera makes of light whose middle lies so far from the body's origin.

    The same numbers are drawn, in the same order, as for the first of :func:`microtwin.otmr.render.render_sequence`.
    """
    rng = np.random.default_rng(seed)
    windows, places = laid_out(1, draw, rng, CROP, origin_um)
    frame = laid(light, to_image(places[0] + middle_um, CROP, PIXEL_UM), CROP)
    image = _chip(sensor_of(draw)).expose(frame, rng, (int(windows[0, 0]), int(windows[0, 1])))
    if draw.interpolation_px > 0:
        image = np.asarray(cv2.GaussianBlur(image, BLUR_TAPS, draw.interpolation_px))
    return image


def _before_the_lens(draw: Draw) -> tuple[float, ...]:
    return tuple(getattr(draw, f.name) for f in fields(draw) if f.name not in _LENS | _CAMERA)


@functools.lru_cache(4)
def _chip(sensor: Sensor) -> Sensor:
    """An equal one that has its fixed patterns already, if there is any."""
    return sensor
