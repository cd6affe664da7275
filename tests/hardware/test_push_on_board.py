"""``hardware`` in place of ``sim``: controllers, a policy and the environments through the emulated firmware."""

import json
import os
import signal
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from emulated_rig import lockstep
from emulated_rig.bench import EmulatedRig
from emulated_rig.build import missing
from microtwin import paths, recording
from microtwin.cli import main
from microtwin.cli.push import push as push_command
from microtwin.pushing import Push
from microtwin.rig import open_rig as open_really
from microtwin.scene import PushScene
from microtwin_hardware.config import CameraConfig, CoilsConfig, RigConfig, save

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"needs the Debian packages {' '.join(missing())}")

NODES_UM = paths.polyline([(0.0, 0.0), (40.0, 0.0)])
FILES = {"path.csv", "run.json", "telemetry.parquet", "trajectory.png", "video.mp4"}
SCENE = PushScene(observe="camera", fidelity="resolved")


@pytest.fixture
def bench(tmp_path):
    """Makes emulated rigs; each call returns the rig and the settings of a host in lockstep with it."""
    made = []

    def make(seed=0, trial=0, nodes_um=NODES_UM, **coils):
        rig = EmulatedRig.of(SCENE, nodes_um, seed, trial)
        made.append(rig)
        lockstep.attach("bench", rig)
        camera = CameraConfig("emulated_rig.lockstep:LockstepCamera", "bench", rig.shape, rig.um_per_px)
        save(RigConfig(CoilsConfig(port="lockstep://bench", heartbeat_ms=0, **coils), camera), tmp_path / "rig.toml")
        return rig, tmp_path / "rig.toml"

    yield make
    lockstep.detach("bench")
    for rig in made:
        rig.close()


def push(config, **changes):
    (trial,) = Push(
        **({"nodes_um": NODES_UM, "frequency_hz": 12.0, "trials": 1} | changes),
        backend="hardware",
        backend_options={"config": config},
    ).run()
    return trial


@pytest.mark.parametrize("number", [0, 1])
def test_the_same_trial_goes_the_same_way_on_both_backends(bench, number):
    *_, twin = Push(NODES_UM, 12.0, trials=number + 1, seed=5, scene=SCENE).run()
    rig, config = bench(5, number)
    board = push(config, seed=5)
    assert twin.success and board.success
    assert board.completion_time_s == pytest.approx(twin.completion_time_s, rel=0.1)  # 5 % of a whole circle
    shift = twin.table[["object_x_um", "object_y_um"]].iloc[-1] - board.table[["object_x_um", "object_y_um"]].iloc[-1]
    assert float(np.hypot(*shift)) < 3.0
    assert not rig.mega.run(0.01).any()


def test_the_same_seed_gives_the_same_bytes_of_telemetry(bench):
    tables = []
    for _ in range(2):
        _rig, config = bench(3)
        tables.append(push(config, time_limit_s=1.5).table)
    assert tables[0].equals(tables[1])


def test_what_the_board_clips_is_what_is_recorded(bench):
    _rig, config = bench(max_duty=0.5)
    amplitudes = push(config, time_limit_s=0.5).table.amplitude
    assert amplitudes.max() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("controller", ["steering", "policy"])
def test_other_controllers_and_a_policy_cannot_tell_either(bench, controller):
    rig, config = bench(1)
    trial = push(config, controller=controller, frequency_hz=None)
    assert trial.success
    assert rig.world.positions_um[1, 0] > 30.0


def test_the_command_line_writes_the_same_files_and_the_field_ends_off(bench, tmp_path, capsys):
    rig, config = bench(2)
    route = tmp_path / "path.csv"
    route.write_text("x_um,y_um\n" + "\n".join(f"{x},{y}" for x, y in NODES_UM), encoding="utf-8")
    words = ["push", "--backend", "hardware", "--config", str(config), "--path", str(route), "--trials", "1"]
    words += ["--time-limit", "1"]  # and so it ends in full swing
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert not rig.mega.run(0.01).any()


