"""The Mie oracle, loaded once by its path: test folders are no packages."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mie():
    spec = importlib.util.spec_from_file_location("mie", Path(__file__).with_name("mie.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
