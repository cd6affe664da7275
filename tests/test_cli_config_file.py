"""``microtwin dataset --config FILE.toml``: the same options, from a file."""

import json
import tomllib

import pytest

from microtwin.cli import main
from microtwin.otmr.read import read

FILE = """
task = "depth"
robots = [8]
images-per-sequence = 1
sequences = 1
seed = 5
[randomise]
na = [1.02, 1.02]
lean_deg = 2
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "set.toml"
    path.write_text(FILE)
    return path


def test_the_set_is_made_as_the_file_says(file, tmp_path):
    out = tmp_path / "set"
    assert main(["dataset", "--config", str(file), "--workers", "1", "--out", str(out)]) == 0
    made = json.loads((out / "dataset.json").read_text())["config"]
    for name, value in tomllib.loads(FILE).items():
        if name != "randomise":
            assert made[name.replace("-", "_")] == value
    assert made["randomise"]["na"] == [1.02, 1.02] and made["randomise"]["lean_deg"] == 2.0
    assert made["randomise"]["condenser_na"] == [0.08, 0.16]  # what is missing is as usual
    assert [sample.robot for sample in read(out)] == [8]


def test_the_command_line_goes_before_the_file(file, capsys):
    options = ["--robots", "7", "8", "--images-per-sequence", "2", "--randomise.na", "2", "2.5"]
    assert main(["dataset", "--config", str(file), *options[:-3], "--dry-run"]) == 0
    assert "4 images in 2 sequences of 2 robots" in capsys.readouterr().out
    assert main(["dataset", "--config", str(file), *options, "--dry-run"]) == 2
    assert "na is 2 to 2.5: give" in capsys.readouterr().err


def test_what_is_given_wins_also_where_it_is_the_usual(file, tmp_path):
    """A seed of 0, say, is the default, and no less given."""
    out = tmp_path / "set"
    options = ["--seed", "0", "--randomise.na", "1", "1.1", "--randomise.lean-deg=4", "--workers", "1"]
    assert main(["dataset", f"--config={file}", *options, "--out", str(out)]) == 0
    made = json.loads((out / "dataset.json").read_text())["config"]
    assert made["seed"] == 0 and made["randomise"]["na"] == [1.0, 1.1] and made["randomise"]["lean_deg"] == 4.0
    assert made["task"] == "depth" and made["robots"] == [8]


def test_a_file_that_only_asks_can_be_overruled(file, tmp_path, capsys):
    file.write_text("dry_run = true\n" + FILE)
    for options, exists in ((["--dry-run"], False), ([], False), (["--no-dry-run", "--workers", "1"], True)):
        assert main(["dataset", "--config", str(file), *options, "--out", str(tmp_path / "set")]) == 0
        assert (tmp_path / "set").exists() == exists


BAD = [
    ("sead = 1", "sead is unknown: did you mean seed?"),
    ("config = 'x'", "config is unknown"),
    ("robots = 3", "robots is 3: give a list"),
    ("robots = ['a']", "robots is 'a': give a whole number"),
    ("robots = [19]", "robot 19 is unknown: give"),
    ("seed = 1.5", "seed is 1.5: give a whole number"),
    ("seed = true", "seed is True: give a whole number"),
    ("task = 'both of them'", "give pose or depth or both"),
    ("export = ['zip']", "export is 'zip': give huggingface or bop"),
    ("out = 3", "out is 3: give text in quotes"),
    ("dry_run = 1", "dry_run is 1: give true or false"),
    ("randomise = 3", "randomise is 3: give a table, as [randomise]"),
    ("[randomise]\nna = [1.0]", "na is [1.0]: give a list of 2 numbers"),
    ("[randomise]\nna = [2.0, 2.1]", "na is 2 to 2.1: give"),
    ("[randomise]\nnas = [1, 1]", "nas is unknown: did you mean na?"),
    ("seed =", "is no TOML file"),
]


@pytest.mark.parametrize(("content", "said"), BAD, ids=[content for content, _ in BAD])
def test_a_bad_file_is_one_line_and_leaves_nothing(tmp_path, capsys, content, said):
    path = tmp_path / "bad.toml"
    path.write_text(content)
    assert main(["dataset", "--config", str(path), "--out", str(tmp_path / "out")]) == 2
    out, error = capsys.readouterr()
    assert said in error and error.count("\n") == 1 and not out
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert main(["dataset", "--config", str(tmp_path / "none.toml")]) == 2
    assert "give a TOML file" in capsys.readouterr().err
