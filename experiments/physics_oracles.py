"""The physics core beside its oracles: published series, tables and laws, one line each.

    python experiments/physics_oracles.py [--reference ../shared/reference/wall_mobility] [--quick]

The reference mobilities are libMobility's; without that folder the first lines are left out. Nothing here is fitted.
"""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from scipy import stats
from scipy.integrate import cumulative_trapezoid

from microtwin import files
from microtwin.errors import exit_code
from microtwin.field import CoilScale, RotatingField
from microtwin.physics import Liquid, World, resistance, wall_mobility
from microtwin.physics.surface_forces import KT_PN_UM, repulsion
from microtwin.robots import Body

JEFFERY = {0.01: 1.18324, 0.05: 1.14514, 0.1: 1.11706, 0.543: 1.03572, 1.0: 1.01593}
BRENNER = {0.01: 101.896, 0.05: 21.5858, 0.1: 11.4592, 1.0: 2.1255}
GOLDMAN = {3.7622: 1.1738, 2.3524: 1.3079, 1.5431: 1.5675, 1.1276: 2.1514, 1.0453: 2.6475, 1.005004: 3.7863}
GOLDMAN |= {1.003202: 4.0223}
SLIP = {0.01: 0.108, 0.02: 0.093, 0.05: 0.0708, 0.1: 0.0523}
OFF = RotatingField.off()


def reference_mobilities(folder: Path) -> float:
    """Largest difference to libMobility's normalised 6×6 and 12×12 matrices (a = 1)."""
    viscosity, worst = 1 / (4 * math.sqrt(math.pi)), 0.0
    cases = [("self_mobility_bw_ref_noimg", None)]
    cases += [(f"pair_mobility_bw_ref_noimg_offset_{axis}", axis) for axis in "xy"]
    for name, axis in cases:
        stored = np.load(folder / f"{name}.npz")
        for j, height in enumerate(stored["heights"].ravel()):
            for k, apart in enumerate((0.0,) if axis is None else (3.0, 4.0, 8.0)):
                positions = np.array([[0.0, 0.0, height]] * (1 if axis is None else 2))
                if axis:
                    positions[:, "xy".index(axis)] = apart / 2, -apart / 2
                m = wall_mobility(positions, 1.0, viscosity) * 6 * math.pi * viscosity
                half = len(m) // 2
                m[half:, half:] *= 8 / 6
                worst = max(worst, float(np.abs(m - (stored["M"][j] if axis is None else stored["M"][k][j])).max()))
    return worst


def one_sphere(gap: float) -> np.ndarray:
    """R (6, 6) of a unit sphere, in 6πηa = 1."""
    return resistance([[0.0, 0.0, 1.0 + gap]], 1.0, 1 / (6 * math.pi))


def smallest_eigenvalue(count: int) -> tuple[float, float]:
    """Over random clusters of 1–4 spheres with gaps down to 1e-3 a: smallest scaled eigenvalue, largest asymmetry."""
    rng = np.random.default_rng(0)
    least, uneven, done = math.inf, 0.0, 0
    while done < count:
        radii = rng.choice([1.0, 1.35, 2.7], rng.integers(1, 5))
        places = [np.array([0.0, 0.0, radii[0] * (1 + 10 ** rng.uniform(-3, 0))])]
        for a in radii[1:]:
            near = rng.integers(len(places))
            apart = a + radii[near] + 10 ** rng.uniform(-3, 0.5) * min(a, radii[near])
            z = a * (1 + 10 ** rng.uniform(-3, 0))
            across = apart**2 - (z - places[near][2]) ** 2
            turn = rng.uniform(0, 2 * math.pi)
            if across > 0:
                beside = math.sqrt(across) * np.array([math.cos(turn), math.sin(turn)])
                places.append(np.array([*(places[near][:2] + beside), z]))
        gaps = [
            np.linalg.norm(p - q) - a - b
            for i, (p, a) in enumerate(zip(places, radii, strict=False))
            for q, b in zip(places[:i], radii, strict=False)
        ]
        if len(places) < len(radii) or min(gaps, default=1.0) < 1e-3:
            continue
        r = resistance(np.array(places), radii, 1.0)
        scale = 1 / np.sqrt(np.diag(r))
        scaled = r * scale * scale[:, None]
        least, uneven, done = (
            min(least, np.linalg.eigvalsh(scaled)[0]),
            max(uneven, abs(scaled - scaled.T).max()),
            done + 1,
        )
    return least, uneven


