"""Real crops beside their renderings: how well one fixed geometry per robot explains them, with no network trained.

    python experiments/otmr_realism.py [--crops DIR ...] [--out DIR] [--quick]

Of every crop the lean off its label (up to 20°), the in-plane angle, place and depth are fitted, from fifteen starts,
and one optics for all crops of a robot: index, light, condenser, spherical aberration, the camera's blur. Background
and its slope come from the crop's rim. A crop without a pose in its name counts as P0_R0. Then the crop is drawn once
more by the data set's own renderer, at its quality, and compared:

    correlation   zero-mean normalised, within the robot's outline grown by 1 µm
    SSIM, PSNR    of the whole crop (Wang et al., IEEE Trans. Image Process. 13 (2004) 600; 7 × 7 windows), beside those
                  of a blank crop at the median grey value

Writes crops.csv, optics.csv, and a picture of each robot: real | synthetic | difference.
"""

import math
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scipy.optimize import minimize_scalar

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.image_axes import to_image
from microtwin.otmr.depth import depth_of
from microtwin.otmr.draw import Draw
from microtwin.otmr.fit import Fit, again, fit_shared, fit_turn, follow, mean_score
from microtwin.otmr.framing import CROP, PIXEL_UM, laid
from microtwin.otmr.match import EDGE_PX, Target, correlation, grown
from microtwin.otmr.pose import Pose, about_z
from microtwin.otmr.randomisation import plain
from microtwin.otmr.read import Sample, read
from microtwin.otmr.render import BLUR_TAPS, intensities, leaning, microscope, middle_um, orientation, silhouette
from microtwin.robots.catalogue import cad_folder, robot

CROPS = (Path("../shared/reference/otmr/real"), Path("../shared/reference/otmr/robot_03_labelled"))
# values that fits start from, their steps, and what light, lens and polymer can be (docs/decisions/0010)
OPTICS = {"polymer_index": 1.54, "wavelength_um": 0.30, "condenser_na": 0.12, "spherical_waves": 0.03}
OPTICS_STEPS = {"polymer_index": 0.012, "wavelength_um": 0.02, "condenser_na": 0.025, "spherical_waves": 0.02}
OPTICS_BOUNDS = {
    "polymer_index": (1.45, 1.58),
    "wavelength_um": (0.285, 0.45),
    "condenser_na": (0.03, 0.2),
    "spherical_waves": (-0.15, 0.15),
}
BLUR_BOUNDS_PX = (0.3, 1.5)
TARGETS = {3: 0.80, 17: 0.80}  # mean over a robot's labelled crops, or its frames; single crops below
TARGET = 0.70
GROUP = (0.724, 18.4)  # SSIM, PSNR of the OTMR group's renderings after a GAN trained on real images (ICRA 2026)


@dataclass(frozen=True)
class Drawn:
    """A crop and its rendering before the camera: intensities over the background, and where agreement counts."""

    sample: Sample
    fit: Fit
    draw: Draw
    depth_um: float
    light: np.ndarray
    counted: np.ndarray

    def seen(self, blur_px: float) -> np.ndarray:
        """Intensities with the camera's blur."""
        return cv2.GaussianBlur(self.light, BLUR_TAPS, blur_px) if blur_px > 0 else self.light

    def correlation(self, target: Target, blur_px: float) -> float:
        inside = np.s_[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX]
        shown = np.minimum(self.seen(blur_px), target.ceiling)
        return correlation(shown[inside], target.light[inside], self.counted[inside])


@dataclass(frozen=True)
class Compared:
    """A crop, its rendering and how they agree."""

    real: np.ndarray
    synthetic: np.ndarray
    row: dict[str, float | str]


def start_of(number: int) -> dict[str, float]:
    """The optics that experiments/fit_cad.py found for a robot, or the usual ones."""
    path = cad_folder() / "fit.toml"
    known = tomllib.loads(path.read_text(encoding="utf-8"))["robot"].get(str(number), {}) if path.exists() else {}
    return {name: known[name][0] if name in known else usual for name, usual in OPTICS.items()}


