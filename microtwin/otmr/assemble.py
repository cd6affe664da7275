"""The last step of a data set: label files, the table of every label and drawn parameter, and the manifest.

It reads the records of the sequences and can be done again from the start: the same records give the same bytes.
"""

import hashlib
import io
import itertools
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from microtwin.otmr import layout
from microtwin.otmr.plan import Plan, Sequence
from microtwin.otmr.store import SETTINGS, Store
from microtwin.otmr.symmetry import pose_class

TABLE = "metadata.parquet"


def assemble(store: Store, plan: Plan) -> None:
    """Complete a data set all of whose sequences have records.

    Raises:
        InputError: the file system refuses.
    """
    sums: dict[str, str] = {}
    tables = []
    for folder, sequences in itertools.groupby(plan.items(), key=lambda item: item.folder):
        names: list[str] = []
        depths: list[np.ndarray] = []
        labelled = None
        for sequence in sequences:
            record = store.record(sequence.key)
            sums.update(record["files"])
            names += [PurePosixPath(name).name for name, _ in record["files"]]
            if sequence.kind == "depth":
                labelled = layout.depth_file(folder)
                depths.append(np.asarray(record["depths_um"]))
            elif plan.task == "both":
                labelled = layout.scaled_depth_file(folder)
                depths.append(layout.scaled(record["depths_um"]))
            tables.append(_rows(sequence, record, plan.seed))
        if labelled:
            lines = layout.depth_lines if labelled == layout.depth_file(folder) else layout.scaled_depth_lines
            _put(store, sums, labelled.as_posix(), lines(names, np.concatenate(depths)).encode())
    table = io.BytesIO()
    pd.concat(tables, ignore_index=True).to_parquet(table, index=False)
    _put(store, sums, TABLE, table.getvalue())
    sums[SETTINGS] = hashlib.sha256((store.folder / SETTINGS).read_bytes()).hexdigest()
    store.seal("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode())


def _put(store: Store, sums: dict[str, str], name: str, data: bytes) -> None:
    store.write(name, data)
    sums[name] = hashlib.sha256(data).hexdigest()


def _rows(sequence: Sequence, record: dict[str, Any], seed: int) -> pd.DataFrame:
    """One row per image: its labels, then what was drawn for its sequence (:class:`Draw`).

    ``pose_class`` is the first pose on the robot's grid that shows the same view: score poses by it. ``x_um`` and
    ``y_um`` are where the body's origin is, right of and above the image's middle; ``depth_scaled`` runs from 0 to 1
    within a sequence; ``sequence`` is the number in the file name, the same as no other of that robot.
    """
    frames = len(record["files"])
    columns = {
        "path": [name for name, _ in record["files"]],
        "task": sequence.kind,
        "robot": sequence.robot,
        "folder": sequence.robot_folder,
        "pitch_deg": sequence.pose.pitch_deg,
        "roll_deg": sequence.pose.roll_deg,
        "pose_class": pose_class(sequence.robot, sequence.pose).name,
        "depth_um": record["depths_um"],
        "depth_scaled": layout.scaled(record["depths_um"]),
        "x_um": [x for x, _ in record["places_um"]],
        "y_um": [y for _, y in record["places_um"]],
        "sequence": sequence.number,
        "frame": np.arange(frames),
        "trajectory": sequence.trajectory,
        "seed": seed,
    }
    return pd.DataFrame(columns | record["row"], index=range(frames))