def covariance(count: int) -> float:
    """χ² per degree of freedom of one-step displacements of two beads against 2kT R⁻¹ dt (Mahalanobis, 12 each)."""
    places = np.array([[0.0, 0.0, 5.3], [10.9, 0.0, 5.5]])
    bodies = [Body("bead", tuple(p), 5.0, 0.0, 1e-3) for p in places.tolist()]
    dt, total = 1e-4, 0.0
    world = World(bodies, rng=1, coils=CoilScale(), liquid=Liquid(hamaker_pn_um=0.0), max_step_s=dt)
    inverse = resistance(places, 5.0, 1e-3) / (2 * KT_PN_UM * dt)
    for _ in range(count):
        world.positions_um[:] = places
        world.step(OFF, dt)
        move = np.concatenate([world.velocities_um_s.ravel(), world.spins_rad_s.ravel()]) * dt
        total += move @ inverse @ move
    return float(total) / (12 * count)


def boltzmann(count: int) -> float:
    """Kolmogorov–Smirnov distance of a light bead's heights to exp(−potential/kT), times √count (1.36 is 95 %)."""
    a, weight, range_um = 0.5, 0.02, 0.08
    body = Body("bead", (0.0, 0.0, a + 0.3), a, weight, range_um)
    world = World([body], rng=4, coils=CoilScale(), liquid=Liquid(hamaker_pn_um=0.0), max_step_s=1 / 1500)
    world.step(OFF, 2.0)
    gaps = np.empty(count)
    for k in range(count):
        world.step(OFF, 0.4)
        gaps[k] = world.positions_um[0, 2] - a
    grid = np.geomspace(1e-3, 6.0, 40_000)
    push = np.array([repulsion(h, a, range_um, 0.0)[0] - weight for h in grid])
    energy = -cumulative_trapezoid(push, grid, initial=0.0)
    law = cumulative_trapezoid(np.exp(-(energy - energy.min()) / KT_PN_UM), grid, initial=0.0)
    return float(stats.kstest(np.interp(gaps, grid, law / law[-1]), "uniform").statistic) * math.sqrt(count)


def main(
    reference: Path = Path("../shared/reference/wall_mobility"),
    quick: bool = False,
    out: Path = Path("runs/physics_oracles"),
) -> None:
    """Print every oracle with the worst miss, its bound and the verdict; write them to a CSV."""
    folder = files.open_folder(out)
    rows: list[tuple[str, float, float]] = []
    if reference.is_dir():
        rows.append(("wall mobility against libMobility, largest difference", reference_mobilities(reference), 1e-10))
    series = {
        "spin about the vertical (Jeffery), relative": (JEFFERY, lambda e: one_sphere(e)[5, 5] * 0.75, 0.005),
        "normal drag (Brenner), relative": (BRENNER, lambda e: one_sphere(e)[2, 2], 0.005),
        "parallel drag (Goldman), relative": (GOLDMAN, lambda h: one_sphere(h - 1)[0, 0], 0.01),
        "slip of a rolling sphere, relative": (SLIP, lambda e: -one_sphere(e)[0, 4] / one_sphere(e)[0, 0], 0.04),
    }
    for name, (table, function, bound) in series.items():
        rows.append((name, max(abs(function(at) / value - 1) for at, value in table.items()), bound))
    count = 500 if quick else 10_000
    least, uneven = smallest_eigenvalue(count)
    rows.append((f"R of {count} clusters: −(smallest scaled eigenvalue)", -least, 0.0))
    rows.append((f"R of {count} clusters: largest asymmetry", uneven, 1e-12))
    steps = 2000 if quick else 20_000
    rows.append(
        (
            f"Brownian step covariance, |χ²/dof − 1|, {steps} steps",
            abs(covariance(steps) - 1),
            4 * math.sqrt(2 / 12 / steps),
        )
    )
    heights = 500 if quick else 4000
    rows.append((f"Boltzmann heights, KS·√n, n = {heights}", boltzmann(heights), 1.95))
    for name, value, bound in rows:
        print(f"  {'pass' if value <= bound else 'MISS'}  {name:58} {value:10.2e}   bound {bound:.2e}")
    with files.whole(folder / "physics_oracles.csv") as path:
        pd.DataFrame(rows, columns=["oracle", "miss", "bound"]).to_csv(path, index=False)


if __name__ == "__main__":
    sys.exit(exit_code("physics_oracles", lambda: tyro.cli(main)))
