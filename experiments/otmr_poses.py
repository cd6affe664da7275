"""Fig. 5 of the OTMR paper: what pitch and roll do, as the body and as the picture of it.

    python experiments/otmr_poses.py [--robot 3] [--out FILE]

Above: pitch from 0 to 75° with no roll. Below: roll from 0 to 75° at a pitch of 45°. Every pose from above, shaded (x
right, y up, z towards the viewer and the lamp), and as the microscope shows it with the body's origin in focus.
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
import tyro
from build_cad import shade
from matplotlib.figure import Figure

from microtwin import files
from microtwin.errors import exit_code
from microtwin.otmr.framing import CROP, PIXEL_UM
from microtwin.otmr.pose import Pose
from microtwin.otmr.randomisation import plain
from microtwin.otmr.render import middle_um, orientation, render_sequence
from microtwin.robots.catalogue import robot

ANGLES_DEG = (0, 15, 30, 45, 60, 75)
ROLLED_AT_DEG = 45


def main(number: int = 3, out: Path = Path("runs/otmr_poses.png")) -> int:
    """Draw the poses.

    Args:
        number: of the robot.
        out: PNG file.
    """
    body, draw = robot(number), plain(dust=0)
    rows = [[Pose(angle, 0) for angle in ANGLES_DEG], [Pose(ROLLED_AT_DEG, angle) for angle in ANGLES_DEG]]
    files.open_folder(out.parent)
    matplotlib.use("Agg")
    figure = Figure(figsize=(1.7 * len(ANGLES_DEG), 7.2), layout="constrained")
    axes = figure.subplots(4, len(ANGLES_DEG))
    half = PIXEL_UM * CROP[0] / 2
    for line, poses in enumerate(rows):
        for column, pose in enumerate(poses):
            turn = orientation(pose, draw)
            x, y = middle_um(body.mesh, turn)
            vertices = np.asarray(body.mesh[0]) @ turn.T - [x, y, 0.0]
            solid, picture = axes[2 * line, column], axes[2 * line + 1, column]
            shade(solid, vertices[np.asarray(body.mesh[1])])
            image = render_sequence(body.mesh, pose, [0.0], draw, np.random.default_rng(0), origin_um=(-x, -y))[0]
            picture.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(-half, half, -half, half))
            solid.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
            solid.set_title(pose.name, fontsize=9)
            for axis in (solid, picture):
                axis.set_axis_off()
    with files.whole(out) as temporary:
        figure.savefig(temporary, dpi=90, metadata={"Software": None})
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code("otmr_poses", lambda: tyro.cli(main)))
