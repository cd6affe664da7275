"""The scripts that draw the papers' figures: they run, resume, and give the same numbers whatever they run beside."""

import importlib.util
import math
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emulated_rig.build import missing
from microtwin import paths
from microtwin.errors import InputError
from microtwin.otmr import depth
from microtwin.otmr.plan import Plan
from microtwin.robots.catalogue import robot

FOLDER = Path(__file__).parents[1] / "experiments"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fig5, fig6, fig8 = load("fig5_corridor"), load("fig6_trajectories"), load("fig8_cell")
fig3d, fig7, oracles = load("fig3d_speed"), load("fig7_screens"), load("physics_oracles")
widths, hands, versus = load("corridor_width"), load("controllers"), load("rl_vs_corridor")
depths, views = load("otmr_fig6_depth"), load("otmr_symmetric_poses")


needs_the_board = pytest.mark.skipif(bool(missing()), reason=f"needs the Debian packages {' '.join(missing())}")


def is_a_picture(path: Path) -> bool:
    """A PNG wide enough for a slide that is not one flat colour (which would compress to nothing)."""
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    return data.startswith(b"\x89PNG") and width > 1000 and height > 400 and len(data) > 20_000


@pytest.fixture(scope="module")
def corridor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fig5")
    fig5.main(quick=True, out=folder, seed=3, processes=1)
    return folder


def test_fig5_writes_its_cells_and_picture(corridor):
    table = pd.read_csv(corridor / "corridor.csv")
    assert sorted(path.name for path in corridor.iterdir()) == ["corridor.csv", "corridor.png"]
    assert len(table) == len(table.drop_duplicates(["frequency_hz", "setting"])) == 8
    assert table.success.all()
    assert table.completion_time_s.between(10, 100).all()
    assert table.mae_um.between(0.3, 15).all()
    assert (table.spin_fraction[table.setting == "open loop"] == 0).all()
    assert is_a_picture(corridor / "corridor.png")


def test_fig5_resumes_and_keeps_its_cells(corridor, capsys, monkeypatch):
    path = corridor / "corridor.csv"
    before = path.read_bytes()
    pd.read_csv(path).iloc[1:].to_csv(path, index=False)
    simulated = []
    simulate = fig5.simulate
    monkeypatch.setattr(fig5, "simulate", lambda cell, **rest: simulated.append(cell) or simulate(cell, **rest))
    fig5.main(quick=True, out=corridor, seed=3, processes=1)
    assert "1 cells to run, 7 already there" in capsys.readouterr().out
    assert simulated == [(12.0, "w=5")]
    assert sorted(path.read_bytes().splitlines()) == sorted(before.splitlines())
    path.write_bytes(before)


def test_fig5_starts_again_with_other_settings(corridor, monkeypatch, capsys):
    before = (corridor / "corridor.csv").read_bytes()
    monkeypatch.setattr(fig5, "fingerprint", lambda *settings: "another")
    monkeypatch.setattr(fig5, "simulate", lambda cell, **rest: [row(cell)])
    fig5.main(quick=True, out=corridor, seed=3, processes=1)
    assert "8 cells to run, 0 already there" in capsys.readouterr().out
    assert set(pd.read_csv(corridor / "corridor.csv").settings) == {"another"}
    (corridor / "corridor.csv").write_bytes(before)


def row(cell):
    made_up = {"trial": 0, "success": True, "completion_time_s": 30.0, "mae_um": 2.0, "spin_fraction": 0.0}
    return {"frequency_hz": cell[0], "setting": cell[1]} | made_up


def test_fig5_does_not_depend_on_the_number_of_processes(corridor, tmp_path):
    command = [
        sys.executable,
        FOLDER / "fig5_corridor.py",
        "--quick",
        "--seed",
        "3",
        "--processes",
        "2",
        "--out",
        tmp_path,
    ]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "paper beside twin" in done.stdout
    assert (tmp_path / "corridor.csv").read_bytes() == (corridor / "corridor.csv").read_bytes()


