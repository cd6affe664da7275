"""Speed, step-out and heading statistics of measured microroller tracks.

Usage: ``python roller_tracks.py TRACKS.csv[.gz]``.  Columns: trial, frame, x_um, y_um (y up), alpha_rad (commanded
heading = alpha + pi/2), gamma_rad, frequency_hz.  Units: um, s, Hz, rad; angles are printed in degrees.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from scipy.optimize import least_squares

from microtwin.errors import InputError, exit_code

COLUMNS = ("trial", "frame", "x_um", "y_um", "alpha_rad", "gamma_rad", "frequency_hz")
FPS = 24.43  # frames/s
LAG = 2  # frames between a logged command and the motion it causes (seen at every reversal)
COIL_RATIO = 5 / 3  # full-scale field of y over x
DEAD_BAND = 0.128  # fraction of full drive below which a horizontal coil gives no field (fitted to the tracks)


def read_tracks(path):
    """Return {trial: DataFrame} with an added column ``heading`` (commanded direction of motion, rad).

    Raises:
        InputError: the file cannot be read as CSV or lacks a column.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' parser and decoding errors are ValueErrors
        raise InputError(f"{path}: cannot be read ({error}): give a CSV file of tracks") from None
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}: give tracks with columns {', '.join(COLUMNS)}")
    table["heading"] = table.alpha_rad + np.pi / 2
    return {str(name): track.sort_values("frame").reset_index(drop=True) for name, track in table.groupby("trial")}


def wrap(angle):
    """Angle (rad) folded into [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def windows(track, span=15, lag=0, steady=0.0):
    """Displacements over `span` frames inside one frequency step.

    The command of a window is the mean of the ones logged `lag` frames earlier; windows whose commands have a resultant
    below `steady` (1 = constant heading) are dropped.  Returns a DataFrame: frame, f (Hz), vx, vy (um/s), heading
    (rad).
    """
    x, y, f = track.x_um.to_numpy(), track.y_um.to_numpy(), track.frequency_hz.to_numpy(float)
    unit = np.concatenate([[0], np.cumsum(np.exp(1j * track.heading.to_numpy()))])
    i = np.arange(lag, len(x) - span)
    mean = (unit[i - lag + span] - unit[i - lag]) / span
    keep = (f[i - lag] == f[i + span]) & (f[i] > 0) & (np.abs(mean) >= steady)
    rate = FPS / span
    return pd.DataFrame(
        {
            "frame": i,
            "f": f[i],
            "vx": (x[i + span] - x[i]) * rate,
            "vy": (y[i + span] - y[i]) * rate,
            "heading": np.angle(mean),
        }
    )[keep]


def speed_table(track, span=15):
    """Median speed (um/s) by frequency (Hz): displacement over `span` frames projected on the heading at its start.

    This definition gives the published medians to 1.5 % (rms 0.7 %); frame-to-frame speed is 10-40 % high at 2 Hz.
    """
    w = windows(track, span)
    start = track.heading.to_numpy()[w.frame]
    return (w.vx * np.cos(start) + w.vy * np.sin(start)).groupby(w.f).median()


def low_slope(table, below=20.0):
    """Least-squares slope through the origin (um/s per Hz) of a speed table below a frequency (Hz)."""
    f, v = table.index.to_numpy(), table.to_numpy()
    use = f < below
    return float(f[use] @ v[use] / (f[use] @ f[use]))


def adler(f, f_c):
    """Mean rotation rate (Hz) of a dipole in a circular field of frequency f (Hz) with step-out f_c (Hz)."""
    return f - np.sqrt(np.maximum(f * f - f_c * f_c, 0.0)) * (f > f_c)


def fit_step_out(table):
    """Fit v = k * adler(f, f_c); returns k (um/s per Hz), f_c (Hz), rms residual (um/s), frequency of the peak (Hz)."""
    f, v = table.index.to_numpy(), table.to_numpy()

    def error(p):
        return p[0] * adler(f, p[1]) - v

    fits = [
        least_squares(error, [v[0] / f[0], guess], loss="soft_l1", f_scale=4.0, diff_step=1e-4)
        for guess in (45.0, 55.0, 65.0, 75.0)
    ]
    k, f_c = min(fits, key=lambda fit: fit.cost).x
    return float(k), float(f_c), float(np.sqrt(np.mean(error((k, f_c)) ** 2))), float(table.idxmax())


def coil_heading(heading, ratio=COIL_RATIO, dead=DEAD_BAND):
    """Direction (rad) that coils of unequal strength with a dead band give for a commanded heading (rad)."""

    def drive(c):
        return np.sign(c) * np.maximum(np.abs(c) - dead, 0.0)

    return np.arctan2(ratio * drive(np.sin(heading)), drive(np.cos(heading)))


def heading_offset(track, span=8):
    """Direction of motion minus command: DataFrame frame, f, heading, offset, and residual to `coil_heading` (rad)."""
    w = windows(track, span, LAG, steady=0.98)
    direction = np.arctan2(w.vy, w.vx)
    return w.assign(offset=wrap(direction - w.heading), residual=wrap(direction - coil_heading(w.heading)))


def correlation_time(frame, series, longest=400):
    """Time (s) at which the autocorrelation of an unevenly kept series falls to 1/e; nan when it does not."""
    full = np.full(int(frame.max()) + 1, np.nan)
    full[frame.to_numpy(int)] = series - series.mean()
    variance = np.nanmean(full**2)
    for lag in range(1, min(longest, full.size // 2)):
        if np.nanmean(full[lag:] * full[:-lag]) < variance / np.e:
            return lag / FPS
    return float("nan")


def leg_difference(w, column="offset"):
    """Median of a column on legs along +axis minus along -axis (rad), where axis is the trial's main line of travel."""
    axis = np.angle(np.mean(np.exp(2j * w.heading))) / 2
    ahead = np.cos(w.heading - axis) > 0
    return float(w[column][ahead].median() - w[column][~ahead].median())