def test_a_dry_run_says_what_would_be_sent_and_drives_nothing(bench, tmp_path, capsys):
    rig, config = bench(2)
    words = [
        "push",
        "--backend",
        "hardware",
        "--config",
        str(config),
        "--dry-run",
        "--trials",
        "1",
        "--time-limit",
        "0.5",
    ]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "12 Hz" in said
    assert not rig.duties or max(duty for _, duty in rig.duties) == 0
    assert rig.last_driven_s < 0


def test_what_is_of_a_rig_is_refused_on_the_twin(capsys):
    for words in (["--dry-run"], ["--config", "rig.toml"]):
        assert main(["push", *words]) == 2
        said = capsys.readouterr().err
        assert words[-1].strip("-").replace("-", " ") in said
        assert "add --backend hardware" in said


def test_two_files_of_settings_are_refused(capsys):
    words = ["--config", "rig.toml", "--backend-options", "config=old.toml"]
    assert main(["push", "--backend", "hardware", *words]) == 2
    assert "config is rig.toml and --backend-options old.toml: give it once" in capsys.readouterr().err


@pytest.fixture
def terminated():
    """Sends SIGTERM to this process, which would not die of it."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield lambda: os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)


def test_sigterm_between_two_trials_keeps_the_first(bench, tmp_path, monkeypatch, terminated):
    _rig, config = bench(2)
    opened = []

    def open_rig(backend, **options):
        opened.append(backend)
        if len(opened) == 2:
            terminated()
        return open_really(backend, **options)

    monkeypatch.setattr("microtwin.pushing.open_rig", open_rig)
    words = ["push", "--backend", "hardware", "--config", str(config), "--trials", "3", "--time-limit", "0.5"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 130
    assert len(json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["trials"]) == 1


def test_sigterm_while_saving_leaves_nothing_half_written(bench, tmp_path, monkeypatch, terminated):
    _rig, config = bench(2)
    draw = recording.draw_trajectories
    monkeypatch.setattr(recording, "draw_trajectories", lambda *args: (terminated(), draw(*args)))
    words = ["push", "--backend", "hardware", "--config", str(config), "--trials", "1", "--time-limit", "0.5"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_a_screen_that_is_gone_is_not_blamed_on_the_video(bench, tmp_path, monkeypatch):
    _rig, config = bench(2)

    def gone(*words, **style):
        raise BrokenPipeError

    monkeypatch.setattr("rich.console.Console.print", gone)
    with pytest.raises(BrokenPipeError):
        push_command(trials=1, time_limit=0.5, backend="hardware", config=config, out=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_a_cable_pulled_in_mid_push_ends_it_with_what_it_has(bench, tmp_path):
    rig, config = bench(4)
    seen = 0

    def pull(frame, observation, controller):
        nonlocal seen
        seen += 1
        rig.unplugged = seen >= 40

    run = Push(NODES_UM, 12.0, trials=3, backend="hardware", backend_options={"config": config})
    (trial,) = run.run(on_frame=pull)
    assert trial.broken
    assert len(trial.table) == 40
    assert "gone" in trial.reason
    pulled_s = rig.time_s
    rig.advance_to(pulled_s + 0.6)
    assert rig.last_driven_s - pulled_s < 0.5


def test_environments_step_through_the_board(bench):
    nodes_um = paths.polyline([(0.0, 0.0), (60.0, 0.0)])
    rig, config = bench(0, nodes_um=nodes_um)
    env: Any = gym.make(
        "microtwin_envs:microtwin/PushPath-v0",
        path=nodes_um,
        backend="hardware",
        backend_options={"config": str(config)},
        observation="tracked",
    )
    try:
        env.reset(seed=0)
        for _ in range(24):
            _seen, _reward, ended, cut, _info = env.step(np.zeros(env.action_space.shape, np.float32))
            if ended or cut:
                break
        assert rig.last_driven_s > rig.time_s - 0.3
    finally:
        env.close()
    assert not rig.mega.run(0.01).any()
