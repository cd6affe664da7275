import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import microtwin
from microtwin.errors import InputError

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()


def test_installed_version_is_the_module_s():
    assert version("microtwin") == microtwin.__version__


def test_citation_and_changelog_know_the_version():
    assert f"version: {microtwin.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^## (Unreleased|\d)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("console_scripts", "microtwin", "microtwin.cli:main"),
        ("microtwin.backends", "sim", "microtwin.simulated:SimulatedRig"),
        ("microtwin.backends", "hardware", "microtwin_hardware.rig:open_hardware"),
        ("microtwin.commands", "doctor", "microtwin_hardware.commands:doctor"),
        ("microtwin.commands", "calibrate-rig", "microtwin_hardware.commands:calibrate_rig"),
    ],
)
def test_entry_point_leads_somewhere(group, name, value):
    (entry,) = entry_points(group=group, name=name)
    assert entry.value == value
    assert callable(entry.load())


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys; before = set(sys.modules); import microtwin; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["microtwin"]


def test_the_environments_are_installed_beside_the_package(tmp_path):
    code = "import microtwin_envs, gymnasium; print(*gymnasium.registry, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "microtwin/PushPath-v0" in done.stdout.split()


def test_every_requirement_has_one_plain_pin_that_satisfies_it():
    pins = {}
    for line in PINS:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9A-Za-z.]*)", line)
        assert match, f"{line} is not name==version"
        pins[canonicalize_name(match[1])] = match[2]
    assert len(pins) == len(PINS)
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *(text for extra in extras.values() for text in extra)]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:  # an extra made of others
            assert requirement.extras and requirement.extras <= extras.keys()
        else:
            assert pins[canonicalize_name(requirement.name)] in requirement.specifier


def test_an_input_error_stays_on_one_line():
    assert str(InputError("file 'a\nb': choose\tanother")) == "file 'a b': choose another"
