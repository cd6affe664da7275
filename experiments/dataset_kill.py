"""A data set whose generator is killed at random moments, resumed each time, beside one that was left alone.

Usage: ``python experiments/dataset_kill.py [--quick] [--kills 10] [--workers 2] [--seed 0]``. The real command draws 40
poses of robot 3 and the depths of robot 17 with the optics. It is killed with SIGKILL, by turns with all its workers
and alone, and started again at once, from the beginning whenever it is complete before its next kill. The two trees
must be the same to the byte.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import tyro

from microtwin import files
from microtwin.errors import InputError, exit_code

COMMAND = [sys.executable, "-c", "import sys; from microtwin.cli import main; sys.exit(main())"]


def tree(folder: Path) -> dict[str, str]:
    """Checksum of every file by name, hidden ones too."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def images(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("*.jpg"))


def start(command: list[str]) -> subprocess.Popen:
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finish(command: list[str]) -> float:
    """Seconds the command takes to its end."""
    begun = time.monotonic()
    if start(command).wait():
        raise InputError(f"the command failed: run {' '.join(command[3:])} by itself, it says why")
    return time.monotonic() - begun


def main(
    quick: bool = False, kills: int = 10, workers: int = 2, seed: int = 0, out: Path = Path("runs/dataset_kill")
) -> int:
    """Kill the generator at random moments, resume it, and compare.

    Args:
        quick: a tenth of the images.
        kills: how often.
        workers: processes that draw.
        seed: of the moments and of the data set.
        out: folder for both data sets; what is in its ``whole`` and ``killed`` is deleted.
    """
    if kills < 1 or workers < 1 or seed < 0:
        raise InputError(f"kills {kills}, workers {workers}, seed {seed}: give 1 or more, 1 or more, 0 or more")
    files.open_folder(out)
    whole, killed = out / "whole", out / "killed"
    command = [*COMMAND, "dataset", "--task", "both", "--robots", "3", "17", "--seed", str(seed)]
    command += ["--workers", str(workers), "--images-per-sequence", "2" if quick else "20", "--sequences", "2", "--out"]
    for folder in (whole, killed):
        shutil.rmtree(folder, ignore_errors=True)
    takes_s = finish([*command, str(whole)])
    total = images(whole)
    print(f"left alone: {total:,} images in {takes_s:.1f} s with {workers} workers")
    chance = random.Random(seed)
    for number in range(1, kills + 1):
        alone = number % 2 == 0
        while True:
            process = start([*command, str(killed)])
            time.sleep(chance.uniform(0.05, 0.5) * takes_s)
            if process.poll() is None:
                break
            if tree(killed) != tree(whole):
                print(f"complete before kill {number}, and not the same   (MISS)")
                return 1
            shutil.rmtree(killed)  # complete, and the same: from the beginning again
        (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
        print(f"  kill {number:2} ({'the command alone' if alone else 'all its processes'}): {images(killed):,} images")
    finish([*command, str(killed)])
    verified = subprocess.run([*COMMAND, "dataset", "verify", str(killed)], capture_output=True, text=True)
    print(verified.stdout.strip())
    same = tree(whole) == tree(killed)
    print(
        f"after {kills} kills, {images(killed):,} images: the same files to the byte   ({'pass' if same else 'MISS'})"
    )
    return 0 if same and verified.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(exit_code("dataset_kill", lambda: tyro.cli(main)))
