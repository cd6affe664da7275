"""The same data set from a cluster of other processes, whatever happens to them."""

import builtins
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from microtwin.errors import InputError
from microtwin.otmr.cluster import on_cluster
from microtwin.otmr.generate import generate
from microtwin.otmr.plan import Plan

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # worker processes import what draws by its name

import cheap  # noqa: E402
from cheap import PLAN, tree  # noqa: E402


@pytest.fixture(scope="module")
def distributed():
    return pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")


@pytest.fixture
def cluster(distributed, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv(cheap.PAUSE, "0.02")
    with distributed.LocalCluster(
        n_workers=2, processes=True, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as found:
        yield found


def test_a_cluster_that_loses_a_worker_writes_the_same_bytes(cluster, tmp_path):
    victims: list[int] = []

    def kill_one(images: int) -> None:
        if images >= 60 and not victims:
            victims.append(next(iter(cluster.workers.values())).pid)
            os.kill(victims[0], signal.SIGKILL)

    pids = {worker.pid for worker in cluster.workers.values()}
    with on_cluster(cluster.scheduler_address) as run:
        assert generate(PLAN, tmp_path / "cluster", run=run, draw=cheap.draw, report=kill_one)
    assert victims and victims[0] in pids
    limit_s = time.monotonic() + 300
    while victims[0] in {worker.pid for worker in cluster.workers.values()}:  # until its nanny has missed it
        assert time.monotonic() < limit_s, "the worker was not lost"
        time.sleep(0.02)
    generate(PLAN, tmp_path / "here", draw=cheap.draw)
    assert tree(tmp_path / "cluster") == tree(tmp_path / "here")


def test_the_optics_on_a_cluster_of_many_threads_write_the_same_bytes(distributed, tmp_path):
    plan = Plan("depth", (7, 17), 2, 1, 1)
    with (
        distributed.LocalCluster(
            n_workers=2, processes=True, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as found,
        on_cluster(found.scheduler_address) as run,
    ):
        with distributed.Client(found.scheduler_address) as client:
            assert set(client.run(set_threads, 4).values()) == {4}
        generate(plan, tmp_path / "cluster", run=run)
        with distributed.Client(found.scheduler_address) as client:
            assert 1 in client.run(set_threads).values()  # whoever drew
    generate(plan, tmp_path / "here")
    assert tree(tmp_path / "cluster") == tree(tmp_path / "here")
    assert len(list((tmp_path / "here").rglob("*.jpg"))) == 4


def set_threads(number: int = 0) -> int:
    import cv2

    if number:
        cv2.setNumThreads(number)
    return cv2.getNumThreads()


def test_images_that_kill_every_worker_are_one_error(cluster, tmp_path):
    cluster.scheduler.allowed_failures = 1  # the second worker that they kill is the last

    def die(job):
        os._exit(9)

    with (
        on_cluster(cluster.scheduler_address) as run,
        pytest.raises(InputError, match="several workers of the cluster died"),
    ):
        list(run(die, [0]))


def test_a_scheduler_that_goes_is_one_error(distributed, monkeypatch):
    class Impatient(distributed.Client):
        """Connects with patience; it is a scheduler that is gone for which it does not wait long."""

        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self._timeout = 0.5

    monkeypatch.setattr(distributed, "Client", Impatient)
    local = distributed.LocalCluster(
        n_workers=1, processes=True, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    )
    with on_cluster(local.scheduler_address) as run, pytest.raises(InputError, match="is gone"):
        for _ in run(abs, range(1000)):
            local.close()


def test_a_cluster_without_workers_is_named(distributed):
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty,
        on_cluster(empty.scheduler_address, patience_s=0.5) as run,
        pytest.raises(InputError, match="has no workers: start some"),
    ):
        list(run(abs, [1]))


@pytest.mark.parametrize("address", ["nonsense::", "tcp://127.0.0.1:9"])
def test_an_address_that_does_not_answer_is_named(distributed, address, monkeypatch):
    monkeypatch.setattr("microtwin.otmr.cluster._ANSWER_S", 0.5)
    with pytest.raises(InputError, match=f"no cluster answers at {address}"), on_cluster(address):
        pass


def test_without_the_extra_the_error_says_how_to_get_it(monkeypatch):
    load = builtins.__import__

    def refuse(name, *rest):
        if name == "distributed":
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"pip install 'microtwin\[cluster\]'"), on_cluster("tcp://127.0.0.1:9"):
        pass
