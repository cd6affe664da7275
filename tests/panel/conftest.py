"""What the panel's tests share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def modules_stay():
    """NiceGUI's simulation forgets the modules whose pages it has shown, and the packages above them."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "microtwin"}
    yield
    sys.modules.update(before)
