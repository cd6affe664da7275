"""The fitted numbers the twin ships, each with its spread and where it comes from.

``calibration.toml`` is written by ``experiments/calibrate_twin.py``; nothing in it is typed by hand.
"""

import tomllib
from functools import lru_cache
from importlib.resources import files

from microtwin.field import CoilScale


@lru_cache(maxsize=1)
def tables() -> dict[str, dict[str, dict]]:
    """{section: {name: {value, spread, source}}} as in the file."""
    return tomllib.loads(files("microtwin.robots").joinpath("calibration.toml").read_text(encoding="utf-8"))


def fitted(section: str, name: str) -> float:
    """One fitted value, in the unit its name ends with."""
    return float(tables()[section][name]["value"])


def lab_coils() -> CoilScale:
    """The pushing paper's coils as the calibration tracks show them: 3, 5, 13 mT, a dead band and a low-pass."""
    return CoilScale(dead_band=fitted("coils", "dead_band"), cutoff_hz=fitted("coils", "cutoff_hz"))
