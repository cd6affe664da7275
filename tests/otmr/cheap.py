"""A stand-in for the optics that other processes can import: small noisy images in no time.

Usage: ``python tests/otmr/cheap.py FOLDER WORKERS SEED``: a data set of robot 3's poses drawn with it.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from microtwin.errors import exit_code
from microtwin.otmr.generate import Drawn, generate
from microtwin.otmr.plan import Plan

PAUSE = "CHEAP_PAUSE_S"  # environment: seconds a sequence takes
HOLD = "CHEAP_HOLD"  # environment: from this sequence on, counted from 0, none is ever drawn: a run that does not end
DEATH = "CHEAP_DEATH"  # environment: the key of a sequence whose worker dies


def draw(sequence, randomise, streams) -> Drawn:
    if os.environ.get(DEATH) == sequence.key:
        os._exit(9)
    if HOLD in os.environ and KEYS.index(sequence.key) >= int(os.environ[HOLD]):
        time.sleep(3600)
    time.sleep(float(os.environ.get(PAUSE, "0")))
    depths_um = streams[0].uniform(-5, 5, sequence.images)
    drawn = randomise.draw(streams[1])
    images = streams[2].integers(0, 256, (sequence.images, 48, 48), dtype=np.uint8)
    return Drawn(images, depths_um, np.zeros((sequence.images, 2)), drawn.row(), drawn.jpeg_quality)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by name, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


PLAN = Plan("both", robots=(3, 8), images_per_sequence=3, sequences=2, seed=7)
KEYS = [item.key for item in PLAN.items()]


def main(folder: str, workers: str, seed: str) -> int:
    import cheap  # under its own name, or the workers could not import what it draws with

    from microtwin.otmr.workers import in_processes

    plan = Plan("both", robots=(3, 8), images_per_sequence=3, sequences=2, seed=int(seed))
    generate(plan, folder, run=in_processes(int(workers)), draw=cheap.draw)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code("cheap", lambda: main(*sys.argv[1:]), stopped="stopped; the same command goes on"))
