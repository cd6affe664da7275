"""A data set in the format of the BOP benchmark for 6D object poses, in which every sequence is a scene.

    bop/camera.json                          bop/models/obj_000003.ply, models_info.json
    bop/train/000000/gray/000000.jpg         scene_camera.json, scene_gt.json, scene_gt_info.json, mask/, mask_visib/

Lengths are in mm, as everywhere in BOP: a robot is 0.01 across. BOP's camera is a pinhole; a microscope shows the same
size at every height. The pinhole here is ``DISTANCE_MM`` from the plane in focus, on the lamp's side, so far away that
nowhere in a robot does a pixel's scale change by more than 0.1 %, and its focal length gives 0.055 µm per pixel there.
Camera axes are OpenCV's: x right, y down, z along the light. Masks are of the catalogue's shape at the true pose,
without a print's errors. Format: https://github.com/thodan/bop_toolkit/blob/master/docs/bop_datasets_format.md
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from microtwin.otmr.pose import Pose
from microtwin.otmr.randomisation import Draw

DISTANCE_MM = 10.0
_MM = 1e-3  # per µm
_AXES = np.diag([1.0, -1.0, -1.0])  # from the world's axes to the camera's


def intrinsics(shape: tuple[int, int]) -> list[float]:
    """The camera matrix K, row by row; whole numbers are pixel centres."""
    from microtwin.otmr.render import PIXEL_UM

    focal = DISTANCE_MM / (_MM * PIXEL_UM)
    return [focal, 0.0, (shape[1] - 1) / 2, 0.0, focal, (shape[0] - 1) / 2, 0.0, 0.0, 1.0]


def pose_in_camera(row: Any) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) rotation and (3,) translation in mm, from the robot's frame to the camera's, of a row of the table."""
    from microtwin.otmr.depth import focus_um
    from microtwin.otmr.render import microscope, orientation

    draw = Draw(**{field.name: getattr(row, field.name) for field in fields(Draw)})
    turn = orientation(Pose(int(row.pitch_deg), int(row.roll_deg)), draw)
    height = -focus_um(row.depth_um, 0.0, microscope(draw, 1.0))  # of the robot's origin over the plane in focus
    place = _AXES @ np.array([row.x_um, row.y_um, height])
    return _AXES @ turn, _MM * place + [0.0, 0.0, DISTANCE_MM]


def write(root: Path, out: Path) -> None:
    """Write the format into an empty folder.

    Raises:
        OSError: the file system refuses.
    """
    import pandas as pd

    from microtwin.otmr.assemble import TABLE
    from microtwin.otmr.export import link
    from microtwin.otmr.render import CROP
    from microtwin.robots.catalogue import robot

    table = pd.read_parquet(root / TABLE)
    camera = intrinsics(CROP)
    whole = {"cx": camera[2], "cy": camera[5], "fx": camera[0], "fy": camera[4], "width": CROP[1], "height": CROP[0]}
    _save(out / "camera.json", {**whole, "depth_scale": 1.0})
    _write_models(out / "models", sorted(set(table.robot)))
    for scene, (_, frames) in enumerate(table.groupby(["task", "robot", "sequence"], sort=False)):
        folder = out / "train" / f"{scene:06d}"
        for name in ("gray", "mask", "mask_visib"):
            (folder / name).mkdir(parents=True)
        cameras, truths, infos = {}, {}, {}
        rows: Any = frames.itertuples()
        for number, row in enumerate(rows):
            link(root / str(row.path), folder / "gray" / f"{number:06d}.jpg")
            turn, place = pose_in_camera(row)
            mask = mask_of(robot(int(row.robot)).mesh, row, turn, CROP)
            _write_mask(folder / "mask" / f"{number:06d}_000000.png", mask)
            link(folder / "mask" / f"{number:06d}_000000.png", folder / "mask_visib" / f"{number:06d}_000000.png")
            cameras[str(number)] = {"cam_K": camera, "depth_scale": 1.0}
            truth = {"cam_R_m2c": turn.ravel().tolist(), "cam_t_m2c": place.tolist(), "obj_id": int(row.robot)}
            truths[str(number)] = [truth]
            infos[str(number)] = [_info(mask)]
        _save(folder / "scene_camera.json", cameras)
        _save(folder / "scene_gt.json", truths)
        _save(folder / "scene_gt_info.json", infos)


def mask_of(mesh: Any, row: Any, turn: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(rows, columns) bool: where a closed mesh, in µm, is seen; ``turn`` and ``row`` as for pose_in_camera."""
    from microtwin.otmr.render import PIXEL_UM, silhouette

    in_world = _AXES @ turn
    moved = np.asarray(mesh[0]) + np.array([row.x_um, row.y_um, 0.0]) @ in_world
    return silhouette((moved, mesh[1]), in_world, shape, PIXEL_UM)


def _write_models(folder: Path, numbers: list[int]) -> None:
    import trimesh
    from trimesh.exchange.ply import export_ply

    from microtwin.robots.catalogue import robot, rotations

    folder.mkdir()
    infos = {}
    for number in numbers:
        body = robot(number)
        corners = _MM * np.asarray(body.mesh[0])
        mesh = trimesh.Trimesh(corners, body.mesh[1], process=False)
        text = export_ply(mesh, encoding="ascii", vertex_normal=True)
        (folder / f"obj_{number:06d}.ply").write_bytes(text)
        low, high = corners.min(axis=0), corners.max(axis=0)
        info: dict[str, Any] = {"diameter": _diameter(corners)}
        info |= {f"min_{axis}": float(value) for axis, value in zip("xyz", low, strict=True)}
        info |= {f"size_{axis}": float(value) for axis, value in zip("xyz", high - low, strict=True)}
        centre = mesh.center_mass
        if body.isotropic:
            info["symmetries_continuous"] = [{"axis": axis.tolist(), "offset": centre.tolist()} for axis in np.eye(3)]
        elif len(turns := rotations(body)[1:]):
            info["symmetries_discrete"] = [_about(turn, centre) for turn in turns]
        infos[str(number)] = info
    _save(folder / "models_info.json", infos)


def _about(turn: np.ndarray, centre: np.ndarray) -> list[float]:
    """A rotation about a point, as 4 × 4 numbers row by row."""
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = turn, centre - turn @ centre
    return whole.ravel().tolist()


def _diameter(corners: np.ndarray) -> float:
    """Largest distance between two corners."""
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    return float(pdist(corners[ConvexHull(corners).vertices]).max())


def _info(mask: np.ndarray) -> dict[str, Any]:
    count = int(mask.sum())
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = [-1, -1, -1, -1]
    if count:
        box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    box = [int(value) for value in box]
    counts = {"px_count_all": count, "px_count_valid": count, "px_count_visib": count}
    return {"bbox_obj": box, "bbox_visib": box, **counts, "visib_fract": 1.0 if count else 0.0}


def _write_mask(path: Path, mask: np.ndarray) -> None:
    import cv2

    path.write_bytes(cv2.imencode(".png", 255 * mask.astype(np.uint8))[1].tobytes())


def _save(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
