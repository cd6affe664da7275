"""Settings shared by all tests."""

import os
import signal

# Before NumPy and PyTorch are loaded, and for every process that a test starts: beside other work their threads wait
# for each other, and networks this small take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# A shell's background jobs ignore Ctrl-C, and so would every process that a test sends it to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing by the clock: the first call of a compiled kernel is slow, machines may be busy. Derandomised: a red run is
# red again on another machine.
settings.register_profile("microtwin", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("microtwin")


@pytest.fixture
def bench(monkeypatch):
    """A backend ``bench``, a twin watched by its camera alone, its object at (40, 10); the rigs opened so far."""
    from microtwin import paths, rig
    from microtwin.scene import PushScene

    made = []

    class Entry:
        name = "bench"

        def load(self):
            def make(seed=0):
                scene = PushScene(observe="camera", drift_sd_um_s=0.0)
                place = paths.polyline([(40.0, 10.0), (140.0, 10.0)])
                made.append(scene.open(place, np.random.default_rng(seed))[0])
                return made[-1]

            return make

    monkeypatch.setattr(rig, "entry_points", lambda group: [Entry()])
    return made