def optics(values: dict[str, float]) -> Draw:
    """The renderer's settings with a robot's fitted optics: no aberration but the spherical one, sharp prints."""
    return plain(spot_um=0.0, interpolation_px=0.0, **{name: values[name] for name in OPTICS})


def pose_of(sample: Sample) -> Pose:
    return sample.pose or Pose()


def turn_of(sample: Sample) -> np.ndarray:
    """(3, 3) what the label says."""
    return leaning(pose_of(sample), 0.0, 0.0)


def rendered(sample: Sample, values: dict[str, float], fit: Fit) -> Drawn:
    """Draw a fitted crop at the data set's quality."""
    body, pose = robot(sample.robot or 0), pose_of(sample)
    lean_x, lean_y = fit.lean_deg
    draw = replace(
        optics(values), lean_x_deg=lean_x, lean_y_deg=lean_y, in_plane_deg=math.degrees(fit.placement.in_plane_rad)
    )
    turn = orientation(pose, draw)
    depth = depth_of(fit.placement.height_um, 0.0, microscope(draw, 0.0))
    pictures, middle = intensities(body.mesh, turn, [depth], draw)
    # the fit turned a finished picture about the middle of the body's outline, which is another point once it is turned
    middle_then = about_z(math.radians(draw.in_plane_deg)) @ [*middle_um(body.mesh, leaning(pose, lean_x, lean_y)), 0.0]
    origin = np.array([fit.placement.x_um, fit.placement.y_um]) - middle_then[:2]
    light = laid(next(pictures), to_image(origin + middle, CROP, PIXEL_UM), CROP)
    shift = turn.T @ np.array([*origin, 0.0])
    outline = silhouette((np.asarray(body.mesh[0]) + shift, body.mesh[1]), turn, CROP, PIXEL_UM)
    return Drawn(sample, fit, draw, depth, light, grown(outline, PIXEL_UM))


def blur_px(drawn: list[Drawn]) -> float:
    """The camera's blur, the same for all crops of a robot, that makes them agree best."""
    targets = [Target.of(one.sample.image()) for one in drawn]

    def loss(blur: float) -> float:
        return -float(np.mean([one.correlation(target, blur) for one, target in zip(drawn, targets, strict=True)]))

    found = minimize_scalar(loss, bounds=BLUR_BOUNDS_PX, method="bounded", options={"xatol": 0.02})
    return float(found.x)  # pyright: ignore[reportAttributeAccessIssue]


def compare(drawn: Drawn, blur: float) -> Compared:
    """Measure."""
    real, sample = drawn.sample.image(), drawn.sample
    target = Target.of(real)
    synthetic = np.clip(np.round(drawn.seen(blur) * target.background_dn), 0, 255).astype(np.uint8)
    blank = np.full_like(real, int(np.median(real)))
    row = {
        "crop": sample.path.stem,
        "robot": sample.robot or 0,
        "pose": pose_of(sample).name,
        "correlation": drawn.correlation(target, blur),
        "ssim": ssim(real, synthetic),
        "psnr_db": psnr_db(real, synthetic),
        "blank_ssim": ssim(real, blank),
        "blank_psnr_db": psnr_db(real, blank),
        "lean_x_deg": drawn.draw.lean_x_deg,
        "lean_y_deg": drawn.draw.lean_y_deg,
        "in_plane_deg": drawn.draw.in_plane_deg,
        "depth_um": drawn.depth_um,
        "depth_label": math.nan if sample.depth is None else sample.depth,
    }
    return Compared(real, synthetic, row)


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity of two uint8 pictures: 7 × 7 windows, K 0.01 and 0.03."""
    a, b = one.astype(float), other.astype(float)
    steady, varied = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = (cv2.blur(x, (7, 7)) for x in (a, b))
    unbiased = 49 / 48
    var_a, var_b, joint = (
        unbiased * (cv2.blur(x * y, (7, 7)) - m * n)
        for x, y, m, n in ((a, a, mean_a, mean_a), (b, b, mean_b, mean_b), (a, b, mean_a, mean_b))
    )
    value = (2 * mean_a * mean_b + steady) * (2 * joint + varied)
    return float((value / ((mean_a**2 + mean_b**2 + steady) * (var_a + var_b + varied)))[3:-3, 3:-3].mean())


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((one.astype(float) - other.astype(float)) ** 2), 1e-9)))


def _pose_job(job: tuple[Sample, dict[str, float], Fit | None]) -> Fit:
    sample, values, near = job
    target, mesh, label = Target.of(sample.image()), robot(sample.robot or 0).mesh, turn_of(sample)
    if near:
        return follow(target, mesh, label, optics(values), near)
    return fit_turn(target, mesh, label, optics(values))


def _optics_job(job: tuple[list[Sample], dict[str, float], list[Fit], int]) -> dict[str, float]:
    """One robot's optics: what raises the mean correlation of its crops, placements following."""
    samples, values, fits, evaluations = job
    targets = [Target.of(sample.image()) for sample in samples]
    mesh = robot(samples[0].robot or 0).mesh

    def score(trial: dict[str, float]) -> float:
        light = optics(trial)
        return mean_score(again(t, mesh, turn_of(s), light, f) for t, s, f in zip(targets, samples, fits, strict=True))

    return fit_shared(score, values, OPTICS_STEPS, OPTICS_BOUNDS, evaluations)