def misses(time, error):
    return {
        name
        for name, passed, _ in fig5.checklist(fig5.FREQUENCIES_HZ, {fig5.TIME: time, fig5.ERROR: error})
        if passed is False
    }


def test_fig5_checklist_tells_what_is_out_of_line():
    frequencies = np.array(fig5.FREQUENCIES_HZ)[:, None, None]
    time = np.repeat(np.array([[139.0], [170.0], [205.0], [110.0]]) * 3 / frequencies, 2, axis=2)
    error = np.tile([[1.27], [2.39], [4.98], [5.29]], (5, 1, 2))
    assert misses(time, error) == set()

    unfinished = time.copy()
    unfinished[0, 1, 0] = np.nan
    assert misses(unfinished, error) == {"all trials finish"}

    too_fast = time.copy()
    too_fast[2, 1] = 30.0
    assert misses(too_fast, error) == {
        "time falls with f at every w",
        "time grows with w at every f",
        "open loop is faster than closed at the same f",
    }

    coarse = error.copy()
    coarse[3, 0] *= 1.31
    assert misses(time, coarse) == {"mean absolute error (µm) w=5, 12 Hz"}


@pytest.mark.parametrize("setting", [{"processes": 0}, {"seed": -1}, {"trials": 0, "processes": 1}])
def test_fig5_refuses_bad_settings_before_it_writes(setting, tmp_path):
    ((name, value), *_) = setting.items()
    with pytest.raises(InputError, match=f"{name} is {value}"):
        fig5.main(out=tmp_path, **setting)
    assert not list(tmp_path.iterdir())


def test_fig6_draws_the_first_trials_of_fig5(corridor, tmp_path):
    fig6.main(quick=True, out=tmp_path, seed=3)
    table = pd.read_csv(tmp_path / "trajectories.csv").set_index("setting")
    cells = pd.read_csv(corridor / "corridor.csv").query("frequency_hz == 12").set_index("setting")
    assert list(table.index) == ["w=5", "open loop"]
    for measure in ("completion_time_s", "mae_um"):
        assert list(table[measure]) == list(cells[measure][table.index])
    assert table.ratio.to_numpy() == pytest.approx((table.mae_um / table.published_mae_um).to_numpy())
    assert is_a_picture(tmp_path / "trajectories.png")


