"""A complete data set in other formats, in folders beside its own; images are hard links, not copies.

``huggingface`` is an imagefolder: ``load_dataset("imagefolder", data_dir="DIR/huggingface")`` gives images with every
column of the table (https://huggingface.co/docs/datasets/image_dataset). There is one split, train: split by column
``sequence`` within a robot, for neighbours in a video are alike. ``bop`` is :mod:`microtwin.otmr.bop`.
"""

import os
import shutil
from pathlib import Path
from typing import Any, Literal

from microtwin.errors import InputError
from microtwin.otmr.assemble import TABLE
from microtwin.otmr.store import SETTINGS, Store, read_settings

Format = Literal["huggingface", "bop"]


def export(folder: str | os.PathLike[str], name: Format) -> bool:
    """Write one format of a complete data set; False when it is there already. It is there whole or not at all.

    Raises:
        InputError: no data set or not a complete one; an image that is missing; another command is at work in the
            folder; the file system refuses; for ``bop``, whose models and masks are today's, other versions or shapes
            than the images were drawn with.
    """
    from microtwin.otmr import bop

    store = Store(folder)
    settings = read_settings(store.folder)
    if not store.complete:
        raise InputError(f"{store.folder} is not complete: run the command that began it again, then export it")
    target = store.folder / name
    if target.exists():
        return False
    if name == "bop":
        _check_versions(store.folder, settings)
    staging = store.parts / name
    with store.locked():
        try:
            if target.exists():  # written while this command began
                return False
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            {"huggingface": _imagefolder, "bop": bop.write}[name](store.folder, staging)
            os.replace(staging, target)
        except OSError as error:
            raise InputError(
                f"cannot write {target} ({error.strerror or error}): free space or allow writing there"
            ) from None
        finally:
            shutil.rmtree(store.parts, ignore_errors=True)
    return True


def _check_versions(folder: Path, settings: dict[str, Any]) -> None:
    from microtwin.otmr.generate import versions

    drawn_with, robots = settings["versions"], settings["config"].get("robots")
    if not (isinstance(robots, list) and all(isinstance(number, int) for number in robots)):
        raise InputError(f"{folder / SETTINGS} names no robots: restore it")
    today = versions(robots)
    if key := next((key for key in today if drawn_with.get(key) != today[key]), None):
        raise InputError(
            f"{folder} was drawn with {key} {drawn_with.get(key)}, this is {today[key]}, and BOP's models and masks "
            "may not fit its images: install that, or make the data set again"
        )


def link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _imagefolder(root: Path, out: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(root / TABLE)
    split = out / "train"
    for parent in sorted({name.rpartition("/")[0] for name in table.path}):
        (split / parent).mkdir(parents=True)
    for name in table.path:
        link(root / name, split / name)
    table.rename(columns={"path": "file_name"}).to_csv(split / "metadata.csv", index=False)
