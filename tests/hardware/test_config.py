"""The rig's TOML file: what is written is read again, and whatever is wrong is one line that names the remedy."""

import math
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin_hardware.config import (
    CAMERA_DRIVERS,
    FLIPS,
    PROFILES,
    CameraConfig,
    CoilsConfig,
    RigConfig,
    RobotConfig,
    StageConfig,
    load,
    save,
)
from microtwin_hardware.plugins import named_class
from microtwin_hardware.toml_text import as_toml, with_changes

words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20).filter(str.strip)
numbers = st.floats(allow_nan=False)
options = st.dictionaries(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    st.recursive(
        st.booleans() | st.integers(-(2**62), 2**62) | numbers | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab -.é", max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@st.composite
def rigs(draw):
    watchdog = draw(st.integers(50, 500))
    coils = CoilsConfig(
        profile=draw(st.sampled_from(PROFILES)),
        port=draw(words),
        full_scale_mt=draw(st.tuples(*[st.floats(0.1, 100.0)] * 3)),
        equalise=draw(st.booleans()),
        polarity=draw(st.tuples(*[st.sampled_from((1, -1))] * 3)),
        max_duty=draw(st.floats(0.01, 1.0)),
        watchdog_ms=watchdog,
        heartbeat_ms=draw(st.integers(0, watchdog // 2)),
    )
    rate = draw(st.floats(0.1, 2000.0))
    camera = CameraConfig(
        driver=draw(st.sampled_from((*CAMERA_DRIVERS, "my.cameras:Best"))),
        source=draw(words),
        shape=draw(st.none() | st.tuples(*[st.integers(16, 20_000)] * 2)),
        um_per_px=draw(st.floats(0.01, 20.0)),
        frame_rate_hz=rate,
        exposure_ms=draw(st.none() | st.floats(0.01, 0.5)),
        flip=draw(st.sampled_from(FLIPS)),
        rotation_deg=draw(st.floats(-180.0, 180.0)),
        timeout_s=draw(st.floats(max(0.01, 1.501 / rate), 60.0)),
        options=draw(options),
    )
    stage = StageConfig(driver="simulated", direction=draw(st.sampled_from((1, -1))), options=draw(options))
    return RigConfig(coils, camera, stage, RobotConfig(draw(st.floats(0.0, 1000.0))))


@given(rigs())
def test_what_is_written_is_read_again(tmp_path_factory, config):
    path = tmp_path_factory.mktemp("rig") / "rig.toml"
    save(config, path)
    assert load(path) == config


@given(rigs(), st.floats(0.01, 20.0), st.floats(0.0, 1000.0))
def test_changed_values_and_nothing_else(config, um_per_px, step_out_hz):
    text = as_toml(config, {}) + "# the last word\n"
    changes = {"camera.um_per_px": um_per_px, "robot.step_out_hz": step_out_hz}
    new = with_changes(text, changes, {"camera.um_per_px": "measured\ntoday"})
    before, after = text.splitlines(), new.splitlines()
    assert len(before) == len(after)
    different = [line for line, old in zip(after, before, strict=True) if line != old]
    assert all(line.startswith(("um_per_px = ", "step_out_hz = ")) for line in different)
    expected = replace(
        config, camera=replace(config.camera, um_per_px=um_per_px), robot=RobotConfig(step_out_hz=step_out_hz)
    )
    assert _read(new) == expected


def _read(text):
    from microtwin_hardware.config import from_tables

    return from_tables(tomllib.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "camera.um_per_px = 0.2\n",  # dotted: not to be edited line by line
        "camera = {um_per_px = 0.2}\n",
        "[camera.options]\num_per_px = 7\n",
        "[camera]\nflip = 'both' # no scale here\n[coils]\nport = 'x'\n",
        '[camera]\nsource = """\num_per_px = 3\n"""\num_per_px = 0.2\n',
        "[robot]\nstep_out_hz=7 #old\n[ camera ]\n  um_per_px=0.2",
    ],
)
def test_odd_files_are_changed_right(text):
    old = _read(text)
    new = with_changes(text, {"camera.um_per_px": 0.5}, {})
    assert _read(new) == replace(old, camera=replace(old.camera, um_per_px=0.5))


def test_an_empty_file_is_the_defaults(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_bytes(b"\xef\xbb\xbf")  # nothing but the mark of a Windows editor
    assert load(path) == RigConfig()
    assert RigConfig().coils.full_scale_mt == (3.0, 5.0, 13.0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[coils", "is not valid TOML .*line 1|document"),
        ("[coil]", "coil is unknown: did you mean coils"),
        ("[coils]\nprofil = 'lab-8'", "coils.profil is unknown: did you mean profile"),
        ("[stage]\ndirection = 2", "stage.direction has 2: give 1 or -1"),
        ("[coils]\nprofile = 'lab8'", 'coils.profile is "lab8": did you mean lab-8'),
        ("[coils]\nfull_scale_mt = [0.003, 0.005, 0.013]", "tesla"),
        ("[coils]\nfull_scale_mt = [30, 50, 130]", "gauss"),
        ("[coils]\nfull_scale_t = [3, 5, 13]", "give full_scale_mt"),
        ("[coils]\nfull_scale_mt = 5", "3 numbers in square brackets"),
        ("[coils]\nmax_duty = 1.2", "coils.max_duty is 1.2: give 0.01 to 1"),
        ("[coils]\nmax_duty = nan", "coils.max_duty is nan"),
        ("[coils]\nequalise = 1", "true or false"),
        ("[coils]\nbaud = '500000'", "without quotes"),
        ("[coils]\nbaud = 115200.5", "whole number"),
        ("[coils]\npolarity = [1, 0, 1]", "give 1 or -1"),
        ("[coils]\nwatchdog_ms = 0.4", r"is it in s\?"),
        ("[coils]\nheartbeat_ms = 240", "one lost heartbeat"),
        ("[camera]\num_per_px = 172.5", r"is it in nm\?"),
        ("[camera]\num_per_pixel = 0.17", "give um_per_px"),
        ("[camera]\nexposure_us = 5000", "give exposure_ms"),
        ("[camera]\nexposure_ms = 0.005", r"is it in s\?"),
        ("[camera]\nexposure_ms = 5000", r"41.67 ms at 24 frames per second \(is it in µs\?"),
        ("[camera]\nfps = 24", "give frame_rate_hz"),
        ("[camera]\nrotation_rad = 0.1", "give rotation_deg"),
        ("[camera]\nsource = 0", "text in quotes"),
        ("[camera]\ndriver = 'opencvv'", "did you mean opencv"),
        ("[camera]\ndriver = 'my.module'", "choose one of|did you mean"),
        ("[camera]\noptions = 3", r"\[camera.options\]"),
        ("[camera.options]\nsince = 2020-01-01", "camera.options.since"),
        ("um_per_px = 0.2", r"put it under \[camera\]"),
        ("coils = 3", r"\[coils\]"),
        ("[robot]\nstep_out = 60", "give step_out_hz"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path, text, named):
    path = tmp_path / "my_rig.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named) as caught:
        load(path)
    assert "my_rig.toml" in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*nowhere.toml.*give the rig's TOML file"):
        load(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="cannot read"):
        load(tmp_path)
    (tmp_path / "picture.toml").write_bytes(bytes(range(128, 200)))
    with pytest.raises(InputError, match="not a text file"):
        load(tmp_path / "picture.toml")


def test_python_is_checked_like_the_file():
    with pytest.raises(InputError, match=r"camera.um_per_px is -1: give 0.01 to 20"):
        CameraConfig(um_per_px=-1)
    assert CoilsConfig(full_scale_mt=[1, 2, 3]).full_scale_mt == (1.0, 2.0, 3.0)  # pyright: ignore[reportArgumentType]
    assert math.isinf(CameraConfig(options={"x": math.inf}).options["x"])


def test_a_driver_of_ones_own_that_does_not_load_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "half_a_driver.py").write_text("class Camera\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"half_a_driver does not load \(SyntaxError.*\); mend it"):
        named_class("half_a_driver:Camera", "camera.driver")


def test_a_camera_slower_than_its_timeout_is_told_before_it_is_blamed():
    with pytest.raises(InputError, match=r"camera\.timeout_s is 0\.4: give at least 0\.75, one and a half"):
        CameraConfig(frame_rate_hz=2.0)
    CameraConfig(frame_rate_hz=2.0, timeout_s=1.0)
