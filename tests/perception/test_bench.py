"""Cells of the perception experiments that are done by several processes at once."""

import functools
import importlib
import json
from pathlib import Path

import pytest

from microtwin.errors import InputError

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def table4(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))  # as the scripts themselves are run; workers get it too
    return importlib.import_module("otmr_table4_depth")


def test_cells_are_the_same_however_many_are_done_at_once(table4, tmp_path):
    cells = [cell for cell in table4.plan("smoke", ["twinnet"], "sequence", 0) if cell.settings["robots"][0] < 12]
    rows = {}
    for workers in (1, 2):
        out = tmp_path / str(workers)
        work = functools.partial(table4.work, out=out, sets=tmp_path, device="cpu")
        ready = [table4.images_of(cell, cell.settings["robots"][0], tmp_path) for cell in cells]
        assert len(set(ready)) == 2
        found = [row["robot"] for row in table4.bench.run(out, cells, lambda cell: None, work, workers)]
        kept = [json.loads((out / "cells" / f"{cell.name}.json").read_text())["found"]["robot"] for cell in cells]
        rows[workers] = json.dumps(found)  # some scores of so few images are NaN
        assert rows[workers] == json.dumps(kept) and not list((out / "fits").iterdir())
        assert [*found[0], *found[1]] == ["8", "10"]  # in the order of the cells
    assert rows[1] == rows[2]


def test_what_a_worker_refuses_is_said_here(table4, tmp_path):
    (cell, *_) = table4.plan("smoke", ["twinnet"], "sequence", 0)
    work = functools.partial(table4.work, out=tmp_path, sets=tmp_path / "file", device="cpu")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="file"):
        table4.bench.run(tmp_path, [cell], lambda cell: None, work, 2)
    with pytest.raises(InputError, match="workers is 0: give 1 or more"):
        table4.bench.run(tmp_path, [cell], lambda cell: None, work, 0)


def test_one_gpu_does_the_laptop_s_images_at_the_paper_s_size(table4):
    table2 = importlib.import_module("otmr_table2_pose")
    for table in (table2, table4):
        assert table.images("gpu") == table.images("laptop") and table.effort("gpu", "resnet50").size == 224
        assert table.effort("gpu", "vit_b_16").learning_rate < table.effort("gpu", "resnet50").learning_rate
    assert {cell.settings["fold"] for cell in table4.plan("gpu", ["cnn", "twinnet"], "frame", 0, 2)} == {0, 1}
    assert {cell.settings["fold"] for cell in table2.plan("gpu", ["cnn"], "sequence", 0, most=3)} == {0, 1, 2}
