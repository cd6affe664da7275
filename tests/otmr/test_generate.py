"""The generator: same bytes however it is run, killed or resumed, and clean ends where it cannot go on."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from microtwin.errors import InputError
from microtwin.otmr import layout, manifest
from microtwin.otmr.generate import _versions, generate, here, make, versions
from microtwin.otmr.plan import Plan
from microtwin.otmr.read import read
from microtwin.otmr.store import MANIFEST, PARTS, Store
from microtwin.otmr.workers import deaf_children, in_processes
from microtwin.robots import catalogue

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # worker processes import what draws by its name

import cheap  # noqa: E402
from cheap import PLAN, tree  # noqa: E402

COMMAND = [sys.executable, str(HERE / "cheap.py")]
LONG_S = 300.0  # by then it is not the machine that is slow


def wait_until(true, what: str) -> None:
    deadline = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < deadline, f"never saw {what}"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """What an uninterrupted run leaves."""
    folder = tmp_path_factory.mktemp("whole") / "set"
    assert generate(PLAN, folder, draw=cheap.draw)
    return tree(folder)


def run(folder, workers=2, seed=7, **environment):
    return subprocess.run(
        [*COMMAND, str(folder), str(workers), str(seed)],
        capture_output=True,
        text=True,
        timeout=LONG_S,
        env=os.environ | environment,
    )


def test_the_folders_are_otmrs(whole):
    names = set(whole)
    assert {"dataset.json", "manifest.sha256", "metadata.parquet"} <= names
    folders = {name.rpartition("/")[0] for name in names if "/" in name}
    assert "Image_Depth/robot_8_robot" in folders
    assert {name for name in folders if name.endswith("P30_R5")} == {"Image_Pose/robot_3_stable_bot_l6s3/P30_R5"}
    assert len(folders) == 40 + 1
    assert sum(name.endswith(".jpg") for name in names) == 41 * 2 * 3
    assert not [name for name in names if PARTS in name]


def test_the_reader_finds_every_label(tmp_path):
    generate(PLAN, tmp_path, draw=cheap.draw)
    samples = read(tmp_path)
    table = pd.read_parquet(tmp_path / "metadata.parquet").set_index("path")
    assert len(samples) == len(table) == 246
    assert len({sample.sequence for sample in samples}) == 82
    for sample in samples:
        row = table.loc[sample.path.relative_to(tmp_path).as_posix()]
        assert sample.robot == row.robot
        if sample.depth_unit == "um":
            assert row.pose_class == "P0_R0"
            assert sample.depth == pytest.approx(row.depth_um, abs=1e-4)
        else:
            assert sample.pose and (sample.pose.pitch_deg, sample.pose.roll_deg) == (row.pitch_deg, row.roll_deg)
            assert sample.depth == pytest.approx(row.depth_scaled, abs=1e-4)


def test_the_pose_task_alone_has_folders_of_images_only_and_names_every_view(tmp_path):
    generate(Plan("pose", (1,), 1, 1), tmp_path, draw=cheap.draw)
    table = pd.read_parquet(tmp_path / "metadata.parquet")
    assert (table.pose_class == [f"P{p}_R{r}" for p, r in zip(table.pitch_deg, table.roll_deg, strict=True)]).all()
    assert table.pose_class.nunique() == 36
    assert {path.suffix for path in (tmp_path / "Image_Pose").rglob("*") if path.is_file()} == {".jpg"}
    assert not (tmp_path / "Image_Depth").exists()


def test_the_table_holds_what_was_drawn(tmp_path):
    generate(PLAN, tmp_path, draw=cheap.draw)
    table = pd.read_parquet(tmp_path / "metadata.parquet")
    assert not table.isna().any().any()
    item = PLAN.items()[5]
    rows = table[(table.robot == item.robot) & (table.sequence == item.number)]
    streams = item.streams(PLAN.seed)
    drawn = PLAN.randomise.draw(streams[1])
    assert rows.frame.tolist() == [0, 1, 2] and set(rows.trajectory) == {item.trajectory}
    assert rows.depth_um.tolist() == streams[0].uniform(-5, 5, 3).tolist()
    for name, value in drawn.row().items():
        assert set(rows[name]) == {value}
    pixels = cv2.imread(str(tmp_path / rows.path.iloc[0]), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    expected = streams[2].integers(0, 256, (3, *pixels.shape), dtype=np.uint8)[0]
    assert np.corrcoef(pixels.ravel(), expected.ravel())[0, 1] > 0.95  # JPEG


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_writes_the_same_bytes(whole, tmp_path, workers):
    counts: list[int] = []
    assert generate(PLAN, tmp_path, run=in_processes(workers), draw=cheap.draw, report=counts.append)
    assert tree(tmp_path) == whole
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 246


def test_one_robot_of_many_is_the_same_as_alone(whole, tmp_path):
    generate(Plan("both", (8,), 3, 2, 7), tmp_path, draw=cheap.draw)
    alone = {name: data for name, data in tree(tmp_path).items() if name.startswith("Image_")}
    assert alone == {name: data for name, data in whole.items() if name.startswith("Image_Depth")}
    assert alone


def test_another_seed_is_another_data_set(whole, tmp_path):
    generate(Plan("both", (8,), 3, 2, 8), tmp_path, draw=cheap.draw)
    images = [data for name, data in tree(tmp_path).items() if name.endswith(".jpg")]
    assert len(images) == 6 and not set(images) & set(whole.values())


def test_killed_at_ten_random_moments_it_ends_the_same(whole, tmp_path):
    """All processes of it at once, as the system's out-of-memory killer or a scheduler does, or the command alone."""
    chance = random.Random(1)
    folder = tmp_path / "set"
    for k in range(10):
        process = subprocess.Popen(
            [*COMMAND, str(folder), "2", "7"],
            env=os.environ | {"CHEAP_PAUSE_S": "0.02", "CHEAP_HOLD": str(82 * (k + 2) // 12)},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wanted = 246 * (k + chance.uniform(0.0, 0.9)) / 12  # images: a moment that no machine's speed moves
        wait_until(lambda: sum(1 for _ in folder.rglob("*.jpg")) >= wanted or process.poll() is not None, "its images")  # noqa: B023
        time.sleep(chance.uniform(0.0, 0.02))
        assert process.poll() is None
        if k % 2:
            os.kill(process.pid, signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (folder / MANIFEST).exists()
    assert run(folder).returncode == 0
    assert tree(folder) == whole


def test_workers_end_with_the_command_that_is_killed(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, str(tmp_path / "set"), "2", "7"], env=os.environ | {"CHEAP_HOLD": "0"}, start_new_session=True
    )
    wait_until(lambda: len(_group(process.pid)) >= 4, "itself, Python's own tracker of semaphores and two workers")
    assert (tmp_path / "set" / PARTS).exists()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not _group(process.pid), "the end of its workers")


def _group(number: int) -> list[int]:
    """Processes of a group that are alive."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == number and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


class Stop(Exception):
    pass


@pytest.mark.parametrize("moment", range(0, 440, 41))
def test_stopped_between_any_two_files_it_ends_the_same(whole, tmp_path, monkeypatch, moment):
    """The same without processes: the n-th file is cut off and left where it was being written."""
    replace, written = os.replace, 0

    def stop_at(source, target):
        nonlocal written
        written += 1
        if written > moment:
            Path(source).write_bytes(Path(source).read_bytes()[: os.path.getsize(source) // 2])
            raise Stop
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", stop_at)
        patched.setattr(Path, "unlink", lambda *_, **__: None)
        try:
            generate(PLAN, tmp_path, draw=cheap.draw)
        except Stop:
            assert not (tmp_path / MANIFEST).exists()
    generate(PLAN, tmp_path, draw=cheap.draw)
    assert tree(tmp_path) == whole


def test_killed_while_cleaning_up_it_ends_the_same(whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        generate(PLAN, tmp_path, draw=cheap.draw)
    assert (tmp_path / PARTS).exists()
    assert not generate(PLAN, tmp_path, draw=cheap.draw)
    assert tree(tmp_path) == whole


def test_what_is_done_is_not_drawn_again(tmp_path):
    drawn: list[str] = []

    def some(work, jobs):
        for number, job in enumerate(jobs):
            if number == 30:
                raise Stop
            drawn.append(job.sequence.key)
            yield work(job)

    def rest(work, jobs):
        for job in jobs:
            drawn.append(job.sequence.key)
            yield work(job)

    with pytest.raises(Stop):
        generate(PLAN, tmp_path, run=some, draw=cheap.draw)
    first: list[int] = []
    generate(PLAN, tmp_path, run=rest, draw=cheap.draw, report=first.append)
    assert first[0] == 90
    assert drawn == [item.key for item in PLAN.items()]
    assert not generate(PLAN, tmp_path, run=rest, draw=cheap.draw)
    assert len(drawn) == len(PLAN.items())


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 8}, "seed 7, not 8"),
        ({"images_per_sequence": 4}, "images_per_sequence 3, not 4"),
        ({"robots": (3, 9)}, r"robots \[3, 8\], not \[3, 9\]"),
        ({"task": "depth"}, "task both, not depth"),
        ({"randomise": "na"}, r"randomise.na \[1.0, 1.1\], not \[1.0, 1.05\]"),
    ],
)
def test_other_settings_are_refused(tmp_path, changed, said, complete):
    _begin(tmp_path, complete)
    before = tree(tmp_path)
    if "randomise" in changed:
        changed = {"randomise": type(PLAN.randomise)(na=(1.0, 1.05))}
    settings = {"task": "both", "robots": (3, 8), "images_per_sequence": 3, "sequences": 2, "seed": 7} | changed
    with pytest.raises(InputError, match=said) as raised:
        generate(Plan(**settings), tmp_path, draw=cheap.draw)
    assert "another --out" in str(raised.value)
    assert tree(tmp_path) == before


def _begin(folder, complete=False):
    def three(work, jobs):
        for number, job in enumerate(jobs):
            if number == 3:
                raise Stop
            yield work(job)

    if complete:
        generate(PLAN, folder, draw=cheap.draw)
    else:
        with pytest.raises(Stop):
            generate(PLAN, folder, run=three, draw=cheap.draw)


def test_other_versions_may_not_go_on_but_may_find_it_complete(tmp_path):
    for complete in (False, True):
        folder = tmp_path / str(complete)
        _begin(folder, complete)
        path = folder / "dataset.json"
        path.write_text(path.read_text().replace('"opencv": "', '"opencv": "0.'))
        if complete:
            assert not generate(PLAN, folder, draw=cheap.draw)
        else:
            with pytest.raises(InputError, match=r"begun with opencv 0\."):
                generate(PLAN, folder, draw=cheap.draw)


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """Gives the hash of robots' shapes after a change of the files they come from."""
    source, folder = catalogue.cad_folder(), tmp_path / "cad"
    monkeypatch.setattr(catalogue, "cad_folder", lambda: folder)

    def of(robots, file=None, old=b"", new=b""):
        shutil.copytree(source, folder, dirs_exist_ok=True)
        if file:
            data = (folder / file).read_bytes()
            assert old in data
            (folder / file).write_bytes(data.replace(old, new, 1))
        clear()
        return versions(robots)["shapes"]

    def clear():
        _versions.cache_clear()
        catalogue.catalogue.cache_clear()

    yield of
    monkeypatch.undo()
    clear()


def test_only_what_its_robots_images_depend_on_forbids_going_on(shapes):
    before = shapes([3, 8])
    toml = "catalogue.toml"
    own = next(line for line in (catalogue.cad_folder() / toml).read_bytes().splitlines() if b"robot_3_" in line)
    for file, old, new in [
        (toml, b'provenance = "', b'provenance = "as measured; '),
        (toml, b"[robot.17.sizes]", b"[robot.17.sizes]\nmore_um = 1.0"),
        ("robot_17.stl", b"", b"x"),
    ]:
        assert shapes([3, 8], file, old, new) == before
    for file, old, new in [
        ("robot_03.stl", b"", b"x"),
        ("robot_08.stl", b"", b"x"),
        (toml, own, b'folder = "robot_3_other"'),
    ]:
        assert shapes([3, 8], file, old, new) != before
    assert shapes([3, 8]) == before != shapes([3])
    third = (catalogue.cad_folder() / toml).read_text().partition("[robot.3]")[2].partition("[robot.4]")[0]
    for name in ("depth_range_um", "symmetries"):
        line = next(line for line in third.splitlines() if line.startswith(name))
        other = f"{name} = " + {"depth_range_um": "1.5", "symmetries": "[]"}[name]
        changed = third.replace(line, other)
        assert shapes([3, 8], toml, third.encode(), changed.encode()) != before


def test_a_mesh_that_is_gone_is_named(shapes):
    shapes([3])
    (catalogue.cad_folder() / "robot_03.stl").unlink()
    _versions.cache_clear()
    with pytest.raises(InputError, match=r"cannot read .*robot_03\.stl .*: install microtwin again"):
        versions([3])


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="not empty and holds no data set"):
        generate(PLAN, tmp_path, draw=cheap.draw)
    assert list(tree(tmp_path)) == ["thesis.tex"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"config": 1, "versions": {}}', "\x00"])
def test_a_damaged_description_is_named(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=r"dataset.json is not a data set's"):
        generate(PLAN, tmp_path, draw=cheap.draw)


def test_two_at_once_are_refused(tmp_path):
    _begin(tmp_path)
    with Store(tmp_path).locked(), pytest.raises(InputError, match="another microtwin dataset is at work"):
        generate(PLAN, tmp_path, draw=cheap.draw)
    assert generate(PLAN, tmp_path, draw=cheap.draw)


@pytest.mark.parametrize("out", ["file", "file/set"])
def test_a_path_that_is_no_folder_is_named(tmp_path, out):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file.*: give"):
        generate(PLAN, tmp_path / out, draw=cheap.draw)


def test_a_worker_that_dies_is_named_and_the_same_command_goes_on(whole, tmp_path):
    item = PLAN.items()[40]
    died = run(tmp_path / "set", CHEAP_DEATH=item.key)
    assert died.returncode == 2
    assert died.stderr.startswith("cheap: a worker process died") and died.stderr.count("\n") == 1
    assert "run the same command again" in died.stderr
    assert len(list((tmp_path / "set" / PARTS).glob("*.json"))) > 10
    assert run(tmp_path / "set").returncode == 0
    assert tree(tmp_path / "set") == whole


@pytest.mark.parametrize(("limit", "file"), [(1000, "dataset.json"), (2700, ".jpg"), (30_000, "metadata.parquet")])
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(whole, tmp_path, limit, file):
    """Files that may not grow stand for a disk that is full: the same calls fail."""
    folder = tmp_path / "set"
    full = subprocess.run(
        [*COMMAND, str(folder), "2", "7"],
        capture_output=True,
        text=True,
        timeout=LONG_S,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)),
    )
    assert full.returncode == 2
    assert full.stderr.startswith("cheap: cannot write ") and full.stderr.count("\n") == 1
    assert file in full.stderr and "run the same command again" in full.stderr
    assert run(folder).returncode == 0
    assert tree(folder) == whole


