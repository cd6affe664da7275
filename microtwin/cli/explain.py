"""``microtwin explain``: pictures of where a network looks."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

SHEET = "sheet.png"


def explain(
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES...")],
    checkpoint: Path,
    out: Path,
    part: Literal["pose", "depth"] | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    unreadable: Literal["refuse", "skip"] = "refuse",
) -> int:
    """Draw Grad-CAM heat maps: what in each image spoke for what the network read from it.

    Writes into --out a PNG for each image, the crop beside its heat map (red: important, blue: ignored), and sheet.png
    with the first 48 of them and what was read.

    Args:
        images: crops of 256 × 256 pixels, or frames of 488 × 678 with one robot.
        checkpoint: checkpoint.pt of microtwin train, or best.pt of microtwin search.
        out: folder for the pictures.
        part: explain the pose (pitch and roll together) or the depth; by default the pose, if the network reads it.
        device: where the network runs.
        unreadable: refuse images that cannot be read, or skip them and say how many.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from microtwin import files
    from microtwin.errors import InputError
    from microtwin.perception import extra

    if not images:
        raise InputError("no images: give one or more, as crop.png or folder/*.jpg")
    extra.require("pytorch_grad_cam")
    from microtwin.perception.estimator import Estimator
    from microtwin.perception.explain import BATCH, heat_maps, part_of
    from microtwin.perception.explain_picture import MOST, captions, write_pair, write_sheet

    console = Console(highlight=False, soft_wrap=True)
    estimator = Estimator.load(checkpoint, device=device)
    part_of(estimator.task, part)
    crops, kept, skipped = _read(images, unreadable == "skip")
    names = _names(kept)
    if taken := {path.resolve() for path in images} & {
        (out / f"{name}.png").resolve() for name in [*names, Path(SHEET).stem]
    }:
        raise InputError(f"{min(taken)} would be written over: give another --out")
    folder = files.open_folder(out)
    sheet, said = [], []
    columns = ("drawing", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(kept))
        for start in range(0, len(kept), BATCH):
            some, chosen = crops[start : start + BATCH], names[start : start + BATCH]
            heat, estimates = heat_maps(estimator, some, part)
            for name, crop, warm in zip(chosen, some, heat, strict=True):
                write_pair(folder / f"{name}.png", crop, warm)
            if start < MOST:
                sheet.append(heat)
                said += captions(chosen, estimates)
            progress.update(bar, completed=start + len(some))
    import numpy as np

    shown = write_sheet(folder / SHEET, crops, np.concatenate(sheet), said)
    if skipped:
        console.print(f"left out {len(skipped)} of {len(images)} images, the first: {skipped[0]}")
    more = f" (the first {shown})" if shown < len(kept) else ""
    console.print(f"wrote {len(kept)} pictures and {SHEET}{more} to {folder}")
    return 0


def _read(paths: tuple[Path, ...], skip: bool):
    """(n, 256, 256) uint8 crops, their paths, and what is wrong with the others."""
    import numpy as np

    from microtwin.errors import InputError
    from microtwin.otmr.framing import CROP
    from microtwin.perception.image_file import read_image
    from microtwin.perception.prepare import prepare
    from microtwin.rig import LostError

    crops, kept, wrong = [], [], []
    for path in paths:
        try:
            crops.append(prepare(read_image(path)[None], CROP[0])[0])
            kept.append(path)
        except (InputError, LostError) as error:
            text = str(error)
            wrong.append(text if str(path) in text else f"{path}: {text}")
            if not skip:
                raise InputError(f"{wrong[-1]} (--unreadable skip leaves it out)") from None
    if not crops:
        raise InputError(f"none of {len(paths)} images can be read, the first: {wrong[0]}")
    return np.array(crops), kept, wrong


def _names(paths: list[Path]) -> list[str]:
    """A name for each picture: the image's own, with its folder's, or a number, where that is not enough."""
    for of in (lambda path: path.stem, lambda path: f"{path.absolute().parent.name}_{path.stem}"):
        names = [of(path) for path in paths]
        if len(set(names) | {Path(SHEET).stem}) == len(paths) + 1:
            return names
    return [f"{number:04d}_{path.stem}" for number, path in enumerate(paths, 1)]