def test_corridor_width_finds_where_the_time_gives_way(tmp_path, capsys):
    widths.main(quick=True, out=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corridor_width.csv", "corridor_width.png"]
    table = pd.read_csv(tmp_path / "corridor_width.csv")
    assert len(table) == 10 and table.success.all()
    time = table.groupby("width_um").completion_time_s.mean()
    assert time[0.5] > 1.5 * time[3.0]
    assert is_a_picture(tmp_path / "corridor_width.png")
    assert capsys.readouterr().out.count("pass") == 1


def width_case(times_s, slew_um=0.6, errors_um=(1.9, 1.6, 1.4, 1.3)):
    means = {widths.TIME: np.array(times_s), widths.ERROR: np.array(errors_um)}
    return widths.Finding((15.0, 1, 0.05), (1.0, 2.0, 3.0, 5.0), means, slew_um)


def test_corridor_width_is_the_narrowest_whose_time_holds():
    assert width_case([60.0, 28.0, 27.5, 30.0]).found_um == 2.0
    assert width_case([60.0, 28.0, 27.5, 30.0]).below_um == 1.0
    assert width_case([math.nan, 40.0, 30.0, 25.0]).found_um == 5.0
    assert width_case([27.0, 27.1, 27.5, 30.0]).found_um == 1.0


def test_corridor_width_is_not_the_most_accurate_where_it_is_useless():
    assert width_case([60.0, 28.0, 27.5, 30.0], errors_um=(0.9, 1.6, 1.4, 1.5)).finest == (3.0, 1.4)


def test_corridor_width_rule_is_held_against_what_is_found():
    def passes(slew_um):
        return next(widths.checklist([width_case([60.0, 28.0, 27.5, 30.0], slew_um)]))[1]

    assert passes(0.6)
    assert not passes(1.3) and not passes(0.3)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controllers")
    hands.main(quick=True, out=folder)
    return folder


def test_controllers_are_compared(compared):
    assert sorted(path.name for path in compared.iterdir()) == ["controllers.csv", "controllers.png"]
    table = pd.read_csv(compared / "controllers.csv")
    assert set(table.controller) == {"blended", "steering", "predictive", "joystick", "corridor"}
    assert (table.finished == 3).all()
    assert is_a_picture(compared / "controllers.png")
    passed = {name: good for name, good, _ in hands.checklist(table.to_dict("records"))}
    assert passed["steering against the paper's widths"] and passed["predictive against the paper's widths"]
    assert passed["blended against the paper's widths"] and passed["blended against narrower ones too"]


def test_controllers_checklist_tells_what_is_out_of_line(compared):
    table = pd.read_csv(compared / "controllers.csv")

    def misses(controller, **changes):
        other = table.copy()
        for name, value in changes.items():
            other.loc[other.controller == controller, name] = value
        before, after = (
            {name for name, good, _ in hands.checklist(t.to_dict("records")) if not good} for t in (table, other)
        )
        return after - before

    assert misses("steering", finished=2) == {"steering against the paper's widths", "steering finishes every trial"}
    assert "predictive against the paper's widths" in misses("predictive", mae_um=0.6)
    assert "blended against the paper's widths" in misses("blended", switches_per_s=2.0)
    assert "blended against narrower ones too" in misses("blended", completion_time_s=28.5)


def test_controllers_floor_is_that_of_a_cargo_on_the_path():
    """On a long line seen every 2 µm, nodes 5.38 µm apart: half a micrometre, and what lies beyond the threshold."""
    nodes = np.column_stack((5.38 * np.arange(400), np.zeros(400)))
    length = nodes[-1, 0] - 8.0
    time_s = length / (2.0 * 24)
    track = np.column_stack((np.arange(0.0, length, 2.0), np.zeros(len(np.arange(0.0, length, 2.0)))))
    seen = np.abs(nodes[:, :1] - track[:, 0]).min(axis=1).mean()
    assert hands.floor_um(nodes, time_s) == pytest.approx(seen, rel=0.03)


@pytest.mark.parametrize("module", [widths, hands])
def test_width_and_controllers_refuse_bad_settings_before_they_write(module, tmp_path):
    for setting in ({"trials": 0}, {"seed": -1}):
        with pytest.raises(InputError, match=f"{next(iter(setting))} is"):
            module.main(out=tmp_path / "out", **setting)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versus")
    versus.main(quick=True, out=folder, processes=1)
    return folder


def test_the_policy_beside_the_corridor(paired, capsys):
    assert sorted(path.name for path in paired.iterdir()) == ["rl_vs_corridor.png", "table.csv", "trials.csv"]
    table = pd.read_csv(paired / "table.csv").set_index(["part", "entrant"])
    assert table.finished.sum() >= len(table) - 1  # one trial a cell
    for part, policy in (("circle", "policy 15"), ("still", "policy 60"), ("flow", "policy 60")):
        assert table.loc[(part, policy), versus.TIME] < 0.8 * table.loc[(part, "corridor 15"), versus.TIME]
        assert table.loc[(part, policy), versus.ERROR] < table.loc[(part, "corridor 15"), versus.ERROR]
    assert np.all(table[versus.BETWEEN].to_numpy() < table[versus.ERROR].to_numpy())
    assert is_a_picture(paired / "rl_vs_corridor.png")
    versus.main(quick=True, out=paired, processes=1)  # goes on from what is there
    assert "0 cells to run" in capsys.readouterr().out


def test_the_policy_s_checklist_tells_what_is_no_better(paired):
    table = pd.read_csv(paired / "table.csv").set_index(["part", "entrant"])
    rows = pd.read_csv(paired / "trials.csv")
    assert all(passed for name, passed, _ in versus.checklist(table, rows) if "flow: better" in name)
    spread = [versus.ERROR, f"{versus.ERROR}_low", f"{versus.ERROR}_high"]
    table.loc[("flow", "policy 60"), spread] = 2 * table.loc[("flow", "corridor 15"), spread]
    misses = [name for name, passed, _ in versus.checklist(table, rows) if passed is not None and not passed]
    assert misses == ["flow: better in mae_um"]


def test_intervals_weigh_paths_alike_and_narrow_with_trials():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"path": ["a"] * 400 + ["b"] * 100, "x": np.r_[rng.normal(1, 1, 400), rng.normal(3, 1, 100)]})
    mean, low, high = versus.interval(rows, "x", 0)
    assert mean == pytest.approx(2.0, abs=0.15)
    assert high - low == pytest.approx(2 * 1.96 * 0.5 * math.sqrt(1 / 400 + 1 / 100), rel=0.15)


