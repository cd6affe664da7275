"""Costs against closed forms, torchvision's published figures and Table III of the OTMR paper."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from microtwin.errors import InputError
from microtwin.perception import torchvision_models
from microtwin.perception.cost import cost, throughput
from microtwin.perception.networks import NAMES, PAPER_NAMES, build

# Table III: millions of parameters, "GFLOPs"; Table V's depth network is not reproducible and has its own test.
TABLE3 = {
    "cnn": (25.79, 0.53),
    "vgg16": (134.33, 15.47),
    "resnet18": (11.18, 1.82),
    "resnet50": (23.54, 4.13),
    "efficientnet_b0": (4.03, 0.41),
    "mobilenet_v2": (2.24, 0.33),
    "vit_b_16": (86.25, 16.86),
    "nas_pose": (33.66, 3.11),
}
PAPER_OUTPUTS = 16  # classes of pitch and roll together: what its parameters come out with


def on_meta(name, n_outputs=PAPER_OUTPUTS, size=224, **rest):
    with torch.device("meta"):
        return build(name, n_outputs, size=size, **rest)


@pytest.mark.parametrize("name", TABLE3)
def test_counts_are_table_3_s(name):
    found = cost(on_meta(name), 224)
    params, gmacs = TABLE3[name]
    assert found.published_macs / 1e9 == pytest.approx(gmacs, abs=0.006)
    if name == "vit_b_16":  # 0.44 M more than ViT-B/16 has with any small head
        assert found.params / 1e6 == pytest.approx(params, rel=0.01)
    else:
        assert round(found.params / 1e6, 2) == params


def test_the_paper_s_networks_had_sixteen_outputs():
    """Parameters grow by so many for each output; the table's two decimals leave one number of them."""

    def params(name, n_outputs):
        return sum(parameter.numel() for parameter in on_meta(name, n_outputs).parameters())

    fits = set(range(1, 100))
    for name, (millions, _) in TABLE3.items():
        if name != "vit_b_16":
            one, two = params(name, 1), params(name, 2)
            fits &= {n for n in fits if round((one + (two - one) * (n - 1)) / 1e6, 2) == millions}
    assert fits == {PAPER_OUTPUTS}


def test_table_5_s_depth_network_is_near():
    found = cost(on_meta("nas_depth", 1), 224)
    assert found.params / 1e6 == pytest.approx(9.71, rel=0.04)
    assert found.published_macs / 1e9 == pytest.approx(5.85, rel=0.06)


@pytest.mark.parametrize("name", [name for name in TABLE3 if name not in ("cnn", "nas_pose")])
def test_counts_are_torchvision_s(name):
    """Its documentation's, of the same networks with 1000 outputs."""
    published = torchvision_models.models().get_model_weights(name).DEFAULT.meta
    found = cost(on_meta(name, 1000), 224)
    assert found.params == published["num_params"]
    assert found.macs / 1e9 == pytest.approx(published["_ops"], abs=0.003)


def test_our_network_costs_a_hundredth_of_a_transformer():
    ours, vit = cost(on_meta("twinnet", 37, 128), 128), cost(on_meta("vit_b_16"), 224)
    assert ours.macs < vit.macs / 100 and ours.params < vit.params / 40
    assert ours.macs == pytest.approx(62.2e6, rel=0.01)


def test_closed_forms():
    side, grouped = 12, nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False)
    layers = [nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8), nn.ReLU(), grouped, nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(8 * 6 * 6, 7))
    found = cost(model, side)
    assert found.params == 8 * 26 + 16 + 8 * 2 * 9 + 7 * (288 + 1)
    assert found.macs == 36 * (8 * 25 + 8 * 2 * 9) + 7 * 288
    assert (found.attention_macs, found.normalised) == (0, 8 * 36)
    assert found.published_macs == found.macs + 4 * 8 * 36


