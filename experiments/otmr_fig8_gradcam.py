"""Fig. 8 of the OTMR paper on rendered images: Grad-CAM of pose networks on robots 1 and 3.

    python experiments/otmr_fig8_gradcam.py [--scale smoke|laptop|paper] [--networks cnn twinnet]

The paper's CNN, as there, and ours: each is trained on one robot's images, and explained on the test images of the
first of five folds by sequence, which it has not seen. The paper shows pictures alone; here it is also counted which
share of the heat lies on the robot, its outline grown by 1 µm, beside the share of the crop that this is. Heat that
were spread evenly would have the same share of both.
"""

import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import otmr_bench as bench
import otmr_sets
import pandas as pd
import tyro
from otmr_bench import OURS, Cell, Device, Effort, Found, Scale, Tick, Verdict
from rich.console import Console
from rich.table import Table

from microtwin import files
from microtwin.errors import exit_code
from microtwin.otmr.assemble import TABLE
from microtwin.otmr.draw import Draw
from microtwin.otmr.framing import CROP, PIXEL_UM
from microtwin.otmr.pose import Pose
from microtwin.otmr.render import orientation, silhouette
from microtwin.robots.catalogue import robot as robot_of

if TYPE_CHECKING:
    from microtwin.perception.examples import Examples
    from microtwin.perception.folds import Fold

ROBOTS = (1, 3)
NETWORKS = ("cnn", OURS)
GROWN_UM = 1.0
MOST = {"smoke": 6, "laptop": 200, "paper": 200}  # test images that are explained
SHOWN = 4  # examples of each robot in the picture


def images(scale: Scale) -> tuple[int, int]:
    """Sequences of each pose, images of each."""
    return {"smoke": (5, 1), "laptop": (15, 6), "paper": (40, 20)}[scale]


def effort(scale: Scale, network: str) -> Effort:
    if scale == "paper":
        return Effort(224, 20, 1)
    if scale == "smoke":
        return Effort(64 if network == OURS else 32, 1, 1, batch=32)  # its maps have 1/16 of the pixels a side
    return Effort(128, 15, 1) if network == OURS else Effort(96, 12, 1)


def plan(scale: Scale, networks: tuple[str, ...], seed: int) -> list[Cell]:
    """A cell for each robot and network."""
    cells = []
    for robot in ROBOTS:
        for network in networks:
            spent = effort(scale, network)
            settings = {
                "robot": robot,
                "network": network,
                "seed": seed,
                "quick": scale == "smoke",
                "of_each_pose": images(scale),
                "explained": MOST[scale],
                "effort": vars(spent),
            }
            cells.append(Cell(f"r{robot}_{network}", settings, bench.weight(network, spent, 1)))
    return cells


def images_of(cell: Cell, sets: Path) -> Path:
    """The folder with a cell's images, drawn if need be."""
    s = cell.settings
    sequences, each = s["of_each_pose"]
    return otmr_sets.data_set(
        sets,
        task="pose",
        robots=[s["robot"]],
        sequences=sequences,
        images_per_sequence=each,
        seed=s["seed"],
        quick=s["quick"],
    )


def split(cell: Cell, sets: Path) -> tuple[Path, "Examples", "Fold", np.ndarray]:
    """The images' folder, the images, the fold, and which of its test images are explained."""
    from microtwin.perception.folds import folds

    s = cell.settings
    folder = images_of(cell, sets)
    examples = bench.load(folder, s["effort"]["size"], "pose", s["robot"])
    fold = folds(examples, 5, "sequence", s["seed"])[0]
    return folder, examples, fold, bench.fewer(fold.test, s["explained"], s["seed"])


def work(cell: Cell, tick: Tick, out: Path, sets: Path, device: Device) -> Found:
    """Train a network, keep it, and count where its heat lies."""
    from microtwin.perception.explain import heat_maps, share_on
    from microtwin.perception.fit import CHECKPOINT
    from microtwin.perception.scores import pose_scores

    s = cell.settings
    folder, examples, fold, chosen = split(cell, sets)
    training = Effort(**s["effort"]).training("pose", s["network"], s["seed"], device)
    place = bench.fit_folder(out, cell)
    estimator = bench.trained(training, examples.take(fold.train), examples.take(fold.validation), place, tick)
    shutil.copyfile(place / CHECKPOINT, files.open_folder(out / "networks") / f"{cell.name}.pt")
    test = examples.take(chosen)
    heat, said = heat_maps(estimator, crops(test))
    assert said.pitch_deg is not None and said.roll_deg is not None
    near = outlines(folder, test)
    on_it = [share_on(large(one), inside) for one, inside in zip(heat, near, strict=True)]
    scores = pose_scores(test.pitch_deg, test.roll_deg, said.pitch_deg, said.roll_deg, robot=test.robot)
    return {
        "images": len(fold.train),
        "heat_on_robot": float(np.nanmean(on_it)) if np.isfinite(on_it).any() else 0.0,
        "area_of_robot": float(np.mean([inside.mean() for inside in near])),
        "cold": int(np.isnan(on_it).sum()),
        **{name: scores[name] for name in ("pitch_accuracy", "roll_accuracy")},
    }


def crops(examples: "Examples") -> np.ndarray:
    """(n, 256, 256) uint8, as they are on disk."""
    from microtwin.perception.image_file import read_image

    return np.array([read_image(path) for path in examples.paths])


