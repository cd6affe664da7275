"""``microtwin predict``: pose and depth of the robot in each image."""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def predict(
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES...")],
    checkpoint: Path,
    turns: Literal[1, 2, 4] = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    unreadable: Literal["refuse", "skip"] = "refuse",
) -> int:
    """Read pose and depth from images; one line of JSON for each.

    The keys are file and, as the checkpoint knows them, pitch, roll (degrees), pitch_sd_deg, roll_sd_deg,
    pitch_probability, roll_probability, depth_um, depth_sd_um, depth_low_um and depth_high_um (90 % interval).

    Args:
        images: crops of 256 × 256 pixels, or full frames of the camera.
        checkpoint: of microtwin train, or the name of one that comes with the package: depth_all, robot_03_zero_shot or
            robot_03_few_shot.
        turns: average over each image in 1, 2 or 4 turns in the plane.
        device: for the network.
        unreadable: refuse when an image cannot be read, or leave it out.
    """
    from microtwin.perception import extra

    extra.require()
    import json
    import sys

    from microtwin.errors import InputError
    from microtwin.perception.estimator import Estimator
    from microtwin.perception.image_file import read_image
    from microtwin.perception.prepare import prepare
    from microtwin.rig import LostError

    if not images:
        raise InputError("no images: give one or more files")
    estimator = Estimator.load(checkpoint, device, turns)
    prepared, left_out = [], []
    for path in images:
        try:
            prepared.append((path, prepare(read_image(path)[None], estimator.size)[0]))
        except (InputError, LostError) as error:
            text = str(error) if str(path) in str(error) else f"{path}: {error}"
            if unreadable == "refuse":
                raise InputError(f"{text} (--unreadable skip leaves it out)") from None
            left_out.append(text)
    if left_out:
        more = f", the first: {left_out[0]}"
        print(f"microtwin: left out {len(left_out)} of {len(images)} images{more}", file=sys.stderr)
    for path, image in prepared:
        print(json.dumps({"file": str(path), **estimator.prepared(image[None]).row(0)}))
    return 0