def idle(track):
    """Drift velocity (vx, vy, um/s) and noise per axis (um) of the f = 0 frames before the first command."""
    n = int(np.argmax(track.frequency_hz.to_numpy() > 0))
    xy = track[["x_um", "y_um"]].to_numpy()[:n]
    noise = np.sqrt(np.mean(np.diff(xy, 2, axis=0) ** 2) / 6)
    return np.polyfit(np.arange(n) / FPS, xy, 1)[0], float(noise)


def analyse(track):
    """One row of statistics of a track; speeds um/s, frequencies Hz, angles deg, times s."""
    table, w = speed_table(track), heading_offset(track)
    k, f_c, rms, peak = fit_step_out(table)
    drift, noise = idle(track)
    rolling = w[(w.f >= 8) & (w.f <= 56)]  # above 4-6 Hz the drift of 1-4 um/s no longer turns the motion
    row = {"slope": low_slope(table), "k": k, "f_c": f_c, "rms": rms, "peak": peak, "v_peak": float(table.max())}
    for f in (4, 10, 20, 40, 50):
        row[f"off{f}"] = float(np.degrees(w.offset[w.f == f].mean()))
    for name in ("offset", "residual"):
        series = rolling[name]
        row |= {
            f"{name}_mean": np.degrees(series.mean()),
            f"{name}_sd": np.degrees(series.std()),
            f"{name}_legs": np.degrees(leg_difference(rolling, name)),
            f"{name}_tau": correlation_time(rolling.frame, series),
        }
    return row | {"drift_x": drift[0], "drift_y": drift[1], "noise": noise}


def main(path: Path, /) -> None:
    """Print the per-trial statistics and the median speed table over trials."""
    tracks = read_tracks(path)
    stats = pd.DataFrame({name: analyse(track) for name, track in tracks.items()}).T
    speeds = pd.DataFrame({name: speed_table(track) for name, track in tracks.items()})
    print(stats.round(2).T.to_string(), speeds.median(axis=1).round(1).to_string(), sep="\n\n")
    slope, f_c = (np.log(stats[name].to_numpy(float)) for name in ("slope", "f_c"))
    print(
        f"\nlog-normal sd: slope {slope.std(ddof=1):.3f}, f_c {f_c.std(ddof=1):.3f}; "
        f"correlation of slope and f_c {stats.slope.corr(stats.f_c):.2f}"
    )


if __name__ == "__main__":
    sys.exit(exit_code("roller_tracks", lambda: tyro.cli(main)))
