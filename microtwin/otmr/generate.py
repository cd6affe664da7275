"""The data set generator: draw every sequence of a plan that is not drawn yet, then write labels, table and manifest.

Where the sequences are drawn is a parameter, ``run``: in this process, in worker processes
(:func:`microtwin.otmr.workers.in_processes`) or on a cluster (:mod:`microtwin.otmr.cluster`). The bytes are the same.
"""

import contextlib
import copy
import functools
import hashlib
import importlib.metadata
import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import microtwin
from microtwin.errors import InputError
from microtwin.otmr.plan import ROBOTS, Plan, Sequence
from microtwin.otmr.store import SETTINGS, Store
from microtwin.robots import catalogue

Record = dict[str, Any]


class Drawn(NamedTuple):
    """One drawn sequence.

    Attributes:
        images: (n, 256, 256) uint8.
        depths_um: (n,).
        places_um: (n, 2) x, y of the body's origin from the middle of each image.
        row: the parameters drawn for it, by name.
        jpeg_quality: 1 to 100.
    """

    images: np.ndarray
    depths_um: np.ndarray
    places_um: np.ndarray
    row: dict[str, Any]
    jpeg_quality: int


Draw = Callable[[Sequence, Any, list[np.random.Generator]], Drawn]


def draw(sequence: Sequence, randomise: Any, streams: list[np.random.Generator]) -> Drawn:
    """Draw one sequence with the optics; ``streams`` as :meth:`Sequence.streams` gives them.

    Raises:
        InputError: parameters that cannot be rendered.
    """
    from microtwin.otmr import depth
    from microtwin.otmr.render import depth_limits_um, middle_um, orientation, places_um, render_sequence
    from microtwin.robots.catalogue import robot

    body = robot(sequence.robot)
    drawn = randomise.draw(streams[1])
    turn = orientation(sequence.pose, drawn)
    limits = depth_limits_um(body.mesh, turn, drawn, body.depth_range_um)  # of the body's height, as OTMR's are
    depths_um = sum(limits) / 2 + getattr(depth, sequence.trajectory)(sequence.images, body.depth_range_um, streams[0])
    aside = middle_um(body.mesh, turn)
    origin = (-aside[0], -aside[1])  # OTMR's crops have the outline in their middle, not the body's origin
    same = copy.deepcopy(streams[2])  # places are its first numbers
    places = places_um(sequence.images, drawn, same, origin_um=origin)
    images = render_sequence(body.mesh, sequence.pose, depths_um, drawn, streams[2], origin_um=origin)
    return Drawn(images, depths_um, places, drawn.row(), drawn.jpeg_quality)


@dataclass(frozen=True)
class Job:
    """What a worker, here or elsewhere, needs to know to make one sequence."""

    folder: str
    sequence: Sequence
    seed: int
    randomise: Any
    draw: Draw
    versions: dict[str, str]
    robots: tuple[int, ...]  # of the plan, whose shapes are in the versions


# Runs a function on each job, anywhere, and gives the results as they come.
Run = Callable[[Callable[[Any], Any], Iterable[Any]], Generator[Any, None, None]]


def make(job: Job) -> Record:
    """Draw a sequence and put its images in their places: what a worker does. Returns the record to commit.

    Raises:
        InputError: a file that cannot be written, a folder that is not there, or other versions than the generator's.
    """
    import cv2

    cv2.setNumThreads(1)  # whoever starts the workers: there is one for every core
    for name, version in versions(job.robots).items():
        if version != job.versions[name]:
            raise InputError(f"a worker has {name} {version}, not {job.versions[name]}: install the same there")
    store = Store(job.folder)
    if not (store.folder / SETTINGS).is_file():
        raise InputError(f"a worker does not see {store.folder}: give --out a folder that all machines share")
    sequence = job.sequence
    folder = sequence.folder.as_posix()
    drawn = job.draw(sequence, job.randomise, sequence.streams(job.seed))
    files = []
    for frame, image in enumerate(drawn.images):
        name = f"{folder}/{sequence.image_name(frame)}"
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, drawn.jpeg_quality])[1].tobytes()
        store.write(name, data)
        files.append([name, hashlib.sha256(data).hexdigest()])
    return {
        "key": sequence.key,
        "files": files,
        "depths_um": np.asarray(drawn.depths_um, dtype=float).tolist(),
        "places_um": np.asarray(drawn.places_um, dtype=float).tolist(),
        "row": drawn.row,
    }


def here(work: Callable[[Job], Record], jobs: Iterable[Job]) -> Generator[Record, None, None]:
    """Run jobs one after the other in this process."""
    yield from map(work, jobs)


def generate(
    plan: Plan,
    folder: str | os.PathLike[str],
    *,
    run: Run = here,
    draw: Draw = draw,
    report: Callable[[int], None] = lambda images: None,
) -> bool:
    """Make a data set, or what is missing of it.

    Args:
        plan: its settings.
        folder: where; made if need be.
        run: where the sequences are drawn.
        draw: draws one; a function that other processes can import.
        report: called with the number of images in their places: once at the start, and after every sequence.

    Returns:
        False when it was complete already.

    Raises:
        InputError: a folder that cannot be used (:meth:`Store.opened`) or written to, or workers that fail.
    """
    from microtwin.otmr.assemble import assemble

    store = Store(folder)
    items = plan.items()
    found = versions(plan.robots)
    with store.opened(plan.config(), found):
        if store.complete:
            report(sum(item.images for item in items))
            return False
        done = store.done()
        count = sum(item.images for item in items if item.key in done)
        report(count)
        jobs = (
            Job(str(store.folder), item, plan.seed, plan.randomise, draw, found, plan.robots)
            for item in items
            if item.key not in done
        )
        with contextlib.closing(run(make, jobs)) as records:  # closed at once when something fails: workers end
            for record in records:
                store.commit(record)
                count += len(record["files"])
                report(count)
        assemble(store, plan)
    return True


def versions(robots: Iterable[int] = ROBOTS) -> dict[str, str]:
    """What the bytes of a data set of these robots depend on, beside its settings.

    Raises:
        InputError: an unknown robot, or one whose mesh cannot be read.
    """
    return dict(_versions(tuple(robots)))


@functools.lru_cache
def _versions(robots: tuple[int, ...]) -> dict[str, str]:
    import cv2

    packages = ("numpy", "scipy", "numba", "pandas", "pyarrow")
    found = {name: importlib.metadata.version(name) for name in packages}
    shapes = hashlib.sha256()
    for body in map(catalogue.robot, robots):
        # where its images go, how far the stage moves, and which poses are one class
        facts = (body.number, body.folder, body.depth_range_um, body.isotropic, body.symmetries)
        shapes.update(repr(facts).encode())
        try:
            shapes.update(body.mesh_path.read_bytes())
        except OSError as error:
            raise InputError(
                f"cannot read {body.mesh_path} ({error.strerror or error}): install microtwin again"
            ) from None
    return {"microtwin": microtwin.__version__, **found, "opencv": cv2.__version__, "shapes": shapes.hexdigest()[:16]}
