"""Light that is kept: rendered once, the same in any order, and never another plan's."""

import dataclasses
import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.otmr.plan import Plan
from microtwin.otmr.randomisation import Randomisation
from microtwin.perception import light_store
from microtwin.perception.light_store import LightStore
from microtwin.perception.lights import Lights

TWO = Plan("depth", (7, 8), 3, 5, 1)  # robots, images of a sequence, sequences, seed


@pytest.fixture
def optics(monkeypatch) -> SimpleNamespace:
    """Light made up, in this process and in a shuffled order; ``rendered`` is the sequences that were."""
    found = SimpleNamespace(rendered=[])

    def light(job: Any) -> Lights:
        sequence = job.sequence
        found.rendered.append((sequence.robot, sequence.number))
        rng, n = sequence.streams(job.seed)[0], sequence.images
        pitch, roll = (np.full(n, v) for v in (sequence.pose.pitch_deg, sequence.pose.roll_deg))
        picture = rng.uniform(size=(n, 4, 4)).astype(np.float16)
        depths = rng.uniform(size=n)
        return Lights(picture, pitch, roll, depths, np.full(n, sequence.robot), np.full(n, sequence.number))

    def in_processes(workers: int):
        def run(work, jobs):
            jobs = list(jobs)
            random.shuffle(jobs)
            yield from map(work, jobs)

        return run

    monkeypatch.setattr("microtwin.perception.lights._light", light)
    monkeypatch.setattr(light_store, "in_processes", in_processes)
    return found


def same(one: Lights | None, other: Lights | None) -> bool:
    assert one is not None and other is not None
    return all(np.array_equal(value, getattr(other, name)) for name, value in vars(one).items())


def chunks(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npz"))


@pytest.mark.parametrize(("per_chunk", "counts"), [(1, [2, 2, 2, 2, 2]), (2, [4, 6]), (5, [10])])
def test_chunks_have_every_sequence_once(tmp_path, optics, per_chunk, counts):
    store = LightStore(tmp_path, TWO, per_chunk=per_chunk)
    parts = [store.chunk(k) for k in range(len(store))]
    assert [len(part) // 3 for part in parts if part] == counts
    assert sorted(optics.rendered) == [(robot, k) for robot in (7, 8) for k in range(5)]
    every = store.all()
    assert every is not None and len(every) == 30 and len(optics.rendered) == 10  # nothing twice


def test_a_chunk_is_the_same_first_or_last_or_again(tmp_path, optics):
    ahead, behind = LightStore(tmp_path / "a", TWO), LightStore(tmp_path / "b", TWO)
    first = [ahead.chunk(k) for k in range(5)]
    for k in (4, 2, 0, 3, 1):
        assert same(behind.chunk(k), first[k])
    before = [path.read_bytes() for path in chunks(tmp_path / "a")]
    assert [path.read_bytes() for path in chunks(tmp_path / "b")] == before
    chunks(tmp_path / "a")[3].unlink()
    optics.rendered.clear()
    assert same(LightStore(tmp_path / "a", TWO).chunk(3), first[3])
    assert sorted(optics.rendered) == [(7, 3), (8, 3)]
    assert [path.read_bytes() for path in chunks(tmp_path / "a")] == before


def test_what_was_rendered_is_read(tmp_path, optics):
    kept = LightStore(tmp_path, TWO, per_chunk=2).all()
    optics.rendered.clear()
    assert same(LightStore(tmp_path, TWO, per_chunk=2, workers=1).all(), kept) and not optics.rendered


@pytest.mark.parametrize("harm", ["cut", "empty", "text", "arrays missing"])
def test_a_chunk_that_is_not_whole_is_rendered_again(tmp_path, optics, harm):
    kept = LightStore(tmp_path, TWO, per_chunk=5).all()
    (path,) = chunks(tmp_path)
    whole = path.read_bytes()
    if harm == "arrays missing":
        np.savez(path, light=np.zeros(3))
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"gone"}[harm])
    optics.rendered.clear()
    assert same(LightStore(tmp_path, TWO, per_chunk=5).all(), kept)
    assert len(optics.rendered) == 10 and path.read_bytes() == whole


def test_a_stop_loses_the_chunk_that_is_begun_and_no_other(tmp_path, optics):
    def stop() -> bool:
        return len(optics.rendered) >= 5  # within the third chunk

    assert LightStore(tmp_path, TWO, stop=stop).all() is None
    assert len(chunks(tmp_path)) == 2 and not list(tmp_path.glob("*.tmp*"))
    optics.rendered.clear()
    every = LightStore(tmp_path, TWO).all()
    assert {number for _, number in optics.rendered} == {2, 3, 4}
    assert same(every, LightStore(tmp_path / "other", TWO).all())


def test_it_reports_images_of_all_chunks(tmp_path, optics):
    said: list[tuple[int, int]] = []
    LightStore(tmp_path, TWO, report=lambda *counts: said.append(counts)).all()
    assert said == [(done, 30) for done in range(3, 31, 3)]


OTHERS = [
    (dataclasses.replace(TWO, seed=2), {}),
    (dataclasses.replace(TWO, images_per_sequence=4), {}),
    (dataclasses.replace(TWO, robots=(7,)), {}),
    (dataclasses.replace(TWO, randomise=Randomisation(lean_deg=1.0)), {}),
    (TWO, {"shape": 1.0}),
    (TWO, {"per_chunk": 2}),
]


@pytest.mark.parametrize(("plan", "changes"), OTHERS)
def test_light_of_another_plan_is_refused(tmp_path, optics, plan, changes):
    LightStore(tmp_path, TWO).chunk(0)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="holds light of another plan: give another folder, or remove it"):
        LightStore(tmp_path, plan, **changes)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_plan_that_cannot_be_read_is_no_plan_of_ours(tmp_path, optics):
    LightStore(tmp_path, TWO)
    path = tmp_path / light_store.PLAN
    assert json.loads(path.read_text())["robots"] == [7, 8]
    path.write_text(path.read_text()[:20])
    with pytest.raises(InputError, match="another plan"):
        LightStore(tmp_path, TWO)


def test_bad_settings_of_a_store(tmp_path, optics):
    for per_chunk in (0, 6):
        with pytest.raises(InputError, match=f"{per_chunk} sequences in a chunk: give 1 to 5"):
            LightStore(tmp_path / "new", TWO, per_chunk=per_chunk)
    assert not (tmp_path / "new").exists()
    store = LightStore(tmp_path, TWO)
    for number in (-1, 5):
        with pytest.raises(InputError, match=f"no chunk {number}: there are 5"):
            store.chunk(number)


def test_workers_render_as_this_process_does(tmp_path):
    """The one test with real light from real processes."""
    plan = Plan("depth", (8,), 1, 1, 5)
    every = LightStore(tmp_path, plan, workers=1, shape=1.0).all()
    from microtwin.perception.lights import render_lights

    (here,) = render_lights(plan.items(), plan.randomise, plan.seed, lambda work, jobs: (work(j) for j in jobs), 1.0)
    assert same(every, here)
