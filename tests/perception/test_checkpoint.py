import dataclasses
import pickle

import pytest
import torch

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception import checkpoint, networks
from microtwin.perception.calibration import Calibration
from microtwin.perception.task import Task

TASK = Task("joint", (0, 30), (0, 45), (Pose(0, 0), Pose(30, 45)), 1.5, 2.0, "um", (3, 8))
SMALL = {"widths": [8, 16], "blocks": 1}
CALIBRATION = Calibration(1.5, 0.7, 2.0, 99)


def saved(path, network="twinnet", options=None, size=32):
    model = networks.build(network, TASK.n_outputs, size=size, options=options)
    checkpoint.save(path, model, TASK, network, size, options or {}, CALIBRATION, {"scores": {"loss": 1.0}})
    return model


def changed(path, **values):
    content = torch.load(path, weights_only=True)
    torch.save({name: value for name, value in {**content, **values}.items() if value is not ...}, path)


@pytest.mark.parametrize(
    ("network", "options"),
    [("twinnet", SMALL), ("nas_pose", {"num_conv": 2, "num_filters": 8, "fc_dim": 8}), ("resnet18", {})],
)
def test_what_was_saved_comes_back(tmp_path, network, options):
    model = saved(tmp_path / "c.pt", network, options).eval()
    found = checkpoint.load(tmp_path / "c.pt")
    assert found.task == TASK and found.calibration == CALIBRATION and found.extra == {"scores": {"loss": 1.0}}
    assert (found.network, found.size, found.options) == (network, 32, options) and not found.model.training
    assert {p.dtype for p in found.model.parameters()} == {torch.float32}
    images = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(found.model(images), model(images), rtol=0.02, atol=0.02)


def test_weights_take_half_the_room_and_statistics_stay_exact(tmp_path):
    model = networks.build("twinnet", TASK.n_outputs, size=32, options=SMALL)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_var is not None
            module.running_var.fill_(1e6 + 1 / 3)  # more than half precision holds
    with torch.no_grad():
        model.body.head.bias.fill_(1e5)  # pyright: ignore
    state = checkpoint.halved(model)
    assert state["body.head.weight"].dtype == torch.float16
    assert state["body.head.bias"].dtype == torch.float32  # would not fit
    running = [value for name, value in state.items() if name.endswith("running_var")]
    assert running and all(value.dtype == torch.float32 and value.max() > 1e6 for value in running)


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "c.pt"
    with pytest.raises(InputError, match="no checkpoint"):
        checkpoint.load(path)
    with pytest.raises(InputError, match="is a folder"):
        checkpoint.load(tmp_path)
    saved(path, options=SMALL)
    data = path.read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 30):
        path.write_bytes(data[:cut])
        with pytest.raises(InputError, match="cut short or not a checkpoint"):
            checkpoint.load(path)
    path.write_bytes(b"not a checkpoint at all" * 10)
    with pytest.raises(InputError, match="cut short or not a checkpoint"):
        checkpoint.load(path)
    torch.save({"model": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="is no checkpoint of microtwin train"):
        checkpoint.load(path)


class _Harmful:
    def __reduce__(self):
        return print, ("harm",)


def test_code_in_a_file_is_not_run(tmp_path, capsys):
    torch.save({"mark": checkpoint.MARK, "format": 1, "extra": _Harmful()}, tmp_path / "c.pt")
    with pytest.raises(InputError, match="not a checkpoint"):
        checkpoint.load(tmp_path / "c.pt")
    (tmp_path / "p.pt").write_bytes(pickle.dumps(_Harmful()))
    with pytest.raises(InputError, match="not a checkpoint"):
        checkpoint.load(tmp_path / "p.pt")
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"format": 2, "microtwin": "9.1"}, r"has format 2, this microtwin reads 1: install microtwin 9\.1"),
        ({"task": ...}, "does not fit its network"),
        ({"weights": {}}, "does not fit its network"),
        ({"options": {"widths": [4, 4]}}, "does not fit its network"),
        ({"network": "alexnet"}, "alexnet"),
        ({"calibration": {"pitch_temperature": -1.0}}, "calibrate again"),
        ({"task": dataclasses.replace(TASK, pitches_deg=(0, 15, 30)).to_json()}, "does not fit its network"),
    ],
)
def test_a_checkpoint_that_does_not_fit(tmp_path, values, said):
    saved(tmp_path / "c.pt", options=SMALL)
    changed(tmp_path / "c.pt", **values)
    with pytest.raises(InputError, match=said):
        checkpoint.load(tmp_path / "c.pt")