def test_ctrl_c_while_a_worker_is_started_is_heard_but_not_by_the_worker():
    child = None
    with pytest.raises(KeyboardInterrupt), deaf_children():
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdout
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert child
    child.communicate()  # its input ends, and so does it
    assert child.returncode == 0


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(whole, tmp_path):
    folder = tmp_path / "set"
    process = subprocess.Popen(
        [*COMMAND, str(folder), "2", "7"],
        env=os.environ | {"CHEAP_HOLD": "20"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: list((folder / PARTS).glob("*.json")) or process.poll() is not None, "the first record")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    error = process.communicate(timeout=LONG_S)[1]
    assert process.returncode == 130
    assert error == "cheap: stopped; the same command goes on\n"
    wait_until(lambda: not _group(process.pid), "the end of all")  # Python's own tracker of semaphores ends last
    assert run(folder).returncode == 0
    assert tree(folder) == whole


def test_a_worker_that_sees_another_disk_or_other_versions_is_named(tmp_path):
    jobs = []

    def keep(work, todo):
        jobs.extend(todo)
        yield work(jobs[0])
        raise Stop

    with pytest.raises(Stop):
        generate(PLAN, tmp_path, run=keep, draw=cheap.draw)
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(InputError, match="give --out a folder that all machines share"):
        make(jobs[1])
    object.__setattr__(jobs[1], "versions", jobs[1].versions | {"numba": "0.1"})
    with pytest.raises(InputError, match=r"a worker has numba .*, not 0\.1: install the same there"):
        make(jobs[1])


@pytest.mark.parametrize("workers", [0, -2])
def test_too_few_workers_are_named(workers):
    with pytest.raises(InputError, match=f"workers is {workers}: give 1 or more"):
        in_processes(workers)


def test_records_and_settings_are_strict_json(tmp_path):
    _begin(tmp_path)
    for path in [tmp_path / "dataset.json", *(tmp_path / PARTS).glob("*.json")]:
        json.loads(path.read_text(), parse_constant=pytest.fail)


def test_run_here_is_the_default_and_draws_in_order():
    assert list(here(lambda job: {"key": job}, ["a", "b"])) == [{"key": "a"}, {"key": "b"}]  # type: ignore


def test_verify_agrees(tmp_path):
    generate(PLAN, tmp_path, draw=cheap.draw)
    found = manifest.verify(tmp_path)
    assert found.problems == [] and found.images == 246
    assert layout.parse_scaled_depths(next(tmp_path.rglob("P0_R0_depth.txt")))