def test_policy_experiment_refuses_bad_settings_before_it_writes(tmp_path):
    for setting in ({"trials": 0}, {"seed": -1}, {"processes": 0}, {"policy": "nowhere.zip"}, {"runs": (tmp_path,)}):
        with pytest.raises(InputError):
            versus.main(out=tmp_path / "out", **setting)
    assert not list(tmp_path.iterdir())


def test_fig8_pushes_a_cell_between_the_others(tmp_path):
    nodes = fig8.drawn_path()
    assert paths.path_length(nodes) == pytest.approx(530.0, abs=1e-9)
    distance = np.hypot(*(nodes[:, None] - np.array(fig8.OTHERS_UM)).transpose(2, 0, 1))
    assert len(fig8.OTHERS_UM) >= 8
    assert distance.min() >= 20.0
    fig8.main(quick=True, out=tmp_path)
    table = pd.read_csv(tmp_path / "cell.csv")
    assert len(table) == 1 and table.success.all()
    assert table.completion_time_s.between(15, 150).all()
    assert table.mae_um.between(0.3, 5).all()
    assert is_a_picture(tmp_path / "cell.png")


def test_fig8_refuses_a_path_that_runs_into_a_cell(monkeypatch):
    monkeypatch.setattr(fig8, "OTHERS_UM", (fig8.CLICKS_UM[5],))
    with pytest.raises(InputError, match="from the path"):
        fig8.drawn_path()


def test_fig7_draws_screens_from_pixels(tmp_path):
    fig7.main(quick=True, out=tmp_path)
    table = pd.read_csv(tmp_path / "screens.csv")
    assert set(table.setting) == {"w=5", "open loop"} and len(table) == 4
    assert is_a_picture(tmp_path / "screens.png")


def test_fig3d_speeds_are_the_measured_ones(tmp_path, capsys):
    fig3d.main(quick=True, out=tmp_path)
    table = pd.read_csv(tmp_path / "fig3d_speed.csv").dropna()
    slow = table[table.frequency_hz.between(4, 40)]
    assert (slow.twin_um_s / slow.published_um_s).between(0.92, 1.08).all()
    assert "MISS" not in capsys.readouterr().out.split("peak")[0].split("50 │")[0]


def test_every_physics_oracle_passes(tmp_path, capsys):
    oracles.main(quick=True, out=tmp_path)
    shown = capsys.readouterr().out
    assert "MISS" not in shown and shown.count("pass") >= 8


