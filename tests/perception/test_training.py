import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.perception.training import Training, device_of, low_precision


@given(
    st.sampled_from(["pose", "depth", "joint"]),
    st.integers(16, 256),
    st.integers(1, 100),
    st.floats(1e-6, 1.0),
    st.booleans(),
    st.dictionaries(st.sampled_from(["blocks", "dropout"]), st.integers(0, 9)),
)
def test_a_training_survives_json(kind, size, epochs, learning_rate, augment, options):
    training = Training(kind, "cnn", size, epochs, learning_rate=learning_rate, augment=augment, options=options)
    assert Training.from_json(json.loads(json.dumps(training.to_json()))) == training


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "colour"}, "kind is 'colour': choose pose, depth or joint"),
        ({"network": "alexnet"}, "network is 'alexnet': choose cnn"),
        ({"size": 8}, "size is 8"),
        ({"size": 512}, "size is 512 px: give 16 to 256"),
        ({"size": 64.0}, "size is 64.0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"batch": True}, "batch is True"),
        ({"seed": -1}, "seed is -1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0"),
        ({"precision": "float16"}, "precision is 'float16'"),
        ({"device": "tpu"}, "device is 'tpu'"),
    ],
)
def test_values_that_cannot_be(values, said):
    with pytest.raises(InputError, match=said):
        Training(**values)
    with pytest.raises(InputError, match=said):
        Training.from_json(values)


def test_settings_of_another_kind():
    with pytest.raises(InputError, match="cannot be read"):
        Training.from_json({"colour": 3})


def test_the_device_that_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto") == device_of("cpu") == "cpu"
    with pytest.raises(InputError, match="finds no GPU"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of("auto") == device_of("cuda") == "cuda" and device_of("cpu") == "cpu"


@pytest.mark.parametrize("has", [True, False])
def test_low_precision_where_the_machine_multiplies_it(monkeypatch, has):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert low_precision("auto", "cpu") is has
    assert low_precision("bfloat16", "cpu") and not low_precision("float32", "cpu")
