"""Trials as episodes of a Minari dataset, nothing lost: what was recorded is what is loaded.

====================== ===================================================================================== =========
per frame (n + 1)      meaning                                                                               unit
====================== ===================================================================================== =========
observations: time_s   (1,) when the frame was taken                                                         s
… robot_um, object_um  (2,) where the observer saw them                                                      µm
… image                (rows, columns) uint8 of the camera, if the run has one
infos: mode            the controller's
… frame, goal_index    number of the frame, index of the node aimed at
… field                (4,) applied from this frame on; the last one belongs to no step                     as below
====================== ===================================================================================== =========

====================== ===================================================================================== =========
per step (n)           meaning                                                                               unit
====================== ===================================================================================== =========
actions                (4,) α (rad), γ (rad), frequency (Hz), amplitude (1)                                  as said
rewards                arc length of path gained                                                             µm
terminations           the end was reached
truncations            it was not: time, lost, stopped
====================== ===================================================================================== =========
"""

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from microtwin.control.path_frame import arc_lengths, project
from microtwin.errors import InputError
from microtwin.recording import Trial
from microtwin.rig import Controller, Frame, Observation

FIELD = ["alpha_rad", "gamma_rad", "frequency_hz", "amplitude"]
ROOT = "MINARI_DATASETS_PATH"


class Episodes:
    """Collects a run's trials, then puts the dataset in its place: whole or not at all.

    Use it as a context manager; give it every frame by :meth:`see`, every trial by :meth:`add`, and :meth:`save`.

    Args:
        name: of the dataset, as Minari wants it: ``push/corridor-v0``. nodes_um: (n, 2) path.
        seed: of the run. algorithm, description: kept with it.

    Raises:
        InputError: Minari is not installed, a name that it does not take, or one that is taken.
    """

    def __init__(self, name: str, nodes_um: np.ndarray, *, seed: int, algorithm: str, description: str):
        if find_spec("minari") is None or find_spec("h5py") is None:
            raise InputError("recording episodes needs minari: pip install 'microtwin[learn]'")
        from minari.dataset.minari_dataset import parse_dataset_id
        from minari.storage import get_dataset_path

        try:
            self._namespace = parse_dataset_id(name)[0]
        except (ValueError, TypeError):
            raise InputError(f"dataset name is {name!r}: give one with a version, such as push/corridor-v0") from None
        self._place = get_dataset_path(name)
        if self._place.exists():
            raise InputError(f"dataset {name} is there already: give another name, or minari delete {name} first")
        self.name, self._nodes_um, self._arc = name, np.asarray(nodes_um, dtype=float), arc_lengths(nodes_um)
        self._seed, self._algorithm, self._description = seed, algorithm, description
        self._images: list[np.ndarray] = []
        self._storage: Any = None

    def __enter__(self) -> "Episodes":
        root = self._place.parents[self.name.count("/")]
        self._root = Path(tempfile.mkdtemp(prefix=".episodes-", dir=root))
        return self

    def __exit__(self, *exception) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def see(self, frame: Frame, seen: Observation, controller: Controller) -> None:
        """Keep the frame's image until its trial ends."""
        if frame.image is not None:
            self._images.append(frame.image)

    def add(self, trial: Trial) -> None:
        """Write a trial; one of a single frame has no step and is left out."""
        images, self._images = self._images, []
        table = trial.table
        if len(table) < 2:
            return
        from minari.data_collector import EpisodeBuffer

        xy = table[["object_x_um", "object_y_um"]].to_numpy()
        steps = len(table) - 1
        field = table[FIELD].to_numpy()
        observations = {
            "time_s": table[["time_s"]].to_numpy(),
            "robot_um": table[["robot_x_um", "robot_y_um"]].to_numpy(),
            "object_um": xy,
        }
        if images:
            observations["image"] = np.stack(images[: len(table)])
        ended = np.arange(1, steps + 1) == steps
        buffer = EpisodeBuffer(
            seed=self._seed,
            options={"trial": trial.number},
            observations=observations,
            actions=field[:-1],  # type: ignore[arg-type]
            rewards=self._progress(xy),  # type: ignore[arg-type]
            terminations=ended & trial.success,  # type: ignore[arg-type]
            truncations=ended & (not trial.success),  # type: ignore[arg-type]
            infos={
                "mode": table["mode"].tolist(),
                "frame": table["frame"].to_numpy(),
                "goal_index": table["goal_index"].to_numpy(),
                "field": field,
            },
        )
        if self._storage is None:
            self._storage = self._create(buffer)
        else:
            self._storage.update_episodes([buffer])

    def save(self) -> int:
        """Move the dataset to its place; how many episodes it has. Without any there is none."""
        if self._storage is None:
            return 0
        from minari.namespace import create_namespace, list_local_namespaces

        count = int(self._storage.total_episodes)
        if self._namespace is not None and self._namespace not in list_local_namespaces():
            create_namespace(self._namespace)
        self._place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._root / self.name, self._place)
        return count

    def _progress(self, xy: np.ndarray) -> np.ndarray:
        """(n,) arc length gained from frame to frame, µm."""
        s, along = 0.0, []
        for x, y in xy:
            s, _ = project(self._nodes_um, self._arc, s, x, y)
            along.append(s)
        return np.diff(along)

    def _create(self, first: Any) -> Any:
        import minari
        from gymnasium.spaces import Box, Dict

        def anything(size: int) -> Box:
            return Box(-np.inf, np.inf, (size,), np.float64)

        spaces: dict[str, Any] = {"time_s": anything(1), "robot_um": anything(2), "object_um": anything(2)}
        if "image" in first.observations:
            spaces["image"] = Box(0, 255, first.observations["image"].shape[1:], np.uint8)
        limits = np.array([[-np.pi, 0.0, 0.0, 0.0], [np.pi, np.pi, np.inf, 1.0]])
        with _datasets_in(self._root), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Minari's, of metadata that a run has not
            dataset = minari.create_dataset_from_buffers(
                dataset_id=self.name,
                buffer=[first],
                observation_space=Dict(spaces),
                action_space=Box(limits[0], limits[1], dtype=np.float64),
                algorithm_name=self._algorithm,
                description=self._description,
                jpeg_encoding=False,
            )
        return dataset.storage


@contextlib.contextmanager
def _datasets_in(root: Path) -> Iterator[None]:
    """Minari takes the folder of its datasets from the environment alone."""
    before = os.environ.get(ROOT)
    os.environ[ROOT] = str(root)
    try:
        yield
    finally:
        if before is None:
            del os.environ[ROOT]
        else:
            os.environ[ROOT] = before
