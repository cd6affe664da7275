"""experiments/measure_crops.py finds what was put into a crop."""

import importlib.util
import struct
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from microtwin.errors import InputError
from microtwin.optics import Sensor

ROOT = Path(__file__).parents[2]
REAL = ROOT / "../shared/reference/otmr"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("measure_crops", ROOT / "experiments" / "measure_crops.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def crop(robot: float = 1.0, **settings) -> np.ndarray:
    """A camera's picture of a textured disc of that contrast."""
    row, column = np.indices((256, 256)) - 128.0
    radius = np.hypot(row, column)
    light = 1 + robot * np.where(radius < 60, 0.4 * np.sin(radius / 3), 0.0)
    chip = Sensor(shape=(256, 256), prnu=0.0, **{"dust": 0, "gradient": (0.0, 0.0)} | settings)
    return chip.expose(light, np.random.default_rng(0))


def test_background_gradient_and_noise_are_measured_beside_the_robot(script):
    found = script.measure(crop(background_dn=100.0, gradient=(0.03, -0.04), electrons=4000.0))
    assert found["background_dn"] == pytest.approx(100.0, abs=1.0)
    assert found["gradient"] == pytest.approx(5.0, abs=0.5)
    assert found["noise_dn"] == pytest.approx(100 / 4000**0.5, rel=0.15)
    assert abs(found["neighbours"]) < 0.1
    assert found["blocks"] == pytest.approx(1.0, abs=0.1)
    assert found["dust"] == 0


def test_interpolation_and_jpeg_are_told_apart(script):
    smooth = script.measure(cv2.GaussianBlur(crop(electrons=1500.0), (3, 3), 0.7))
    assert smooth["neighbours"] > 0.3 and smooth["blocks"] < 1.2
    packed = script.measure(crop(jpeg_quality=90))
    assert packed["blocks"] > 1.5


def test_dust_is_counted_and_sized(script):
    found = script.measure(crop(dust=8, dust_radius_px=4.0, dust_depth=0.6, electrons=20_000.0, seed=3))
    assert 4 <= found["dust"] <= 12
    assert 3 < found["dust_diameter_px"] < 9
    assert 10 < found["dust_contrast"] < 60


def test_it_writes_a_table_and_a_picture(script, tmp_path, capsys):
    folder = tmp_path / "crops" / "P0_R0"
    folder.mkdir(parents=True)
    for k in range(4):
        cv2.imwrite(str(folder / f"{k}.png"), crop(background_dn=80.0 + k))
    cv2.imwrite(str(folder / "wide.png"), np.zeros((300, 256), np.uint8))  # no crop
    script.main(crops=tmp_path / "crops", out=tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["crops.csv", "crops.png"]
    table = pd.read_csv(tmp_path / "out" / "crops.csv")
    assert table.kind.value_counts().to_dict() == {"real": 4, "synthetic": 4}
    assert table[table.kind == "real"].background_dn.to_numpy() == pytest.approx([80, 81, 82, 83], abs=1)
    data = (tmp_path / "out" / "crops.png").read_bytes()
    assert struct.unpack(">II", data[16:24])[0] > 1000 and len(data) > 20_000
    assert "background (grey" in capsys.readouterr().out


@pytest.mark.skipif(not REAL.is_dir(), reason="the published crops are not in ../shared/reference")
def test_the_defaults_cover_the_published_crops(script):
    table = pd.DataFrame([script.measure(picture) for picture in script.read(REAL).values()])
    drawn = pd.DataFrame([script.measure(picture) for picture in script.synthetic(12, 1).values()])
    assert len(table) >= 20
    for name in ("background_dn", "gradient", "noise_dn", "neighbours", "dust_diameter_px"):
        low, high = np.nanmin(drawn[name]), np.nanmax(drawn[name])
        assert float(low) * 0.9 <= float(np.nanmedian(table[name])) <= float(high) * 1.1, name


@pytest.mark.parametrize("setting", [{"seed": -1}, {"crops": Path("nowhere")}])
def test_bad_settings_are_refused_before_it_writes(script, setting, tmp_path):
    with pytest.raises(InputError, match="give"):
        script.main(**{"crops": REAL} | setting, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())