def _draw_job(job: tuple[Sample, dict[str, float], Fit]) -> Drawn:
    return rendered(*job)


def draw_pairs(pairs: list[Compared], path: Path) -> None:
    """real | synthetic | difference (grey where equal), with the correlation."""
    panels = []
    for pair in pairs:
        difference = np.clip(128 + pair.real.astype(int) - pair.synthetic, 0, 255).astype(np.uint8)
        panel = np.hstack([pair.real, pair.synthetic, difference])
        title = np.full((22, panel.shape[1]), 255, np.uint8)
        text = f"{pair.row['crop']}   {pair.row['correlation']:.3f}"
        cv2.putText(title, text, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0,), 1, cv2.LINE_AA)
        panels.append(np.vstack([title, panel]))
    columns = 2 if len(panels) > 1 else 1
    panels += [np.full_like(panels[0], 255)] * (-len(panels) % columns)
    sheet = np.vstack([np.hstack(panels[k : k + columns]) for k in range(0, len(panels), columns)])
    with files.whole(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())


def main(
    crops: tuple[Path, ...] = CROPS,
    out: Path = Path("runs/otmr_realism"),
    robots: tuple[int, ...] = (),
    rounds: int = 2,
    evaluations: int = 40,
    workers: int = 2,
    quick: bool = False,
) -> int:
    """Fit and compare real crops.

    Args:
        crops: folders of crops, named as microtwin.otmr.read takes them (P60_R30_depth0.54.png, robot_08.png).
        out: folder for tables and pictures.
        robots: numbers; all that have crops by default. A single one is also that of crops whose names do not say.
        rounds: of optics, after the first fit of poses.
        evaluations: of the optics in each round.
        workers: processes.
        quick: three crops, one short round.
    """
    samples = [sample for folder in crops for sample in read(folder)]
    if len(robots) == 1:
        samples = [replace(sample, robot=sample.robot or robots[0]) for sample in samples]
    samples = [sample for sample in samples if sample.robot and (not robots or sample.robot in robots)]
    if not samples:
        raise InputError(f"no crops of these robots in {', '.join(map(str, crops))}: give folders that hold some")
    if quick:
        samples, rounds, evaluations = samples[:3], 1, 6
    folder = files.open_folder(out)
    numbers = sorted({sample.robot for sample in samples if sample.robot})
    values = {number: start_of(number) for number in numbers}
    with ProcessPoolExecutor(workers) as pool, Progress(console=Console(stderr=True)) as progress:
        steps = progress.add_task("fitting", total=(1 + rounds) * len(samples) + rounds * len(numbers) + len(samples))

        def each(job, jobs) -> list:
            done = []
            for result in pool.map(job, jobs):
                done.append(result)
                progress.advance(steps)
            return done

        fits: list[Fit | None] = [None] * len(samples)
        for turn in range(rounds + 1):
            if turn:
                groups = {n: [k for k, s in enumerate(samples) if s.robot == n] for n in numbers}
                jobs = [
                    ([samples[k] for k in at], values[n], [fits[k] for k in at], evaluations)
                    for n, at in groups.items()
                ]
                values = dict(zip(numbers, each(_optics_job, jobs), strict=True))
            fits = each(_pose_job, [(s, values[s.robot or 0], f) for s, f in zip(samples, fits, strict=True)])
        drawn = each(_draw_job, [(s, values[s.robot or 0], f) for s, f in zip(samples, fits, strict=True)])
    blurs = {n: blur_px([one for one in drawn if one.sample.robot == n]) for n in numbers}
    pairs = [compare(one, blurs[one.sample.robot or 0]) for one in drawn]
    values = {n: values[n] | {"interpolation_px": blurs[n]} for n in numbers}
    _report(pairs, values, folder)
    return 0


