"""Any camera that Micro-Manager has an adapter for, through pymmcore-plus.

``camera.source`` is a Micro-Manager .cfg, or anything else for the core as it is. ``[camera.options]``: see
:class:`microtwin_hardware.micromanager_core.SharedCore`, ``roi`` and ``binning``, and any other key is a property of
the device, by its name in Micro-Manager.
"""

import logging
import math
import time
from typing import Any

from microtwin_hardware.cameras.features import features
from microtwin_hardware.cameras.source import Grab
from microtwin_hardware.cameras.vendor import attempt, library
from microtwin_hardware.config import CameraConfig
from microtwin_hardware.micromanager_core import INSTALL, KEYS, SharedCore

POLL_S = 0.001  # the core cannot be waited for


class MicroManagerSource:
    """A :class:`microtwin_hardware.cameras.source.Source` on a Micro-Manager core.

    Args:
        config: of the camera. core: a CMMCore of one's own, loaded already.

    Raises:
        InputError: pymmcore-plus is missing, its configuration does not load, it has no such camera.
    """

    def __init__(self, config: CameraConfig, core: Any = None):
        self.frame_rate_hz: float | None = None
        self.notes: list[str] = []
        self._config, self._given = config, core
        self._shared: SharedCore | None = None
        self._core: Any = None
        self._label = ""
        self._bits = 8

    def describe(self) -> str:
        return f"Micro-Manager camera {self._label}".rstrip()

    def open(self) -> None:
        wanted = features(self._config)
        options = dict(self._config.options)
        if self._config.source.lower().endswith(".cfg"):
            options.setdefault("config_file", self._config.source)
        self._shared = SharedCore(options, "camera", self._given)
        core = self._core = self._shared.core
        self._label = label = self._shared.device(options.get("device"), core.getCameraDevice())
        self.notes.clear()
        core.setCameraDevice(label)
        if core.isSequenceRunning():
            core.stopSequenceAcquisition()
        if wanted.binning:
            self._put("Binning", wanted.binning)
        roi = wanted.roi
        if roi:
            attempt(self.notes, f"roi = {list(roi)}", lambda: core.setROI(*roi))
        if self._config.exposure_ms is not None:
            exposure_ms = self._config.exposure_ms
            attempt(self.notes, f"exposure_ms = {exposure_ms:g}", lambda: core.setExposure(exposure_ms))
        if wanted.gain is not None:
            self._put("Gain", wanted.gain)
        for name, value in wanted.own.items():
            if name not in KEYS:
                self._put(name, value)
        self._pace(core, label)
        core.startContinuousSequenceAcquisition(0)
        self._bits = int(core.getImageBitDepth())

    def _pace(self, core: Any, label: str) -> None:
        """Micro-Manager has no frame rate; some adapters have a property of that or a like name."""
        rate = self._config.frame_rate_hz
        for name in ("AcquisitionFrameRate", "FrameRate", "Frame Rate", "Framerate"):
            if core.hasProperty(label, name) and not core.isPropertyReadOnly(label, name):
                self._put(name, rate)
                return
        exposure_ms = float(core.getExposure())
        if not math.isclose(exposure_ms * rate, 1000.0, rel_tol=0.1):
            self.notes.append(
                f"frame_rate_hz = {rate:g}: this adapter has no property for it; with {exposure_ms:g} ms exposure the "
                "camera goes at its own pace"
            )

    def _put(self, name: str, value: Any) -> None:
        def do() -> None:
            if not self._core.hasProperty(self._label, name):
                raise LookupError("the device has no such property")
            self._core.setProperty(self._label, name, value)

        attempt(self.notes, f"{name} = {value}", do)

    def grab(self, timeout_s: float) -> Grab:
        core = self._core
        until_s = time.monotonic() + timeout_s
        while not core.getRemainingImageCount():
            if not core.isSequenceRunning():
                raise RuntimeError("its sequence has ended")
            if time.monotonic() >= until_s:
                raise TimeoutError
            time.sleep(POLL_S)
        image, about = core.popNextImageAndMD()
        if image.ndim == 3:  # the core has red first
            image = image[:, :, 2::-1]
        elapsed_ms, number = about.get("ElapsedTime-ms"), about.get("ImageNumber")
        return Grab(
            image,
            float(elapsed_ms) / 1000.0 if elapsed_ms is not None else None,
            int(number) if number is not None else None,
            self._bits,
        )

    def close(self) -> None:
        shared, self._shared = self._shared, None
        if shared is None:
            return
        try:
            if self._core.isSequenceRunning():
                self._core.stopSequenceAcquisition()
        finally:
            shared.close()

    @staticmethod
    def available() -> list[str]:
        """Nothing is known before a .cfg is loaded; says only where Micro-Manager is."""
        plus = library("pymmcore_plus", INSTALL)
        log = logging.getLogger("pymmcore-plus")
        before, log.disabled = log.disabled, True  # it says at length that there is none
        try:
            place = plus.find_micromanager()
        finally:
            log.disabled = before
        return [f"device adapters in {place}: give camera.options.config_file"] if place else []
