"""The command line: help that is quick, bad input in one line, and results that survive an impatient user."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from microtwin import paths
from microtwin.cli import main

FILES = ["path.csv", "run.json", "telemetry.parquet", "trajectory.png"]
COMMAND = [sys.executable, "-c", "import sys; from microtwin.cli import main; sys.exit(main())"]


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def run(*arguments, encoding="utf-8", **options):
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, timeout=300, **options)
    return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)


def short(folder, *more):
    return ["push", "--time-limit", "1", "--trials", "1", "--out", str(folder), *more]


@pytest.mark.parametrize("arguments", [["--help"], ["push", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys\nfrom microtwin.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'numba', 'matplotlib', 'pandas', 'pyarrow', 'scipy'}\n"
        "print(*heavy & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stderr.split() == []
    assert "push" in done.stdout


def test_help_names_every_option_and_unit(capsys):
    with pytest.raises(SystemExit) as end:
        main(["push", "--help"])
    assert not end.value.code
    text = capsys.readouterr().out
    for option in ("--frequency", "--width", "--path", "--trials", "--seed", "--out", "--time-limit", "Hz", "µm"):
        assert option in text


def test_a_run_that_cannot_finish_says_so_and_writes_everything(tmp_path, capsys):
    assert main(short(tmp_path / "out", "--seed", "4")) == 0
    assert names(tmp_path / "out") == FILES
    report = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert report["trials"][0]["success"] is False
    assert report["trials"][0]["completion_time_s"] is None
    assert report["mean"]["completion_time_s"] is None
    assert report["config"]["seed"] == 4 and report["config"]["frequency_hz"] == 12.0
    assert report["config"]["time_limit_s"] == 1.0
    assert len(pd.read_parquet(tmp_path / "out" / "telemetry.parquet")) == pytest.approx(25, abs=2)
    text = capsys.readouterr()
    assert "unfinished" in text.out
    assert f"wrote run.json, telemetry.parquet, path.csv and trajectory.png to {tmp_path / 'out'}" in text.out
    assert text.err == ""


def test_the_same_command_gives_the_same_telemetry(tmp_path, capsys):
    for name in ("a", "b"):
        assert main(short(tmp_path / name)) == 0
    one, two = (tmp_path / name / "telemetry.parquet" for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()


def test_a_drawn_path_is_pushed(tmp_path, capsys):
    drawn = tmp_path / "my path.csv"
    drawn.write_text("x_um,y_um\n0,0\n60,0\n60,40\n", encoding="utf-8")
    assert main(short(tmp_path / "out", "--path", str(drawn))) == 0
    assert names(tmp_path / "out") == FILES
    np.testing.assert_array_equal(paths.read_csv(tmp_path / "out" / "path.csv"), paths.from_name(str(drawn)))


BAD = [
    (["--width", "0"], "width is 0.0"),
    (["--width", "-5"], "width is -5.0"),
    (["--width", "nan"], "width is nan"),
    (["--width", "-5", "--controller", "joystick"], "width is -5.0"),
    (["--frequency", "-12"], "frequency is -12.0"),
    (["--frequency", "0"], "frequency is 0.0"),
    (["--frequency", "nan"], "frequency is nan"),
    (["--frequency", "inf"], "frequency is inf"),
    (["--trials", "0"], "trials is 0"),
    (["--seed", "-1"], "seed is -1"),
    (["--latency", "-1"], "latency is -1"),
    (["--latency", "9" * 30], "latency is 999"),
    (["--time-limit", "0"], "time limit is 0.0"),
    (["--time-limit", "nan"], "time limit is nan"),
    (["--start-bearing", "nan"], "start bearing is nan"),
    (["--path", "spiral"], "path 'spiral'"),
    (["--path", "missing.csv"], "missing.csv"),
    (["--robot", "population", "--cargo", "cell"], "population"),
]


@pytest.mark.parametrize(("options", "named"), BAD, ids=[" ".join(o)[:40] for o, _ in BAD])
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys, options, named):
    assert main(["push", "--out", str(tmp_path / "out"), *options]) == 2
    text = capsys.readouterr()
    assert text.out == ""
    assert text.err.count("\n") == 1 and text.err.startswith("microtwin: ")
    assert named in text.err
    assert ": give" in text.err or ": choose" in text.err or ", give" in text.err  # the remedy
    assert names(tmp_path) == []


PATHS = {
    "no columns": "a,b\n1,2\n3,4\n",
    "no y": "x_um,z_um\n1,2\n3,4\n",
    "nan": "x_um,y_um\n0,0\nnan,4\n",
    "text": "x_um,y_um\n0,0\nfar,4\n",
    "one point": "x_um,y_um\n0,0\n",
    "no length": "x_um,y_um\n5,5\n5,5\n5,5\n",
    "there and back": "x_um,y_um\n0,0\n2.6,0\n0,0\n",
    "empty": "",
    "too far": "x_um,y_um\n0,0\n1e12,0\n",
}


@pytest.mark.parametrize("content", PATHS.values(), ids=PATHS)
def test_bad_paths_are_one_line_and_leave_nothing(tmp_path, capsys, content):
    drawn = tmp_path / "path.csv"
    drawn.write_text(content, encoding="utf-8")
    assert main(["push", "--out", str(tmp_path / "out"), "--path", str(drawn)]) == 2
    text = capsys.readouterr()
    assert (text.out, text.err.count("\n")) == ("", 1)
    assert names(tmp_path) == ["path.csv"]


@pytest.mark.parametrize("below", ["", "sub/sub"])
def test_an_unwritable_folder_is_one_line(tmp_path, capsys, below):
    (tmp_path / "file").write_text("mine")
    assert main(short(tmp_path / "file" / below)) == 2
    text = capsys.readouterr()
    assert (text.out, text.err.count("\n")) == ("", 1)
    assert "cannot write" in text.err and "--out" in text.err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frob"],
        ["push", "--frequency", "abc"],
        ["push", "--trials", "1.5"],
        ["push", "--no-such-option"],
        ["push", "--width"],
        ["push", "12"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_parsed_ends_with_2(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    text = capsys.readouterr()
    assert text.out == "" and text.err != ""
    assert names(tmp_path) == []


def test_bad_input_in_a_process_of_its_own(tmp_path):
    code, out, err = run("push", "--width", "-5", "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and "Traceback" not in err
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "environment",
    [
        {"NO_COLOR": "1"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""},
    ],
    ids=["no colour", "ascii", "C locale"],
)
def test_any_screen_will_do(tmp_path, environment):
    """A pipe gets plain lines; a screen without µ gets another character, not a crash with the results lost."""
    environment = {**os.environ, **environment}
    code, out, err = run(*short(tmp_path / "out"), env=environment)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2, out
    assert names(tmp_path / "out") == FILES
    code, out, _ = run("push", "--help", env=environment)
    assert code == 0 and "--width" in out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
def test_a_screen_that_fails_does_not_lose_the_results(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *short(tmp_path / "out")], stdout=full, stderr=subprocess.PIPE, text=True, timeout=300
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert names(tmp_path / "out") == FILES


def interrupt(folder, after_lines, wait_s=0.0):
    """Start a long run, send it Ctrl-C once it has reported some trials: (exit code, stderr)."""
    options = ["--frequency", "3", "--trials", "500", "--seed", "1"]
    process = subprocess.Popen(
        [*COMMAND, "push", "--out", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert process.stdout
    try:
        for _ in range(after_lines):
            process.stdout.readline()
        time.sleep(wait_s)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode, err


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("wait_s", [0.0, 0.05])
def test_ctrl_c_saves_what_there_is(tmp_path, wait_s):
    """Wherever in a trial it falls. A KeyboardInterrupt while numba unpacks a Generator would crash the interpreter."""
    code, err = interrupt(tmp_path / "out", after_lines=2, wait_s=wait_s)
    assert (code, err) == (130, "")
    assert names(tmp_path / "out") == FILES
    report = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    finished = [t for t in report["trials"] if not t["interrupted"]]
    assert len(finished) >= 2 and all(t["success"] for t in finished)
    table = pd.read_parquet(tmp_path / "out" / "telemetry.parquet")
    assert len(set(table["trial"])) == len(report["trials"])
    assert (tmp_path / "out" / "trajectory.png").read_bytes().startswith(b"\x89PNG")


def test_ctrl_c_while_saving_does_not_spoil_it(tmp_path, monkeypatch, capsys):
    """The impatient second Ctrl-C: the files come first."""
    from microtwin import recording

    draw = recording.draw_trajectories

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return draw(*arguments)

    monkeypatch.setattr(recording, "draw_trajectories", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert main(short(tmp_path / "out")) in (0, 130)
    assert names(tmp_path / "out") == FILES
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_between_trials_keeps_those_before(tmp_path, monkeypatch, capsys):
    from microtwin.scene import PushScene

    opened = PushScene.open
    calls = []

    def interrupted(self, nodes_um, rng):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return opened(self, nodes_um, rng)

    monkeypatch.setattr(PushScene, "open", interrupted)
    assert main(["push", "--time-limit", "1", "--trials", "5", "--out", str(tmp_path / "out")]) == 130
    report = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert [t["trial"] for t in report["trials"]] == [0, 1]


def test_ctrl_c_at_once_says_that_there_is_nothing(tmp_path, monkeypatch, capsys):
    from microtwin.scene import PushScene

    def interrupted(self, nodes_um, rng):
        raise KeyboardInterrupt

    monkeypatch.setattr(PushScene, "open", interrupted)
    assert main(short(tmp_path / "out")) == 130
    text = capsys.readouterr()
    assert text.err == "microtwin: stopped before there was anything to save\n"
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
