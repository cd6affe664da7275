"""A run's folder, filled by a thread of its own: the loop neither encodes video nor draws pictures."""

import contextlib
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from microtwin import files, recording
from microtwin.errors import InputError, RigError
from microtwin.panel.engine import leavings
from microtwin.recording import Trial
from microtwin.rig import Controller, Frame, Observation
from microtwin.run import Recording
from microtwin.vision.overlay import Video

WAITING = 48  # frames that may wait for the video; then the loop does
WAITS_S = 2.0  # but no longer: a disk that hangs must not hold it up with the field on
LOOK_EVERY = 24  # frames between looks at the disk's room
VIDEO = "video.mp4"


def new_folder(out: Path) -> Path:
    """``out/YYYYMMDD-HHMMSS``, with ``-2``, ``-3`` … behind it if that is there.

    Raises:
        InputError: it cannot be made.
    """
    stem, number = time.strftime("%Y%m%d-%H%M%S"), 1
    while True:
        folder = out / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"cannot make {folder} ({reason}): free space, or check your rights") from None


class Recorder:
    """Writes what ``microtwin push`` writes of one trial seen by a camera: all of it, or nothing.

    Begin with :meth:`start`, hand over every frame, and end with :meth:`finish`, which does not wait.

    Args:
        nodes_um: (n, 2) path. on_saved: hears this, the trial or None, and what went wrong, from the thread, once all
            is written or nothing will be.

    Attributes:
        folder: made now. results: what the trial measured, once it is saved.

    Raises:
        InputError: the folder cannot be made.
    """

    def __init__(
        self,
        out: Path,
        nodes_um: np.ndarray,
        frame_rate_hz: float,
        on_saved: Callable[["Recorder", Trial | None, str], None],
    ):
        self.folder = new_folder(out)
        self.results: dict[str, Any] | None = None
        self._nodes_um, self._rate, self._on_saved = nodes_um, frame_rate_hz, on_saved
        self._queue: queue.SimpleQueue[tuple | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(WAITING)
        self._failure = ""
        self._ended: tuple[Recording, dict[str, Any]] | None = None
        self._begun_s, self._looked = time.perf_counter(), 0
        self._thread = threading.Thread(target=self._run, name="panel-recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def busy(self) -> bool:
        return self._thread.is_alive()

    def see(self, frame: Frame, seen: Observation, controller: Controller) -> None:
        """One frame for the video, with what the controller thought of it.

        Raises:
            RigError: the disk is full or hangs, or the video cannot be written: a run that cannot be saved must not
                go on.
        """
        if self._failure:
            raise RigError(self._failure)
        if self._looked % LOOK_EVERY == 0:
            files.check_room(self.folder)
        self._looked += 1
        width = getattr(controller, "width_um", None)
        then = SimpleNamespace(mode=controller.mode, goal_index=controller.goal_index, width_um=width)
        if not self._room.acquire(timeout=WAITS_S):
            raise RigError(f"the video is not written in time: look at the disk of {self.folder}")
        self._queue.put((frame, seen, then))

    def finish(self, recorded: Recording, config: dict[str, Any]) -> None:
        """That was all: write the files. Without a single row nothing is kept."""
        self._ended = recorded, config
        self._queue.put(None)

    def wait(self) -> None:
        """Until all is written."""
        self._thread.join()

    def _run(self) -> None:
        trial, failure = None, "stopped before the first frame: nothing is recorded"
        try:
            self._film()
            if self._ended is not None and self._ended[0].rows:
                recorded, config = self._ended
                trial = Trial.measure(0, recorded, self._nodes_um)
                wall_s = time.perf_counter() - self._begun_s
                recording.save(self.folder, config, self._nodes_um, [trial], wall_s)
        except Exception as error:
            trial, failure = None, f"{self.folder.name} is not saved: {error}"
            if not isinstance(error, InputError | RigError):
                traceback.print_exc(file=sys.stderr)
        if trial is None:
            with contextlib.suppress(OSError):
                (self.folder / VIDEO).unlink(missing_ok=True)
                self.folder.rmdir()  # only if nothing is in it
        else:
            self.results = trial.summary()
        self._on_saved(self, trial, self._failure if trial else failure)

    def _film(self) -> None:
        """Frames into the video until the end; after a failure they are taken and dropped, so that nobody waits."""
        item = self._queue.get()
        if item is None:
            return
        try:
            with files.whole(self.folder / VIDEO) as place, leavings.held(place):
                video = Video(place, self._nodes_um, self._rate)
                try:
                    while item is not None:
                        video(*item)
                        self._room.release()
                        item = self._queue.get()
                finally:
                    video.close()
        except Exception as error:
            self._failure = f"no video: {error}"
            if not isinstance(error, InputError | OSError):
                traceback.print_exc(file=sys.stderr)
            while item is not None:
                self._room.release()
                item = self._queue.get()