def _report(pairs: list[Compared], values: dict[int, dict[str, float]], folder: Path) -> None:
    table = pd.DataFrame([pair.row for pair in pairs])
    for name, frame in (("crops", table), ("optics", pd.DataFrame(values).T.rename_axis("robot").reset_index())):
        with files.whole(folder / f"{name}.csv") as temporary:
            frame.to_csv(temporary, index=False, float_format="%.5g")
    for number in values:
        draw_pairs([pair for pair in pairs if pair.row["robot"] == number], folder / f"robot_{number:02d}.png")
    shown = Table("crop", "pose", "correlation", "SSIM (blank)", "PSNR dB (blank)", "lean °", "depth µm")
    for row in table.to_dict("records"):
        shown.add_row(
            row["crop"],
            row["pose"],
            f"{row['correlation']:.3f}",
            f"{row['ssim']:.3f} ({row['blank_ssim']:.3f})",
            f"{row['psnr_db']:.1f} ({row['blank_psnr_db']:.1f})",
            f"{math.hypot(row['lean_x_deg'], row['lean_y_deg']):.0f}",
            f"{row['depth_um']:+.2f}",
        )
    console = Console(width=110)
    console.print(shown)
    for label, chosen, target in _judged(table):
        mean = float(chosen.correlation.mean())
        verdict = "pass" if mean >= target else "MISS"
        console.print(
            f"{label}: mean correlation {mean:.3f} (at least {target:.2f}) {verdict}; SSIM {chosen.ssim.mean():.3f}, "
            f"PSNR {chosen.psnr_db.mean():.1f} dB, a blank {chosen.blank_ssim.mean():.3f}, "
            f"{chosen.blank_psnr_db.mean():.1f} dB; the group's GAN {GROUP[0]}, {GROUP[1]} dB",
            soft_wrap=True,
        )
    for number, found in values.items():
        console.print(f"optics of robot {number}: " + ", ".join(f"{name} {found[name]:.3f}" for name in found))
    console.print(f"wrote {folder}")


def _judged(table: pd.DataFrame):
    """(name, rows, least mean): labelled crops of robot 3 together, robot 17's frames together, others one by one."""
    labelled = table.crop.str.match(r"P\d+_R\d+")
    frames = table.crop.str.contains("_frame_")
    for number in sorted(table.robot.unique()):
        mine = table.robot == number
        if (together := mine & (labelled | frames)).any():
            yield f"robot {number}, {together.sum()} crops", table[together], TARGETS.get(number, TARGET)
        for _, row in table[mine & ~(labelled | frames)].iterrows():
            yield str(row.crop), row.to_frame().T.infer_objects(), TARGET


if __name__ == "__main__":
    sys.exit(exit_code("otmr_realism", lambda: tyro.cli(main)))