class Attending(nn.Module):
    """Four tokens of 16 numbers that attend to each other."""

    def __init__(self, norm: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.norm = nn.LayerNorm(16) if norm else nn.Identity()

    def forward(self, images):
        tokens = self.norm(images.flatten(1).view(-1, 4, 16))
        return self.attention(tokens, tokens, tokens, need_weights=False)[0]


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_attention_is_counted_however_it_is_computed(norm, frozen):
    found = cost(Attending(norm).eval().requires_grad_(not frozen), 8)
    assert found.attention_macs == 2 * 4 * 4 * 16
    assert found.macs - found.attention_macs == 4 * (3 * 16 * 16 + 16 * 16)
    assert found.normalised == (64 if norm else 0)


@pytest.mark.parametrize("name", ["twinnet", "mobilenet_v2"])
def test_a_real_network_counts_as_one_without_memory(name):
    assert cost(build(name, 4, size=32), 32) == cost(on_meta(name, 4, 32), 32)


def test_counting_and_timing_leave_the_model_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(4 * 36, 2))
    model[2].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert cost(model, 8) == cost(model, 8)
    assert throughput(model, 8, 2, 0.01) > 0
    assert [module.training for module in model] == [True, True, False, True, True] and model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.backends.mha.get_fastpath_enabled()


def test_throughput_is_the_median_of_batches_over_time(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr("microtwin.perception.cost.time.perf_counter", lambda: float(next(now)))
    seen = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    model.register_forward_hook(lambda module, given, made: seen.append(len(made)))
    # a clock that ticks once a look: each run is one batch of 8 images in one second
    assert throughput(model, 4, 8, seconds=0.5) == 8.0
    assert seen == [8] * 6


def test_each_network_of_the_table_is_one_of_ours():
    assert {*TABLE3, "nas_depth", "twinnet"} == set(NAMES) == set(PAPER_NAMES)


@pytest.fixture(scope="module")
def table3():
    path = Path(__file__).parents[2] / "experiments" / "otmr_table3_cost.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_table_3_is_written_and_drawn_beside_the_paper_s(table3, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("microtwin.perception.cost.RUNS", 1)
    monkeypatch.setattr(table3, "settings", lambda scale: (32, 2, 0.01))
    monkeypatch.setattr(table3, "CORES", 1)  # two threads wait for each other where others work too
    threads = torch.get_num_threads()
    table3.main("smoke", ("twinnet", "cnn", "mobilenet_v2"), out=tmp_path)
    table = pd.read_csv(tmp_path / "cost.csv").set_index("network")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cost.csv", "cost.png"]
    assert list(table.index) == ["cnn", "mobilenet_v2", "twinnet"]
    assert table.params_m.round(2).tolist() == [25.79, 2.24, 0.90]
    assert table.gmac.cnn == pytest.approx(0.531, abs=0.001) and table.timed_gmac.cnn < 0.03 * table.gmac.cnn
    assert (table.single_images_per_s > 0).all() and (table.batch == 2).all()
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "pass  parameters within 1 % of Table III" in said and "25.79 / 25.79" in said
    assert torch.get_num_threads() == threads and torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    ("column", "factor", "misses"),
    [
        ("params_m", 1.0, []),
        ("params_m", 1.02, ["parameters within"]),
        ("published_gmac", 0.97, ["operations, as"]),
        ("gmac", 0.1, []),
    ],
)
def test_table_3_s_verdicts_can_fail(table3, column, factor, misses):
    rows = [(name, *numbers[:2], *numbers) for name, numbers in table3.PAPER.items()] + [
        ("twinnet", 2, 0.13, *[None] * 3)
    ]
    names = ["network", "params_m", "published_gmac", "paper_params_m", "paper_gmac", "paper_images_per_s"]
    table = pd.DataFrame(rows, columns=names).assign(single_images_per_s=150.0)
    table["gmac"], table["title"] = table.published_gmac, table.network
    table.loc[table.network == "resnet50", column] *= factor
    found = table3.verdicts(table, 150.0)
    assert [name for name, passed, _ in found if passed is False] == [
        n for n, *_ in found if n.startswith(tuple(misses))
    ]
    slow = table3.verdicts(table.assign(single_images_per_s=99.0, gmac=1.0), 99.0)
    assert [passed for _, passed, _ in slow][-3:] == [False, False, False]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"networks": ("alexnet",)}, "network alexnet: choose among cnn"),
        ({"networks": ()}, "network none"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_table_3_refuses_what_it_cannot_do(table3, options, says, tmp_path):
    with pytest.raises(InputError, match=says):
        table3.main("smoke", out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