def test_otmr_fig6_draws_sequences_of_the_data_set(tmp_path, capsys):
    depths.main(quick=True, robot=3, seed=1, out=tmp_path)
    table = pd.read_csv(tmp_path / "depth.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["depth.csv", "depth.png"]
    assert table.trajectory.value_counts().to_dict() == {"continuous": 80, "stepwise": 80}
    items = Plan("depth", (3,), 80, 2, 1).items()
    for item, (trajectory, rows) in zip(items, table.groupby("trajectory", sort=False), strict=True):
        assert trajectory == item.trajectory
        offset = rows.depth_um - getattr(depth, item.trajectory)(80, robot(3).depth_range_um, item.streams(1)[0])
        assert np.ptp(offset) < 1e-4
        assert 5 <= rows.shown.sum() <= 7
    assert is_a_picture(tmp_path / "depth.png")
    assert capsys.readouterr().out.count("pass") == 5


def test_otmr_fig6_finds_its_frames_on_one_way_from_end_to_end():
    there_and_back = np.concatenate([np.linspace(2, -4, 31), np.linspace(-4, 3, 71)[1:]])
    steps = depths.flank(there_and_back)
    assert len(steps) == 7 and (np.diff(steps) > 0).all()
    assert np.diff(there_and_back[steps]) == pytest.approx(np.full(6, 1.1), abs=0.2)
    stairs = np.repeat([-1.0, 0.0, 1.0], 5)
    assert depths.flank(stairs).tolist() == [2, 7, 12]


def test_otmr_fig6_checklist_tells_what_is_out_of_line():
    smooth, stairs = np.linspace(-5, 5, 100), np.repeat(np.linspace(-5, 5, 11), 9)

    def misses(trajectory, depths_um, range_um=10.0):
        return [name for name, passed, _ in depths.checklist(trajectory, depths_um, range_um) if not passed]

    assert misses("continuous", smooth) == misses("stepwise", stairs) == []
    assert misses("continuous", smooth, 12.0) == misses("continuous", smooth, 8.0) == ["covers the robot's depth range"]
    assert misses("continuous", stairs) == ["sweeps smoothly"]
    assert misses("stepwise", smooth) == ["stands on levels"]
    assert misses("stepwise", np.where(stairs > 3, 5.0, stairs)) == ["jumps by equal steps"]


@pytest.mark.parametrize(
    ("setting", "said"), [({"images": 79}, "images is 79"), ({"robot": 19}, "robot 19 is unknown")]
)
def test_otmr_fig6_refuses_bad_settings_before_it_writes(setting, said, tmp_path):
    with pytest.raises(InputError, match=said):
        depths.main(out=tmp_path / "out", **setting)
    assert not list(tmp_path.iterdir())


def test_otmr_views_of_the_grid_do_not_look_the_same(tmp_path, capsys):
    views.main(quick=True, out=tmp_path)
    table = pd.read_csv(tmp_path / "symmetric_poses.csv")
    assert len(table) == 25 * 24 / 2 and not table.one_view.any()
    assert table.likeness.max() < 0.995
    assert capsys.readouterr().out.count("pass") == 1
    assert is_a_picture(tmp_path / "symmetric_poses.png")


def test_otmr_views_are_asked_for_of_robots_that_have_poses(tmp_path):
    with pytest.raises(InputError, match="robot 9 has no poses: give robots from 1, 2"):
        views.main(robots=(3, 9), out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


@needs_the_board
def test_the_registers_hold_equation_1(tmp_path, capsys):
    load("rig_field").main(quick=True, out=tmp_path)
    assert capsys.readouterr().out.count("pass, bound") == 4
    fields, changes = pd.read_csv(tmp_path / "field.csv"), pd.read_csv(tmp_path / "changes.csv")
    assert (fields.amplitude < 0.01).all() and (fields.angle_deg < 1).all() and (fields.frequency < 0.001).all()
    assert (changes.jump_deg < 2).all() and len(changes) == 8
    assert is_a_picture(tmp_path / "field.png")


@needs_the_board
def test_both_backends_push_alike(tmp_path):
    load("rig_push").main(quick=True, out=tmp_path)
    table = pd.read_csv(tmp_path / "trials.csv").set_index("backend")
    assert table.success.all()
    times = table.completion_time_s
    assert times["hardware"] == pytest.approx(times["sim"], rel=0.05)
    assert is_a_picture(tmp_path / "tracks.png")


@needs_the_board
def test_what_cannot_be_run_on_the_board_is_said_in_one_line(tmp_path):
    with pytest.raises(InputError, match="seed is -1"):
        load("rig_push").main(seed=-1, out=tmp_path)
    with pytest.raises(InputError, match="fault 'fire': choose from killed, hung"):
        load("rig_faults").main(faults=("fire",), out=tmp_path)