def outlines(folder: Path, examples: "Examples") -> list[np.ndarray]:
    """(256, 256) bool of each image: the robot's silhouette in its pose, with its lean and place, grown by 1 µm."""
    from microtwin.perception.explain import grown

    table = pd.read_parquet(folder / TABLE)
    table.index = pd.Index([str((folder / path).resolve()) for path in table.path])
    found = []
    for path in examples.paths:
        row: dict[str, Any] = table.loc[str(Path(path).resolve())].to_dict()
        drawn = Draw(**{field.name: row[field.name] for field in fields(Draw)})
        mesh = robot_of(int(row["robot"])).mesh
        inside = silhouette(mesh, orientation(Pose(row["pitch_deg"], row["roll_deg"]), drawn), CROP, PIXEL_UM)
        move = np.array([[1.0, 0.0, row["x_um"] / PIXEL_UM], [0.0, 1.0, -row["y_um"] / PIXEL_UM]])
        moved = cv2.warpAffine(inside.astype(np.uint8), move, CROP[::-1], flags=cv2.INTER_NEAREST)
        found.append(grown(moved > 0, GROWN_UM, PIXEL_UM))
    return found


def large(heat: np.ndarray) -> np.ndarray:
    """(256, 256) of a heat map."""
    return cv2.resize(heat, CROP[::-1], interpolation=cv2.INTER_LINEAR)


def checklist(found: pd.DataFrame) -> list[Verdict]:
    """Whether each network looks at the robot."""
    verdicts: list[Verdict] = []
    for row in found.to_dict("records"):
        ratio = row["heat_on_robot"] / row["area_of_robot"]
        figure = f"{row['heat_on_robot']:.0%} of the heat on {row['area_of_robot']:.0%} of the area, {ratio:.1f} times"
        name = f"robot {row['robot']}, {row['network']}: looks at the robot (1.5 times)"
        verdicts.append((name, ratio > 1.5, figure))
    return verdicts


def show(console: Console, found: pd.DataFrame) -> None:
    from microtwin.perception.networks import PAPER_NAMES

    shown = Table("robot", "network", "size", "images", "epochs", "pitch", "roll", "heat on robot", "its area", "cold")
    for row in found.to_dict("records"):
        shares = (f"{row[name]:.3f}" for name in ("pitch_accuracy", "roll_accuracy", "heat_on_robot", "area_of_robot"))
        name = PAPER_NAMES[row["network"]]
        shown.add_row(str(row["robot"]), name, *(str(row[n]) for n in ("size", "images", "epochs")), *shares,
                      str(row["cold"]))  # fmt: skip
    console.print(shown)


def draw(path: Path, cells: list[Cell], out: Path, sets: Path) -> None:
    """Examples of both robots: the crop, and each network's heat map over it with the outline that was counted."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from microtwin.perception.estimator import Estimator
    from microtwin.perception.explain import heat_maps
    from microtwin.perception.explain_picture import overlaid
    from microtwin.perception.networks import PAPER_NAMES

    networks = list(dict.fromkeys(cell.settings["network"] for cell in cells))
    wide = 1 + len(networks)
    figure = Figure(figsize=(2.0 * 2 * wide + 0.6, 2.2 * SHOWN + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("Fig. 8 on rendered images: where the networks look (Grad-CAM)")
    axes = figure.subplots(SHOWN, 2 * wide, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for half, robot in enumerate(ROBOTS):
        for column, cell in enumerate((c for c in cells if c.settings["robot"] == robot), 1):
            folder, examples, _, chosen = split(cell, sets)
            test = examples.take(chosen[np.linspace(0, len(chosen) - 1, SHOWN).astype(int)])
            pictures, inside = crops(test), outlines(folder, test)
            heat, _ = heat_maps(Estimator.load(out / "networks" / f"{cell.name}.pt"), pictures)
            for k in range(SHOWN):
                place = axes[k, half * wide + column]
                place.imshow(overlaid(pictures[k], heat[k]))
                place.contour(inside[k], levels=[0.5], colors="white", linewidths=0.7)
                if k == 0:
                    place.set_title(PAPER_NAMES[networks[column - 1]], fontsize=10)
                place = axes[k, half * wide]
                place.imshow(pictures[k], cmap="gray", vmin=0, vmax=255)
                place.set_title(f"robot {robot}, P{test.pitch_deg[k]} R{test.roll_deg[k]}", fontsize=9)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def main(
    scale: Scale = "laptop",
    networks: tuple[str, ...] = NETWORKS,
    seed: int = 0,
    device: Device = "auto",
    sets: Path = otmr_sets.SETS,
    out: Path = Path("runs/otmr_fig8"),
) -> None:
    """Train, explain, and count where the heat lies.

    Args:
        scale: smoke is seconds, laptop under an hour on two cores, paper what the paper did.
        networks: to explain.
        seed: of the data, the fold and the trainings.
        device: auto, cpu or cuda.
        sets: folder of the rendered data sets.
        out: folder for cells, networks, gradcam.csv and gradcam.png.
    """
    from microtwin.perception.networks import NAMES

    bench.check(networks, NAMES, seed)
    folder = files.open_folder(out)
    cells = plan(scale, networks, seed)
    results = bench.run(
        folder, cells, lambda cell: images_of(cell, sets), lambda cell, tick: work(cell, tick, folder, sets, device)
    )
    found = pd.DataFrame([row | {name: row["effort"][name] for name in ("size", "epochs")} for row in results])
    found = found.drop(columns=["effort", "of_each_pose", "quick"])
    show(Console(highlight=False, width=130), found)
    print("\nwhat must show")
    bench.tell(checklist(found))
    with files.whole(folder / "gradcam.csv") as temporary:
        found.to_csv(temporary, index=False, float_format="%.5f")
    draw(folder / "gradcam.png", cells, folder, sets)
    print(f"wrote gradcam.csv and gradcam.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("otmr_fig8_gradcam", lambda: tyro.cli(main), bench.STOPPED))
