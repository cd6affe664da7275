import json
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microtwin.cli import main
from microtwin.cli.learn import _clock
from microtwin.learn import extra
from microtwin.learn import train as training_module
from microtwin.learn.stopping import first_ctrl_c
from microtwin.learn.training import CONFIG, Training
from microtwin.pushing import Push

SMALL = ["--steps", "512", "--envs", "4", "--episodes", "2", "--evaluations", "1", "--options", "max_episode_s=1.0",
         "--hyper", "n_steps=32", "net_arch=[8]"]  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    """What the command asks of the training, which is not done."""
    calls: list[dict[str, Any]] = []

    def train(training, folder, **how):
        calls.append({"training": training, "folder": folder, **how})
        return True

    monkeypatch.setattr(training_module, "train", train)
    return calls


def refused(capsys, *arguments: str) -> str:
    assert main(["learn", "push", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and said.startswith("microtwin: ")
    return said


def test_a_training_then_a_push_with_it(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["learn", "push", "--out", str(out), *SMALL]) == 0
    said = capsys.readouterr().out
    assert "512 steps" in said and "wrote policy.zip and card.md" in said
    config = json.loads((out / CONFIG).read_text())
    assert config["steps"] == 512 and config["options"]["max_episode_s"] == 1.0
    push = ["push", "--controller", str(out / "policy.zip"), "--trials", "1", "--out", str(tmp_path / "push")]
    assert main([*push, "--frequency", "20", "--time-limit", "60"]) == 0
    report = json.loads((tmp_path / "push" / "run.json").read_text())
    # an hour of training would do better, but it starts as the controller that it corrects
    assert report["trials"][0]["success"] and report["trials"][0]["mae_um"] < 2.0
    assert report["config"]["frequency_hz"] == 20.0 and report["config"]["controller"].endswith("policy.zip")
    assert main([*push, "--frequency", "90"]) == 2
    assert "trained up to 60 Hz" in capsys.readouterr().err


def test_the_command_in_the_card_asks_for_the_same_training(asked, tmp_path):
    given = ["--algo", "tqc", "--steps", "99", "--seed", "4", "--no-residual", "--flow", "none", "--robot", "paper",
             "--path", "circle", "--cruise-hz", "9", "--limit-hz", "30", "--envs", "3", "--episodes", "5",
             "--options", "latency_frames=2", "--hyper", "net_arch=[9]", "gamma=0.9"]  # fmt: skip
    assert main(["learn", "push", *given, "--out", str(tmp_path)]) == 0
    first = asked[0]["training"]
    assert first.options == {"residual": False, "path": "circle", "cruise_hz": 9.0, "robot": "paper", "flow": None,
                             "frequency_limit_hz": 30.0, "latency_frames": 2}  # fmt: skip
    assert main([*shlex.split(first.command)[1:], "--out", str(tmp_path)]) == 0
    assert asked[1]["training"] == first


def test_goals_have_no_path(asked, tmp_path):
    assert main(["learn", "push", "--task", "goal", "--algo", "sac", "--out", str(tmp_path)]) == 0
    assert not {"path", "residual", "cruise_hz"} & asked[0]["training"].options.keys()


def test_resume_takes_what_the_folder_holds(asked, tmp_path, capsys):
    kept = Training("sac", steps=100, seed=5, options={"robot": "paper"}, hyper={"gamma": 0.9}, episodes=3)
    kept.save(tmp_path, {})
    assert main(["learn", "push", "--resume", str(tmp_path)]) == 0
    assert asked[0]["training"] == kept and asked[0]["folder"] == tmp_path and asked[0]["resume"]
    assert main(["learn", "push", "--resume", str(tmp_path), "--minutes", "3", "--seed", "5"]) == 0
    assert asked[1]["training"] == kept.extended(None, 3.0)
    replace(kept, envs=8, device="cuda").save(tmp_path, {})  # begun on another machine
    assert main(["learn", "push", "--resume", str(tmp_path), "--algo", "sac", "--device", "cpu"]) == 0
    assert asked[2]["training"] == replace(kept, envs=8, device="cpu")
    kept.save(tmp_path, {})
    assert "seed is 6, and 5 in" in refused(capsys, "--resume", str(tmp_path), "--seed", "6")
    assert "algo is tqc, and sac in" in refused(capsys, "--resume", str(tmp_path), "--algo", "tqc", "--envs", "32")
    assert "leave it out" in refused(capsys, "--resume", str(tmp_path), "--out", str(tmp_path / "other"))
    assert "no training in" in refused(capsys, "--resume", str(tmp_path / "none"))
    assert len(asked) == 3


def test_bad_input(tmp_path, capsys):
    out = ["--out", str(tmp_path / "run")]
    assert "give --out DIR" in refused(capsys)
    assert "give one of the two" in refused(capsys, *out, "--steps", "5", "--minutes", "5")
    assert "steps is 0" in refused(capsys, *out, "--steps", "0")
    assert "has a flag of its own" in refused(capsys, *out, "--options", "robot=paper")
    assert "name=value" in refused(capsys, *out, "--hyper", "gamma")
    assert "tau is not one of ppo" in refused(capsys, *out, "--hyper", "tau=1")
    assert "cruise_hz is" in refused(capsys, *out, "--cruise-hz", "-1")
    assert "colour" in refused(capsys, *out, "--options", "colour=3")
    assert "give one number" in refused(capsys, *out, "--task", "goal", "--limit-hz", "15", "20")
    assert "threads is 'many'" in refused(capsys, *out, "--options", "threads=many")
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine").mkdir()
    refused(capsys, "--out", str(tmp_path / "mine"), "--hyper", "gamma=high")
    assert (tmp_path / "mine").exists()  # it was there before
    (tmp_path / "file").write_text("")
    assert "cannot write to" in refused(capsys, "--out", str(tmp_path / "file"))
    Training().save(tmp_path, {})
    assert "holds a training already" in refused(capsys, "--out", str(tmp_path))


@pytest.mark.parametrize("module", extra.MODULES)
def test_without_the_extra(module, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    said = refused(capsys, "--out", str(tmp_path / "run"))
    assert said == "microtwin: learning needs torch and stable-baselines3: pip install 'microtwin[learn]'"
    assert not (tmp_path / "run").exists()


def test_help_and_a_push_import_nothing_heavy():
    code = "import sys\nfrom microtwin.cli import main\ntry: main(['learn', '--help'])\nexcept SystemExit: pass\n"
    code += "import microtwin.pushing\nprint(sorted({'torch', 'stable_baselines3', 'gymnasium'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--algo" in done.stdout


def test_ctrl_c_stops_and_a_second_one_breaks_off(monkeypatch, tmp_path, capsys):
    def train(training, folder, *, stop, **how):
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        return False

    monkeypatch.setattr(training_module, "train", train)
    before = signal.getsignal(signal.SIGINT)
    assert main(["learn", "push", "--out", str(tmp_path)]) == 130
    assert f"go on with microtwin learn push --resume {tmp_path}" in capsys.readouterr().out.replace("\n", "")
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt), first_ctrl_c():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_outside_the_main_thread_ctrl_c_is_left_alone():
    seen = []

    def work():
        with first_ctrl_c() as stopped:
            seen.append(stopped.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert _clock(seconds) == text


def test_pushing_with_a_file_that_is_no_policy(tmp_path, capsys):
    for name in ("no.zip", str(tmp_path / "no.zip")):
        assert main(["push", "--controller", name, "--out", str(tmp_path / "out")]) == 2
        assert "no policy file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert Push([[0.0, 0.0], [20.0, 0.0]]).turns_hz == 12.0  # type: ignore[arg-type]


def test_episodes_of_a_push(tmp_path, monkeypatch, capsys):
    minari = pytest.importorskip("minari")
    import pandas as pd

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    run = ["push", "--trials", "2", "--time-limit", "1", "--out", str(tmp_path / "out"), "--minari", "push/short-v0"]
    assert main(run) == 0
    assert "recorded 2 episodes as the Minari dataset push/short-v0" in capsys.readouterr().out
    telemetry = pd.read_parquet(tmp_path / "out" / "telemetry.parquet")
    dataset = minari.load_dataset("push/short-v0")
    for number, episode in enumerate(dataset.iterate_episodes()):
        table = telemetry[telemetry.trial == number]
        np.testing.assert_array_equal(episode.observations["robot_um"], table[["robot_x_um", "robot_y_um"]])
        np.testing.assert_array_equal(episode.infos["field"][:, 0], table["alpha_rad"])
        assert episode.truncations[-1] and not episode.terminations.any()
    Path(tmp_path / "out" / "run.json").unlink()
    assert main(run) == 2
    assert "is there already" in capsys.readouterr().err
    assert not (tmp_path / "out" / "run.json").exists()
