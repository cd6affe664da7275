"""Settings shared by all tests."""

from hypothesis import settings

# No deadline: the first call of a compiled kernel is slow. Derandomised: a red run is red again on another machine.
settings.register_profile("microtwin", deadline=None, derandomize=True)
settings.load_profile("microtwin")
