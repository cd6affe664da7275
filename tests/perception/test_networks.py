import copy
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from microtwin.errors import InputError
from microtwin.perception import checkpoint, torchvision_models
from microtwin.perception.networks import NAMES, OPTIONS, PAPER_NAMES, PRETRAINED, attention_layer, build
from microtwin.perception.prepare import normalised

LIGHT = ("cnn", "resnet18", "efficientnet_b0", "mobilenet_v2", "nas_pose", "nas_depth", "twinnet")
SMALL = {
    "twinnet": {"widths": [8, 8], "blocks": 1},
    "nas_pose": {"num_conv": 2, "num_filters": 8, "fc_dim": 16},
    "nas_depth": {"num_conv": 3, "num_filters": 8, "fc_dim": 16},
}


def seeded(name, n_outputs=5, size=32, **rest):
    torch.manual_seed(7)
    return build(name, n_outputs, size=size, **rest)


@pytest.mark.parametrize("name", LIGHT)
def test_images_go_through_and_gradients_reach_every_parameter(name):
    model = seeded(name, options=SMALL.get(name))
    outputs = model(torch.randn(3, 1, 32, 32))
    assert outputs.shape == (3, 5)
    outputs.square().sum().backward()
    grads = {key: parameter.grad for key, parameter in model.named_parameters()}
    assert not [key for key, grad in grads.items() if grad is None or not torch.isfinite(grad).all()]
    # a bias before batch normalisation changes nothing, and dropout or ReLU may silence a neuron, but not a layer
    mute = [key for key, grad in grads.items() if key.endswith("weight") and (grad is None or not grad.any())]
    assert not mute


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [32, 96, 224])
def test_every_network_takes_its_sizes(name, size):
    with torch.device("meta"):  # shapes alone: nothing is computed
        model = build(name, 11, size=size)
        model.train()(torch.empty(2, 1, size, size)).sum().backward()
    assert model(torch.empty(4, 1, size, size, device="meta")).shape == (4, 11)
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_attention_layer_gives_maps_of_many_channels(name):
    seen = []
    with torch.device("meta"):
        model = build(name, 3, size=96).eval()
        layer, reshape = attention_layer(model)
        layer.register_forward_hook(lambda module, given, made: seen.append(made))
        model(torch.empty(2, 1, 96, 96))
    maps = reshape(seen[0]) if reshape else seen[0]
    assert len(seen) == 1
    batch, channels, rows, columns = maps.shape
    assert batch == 2 and channels >= 64 and 3 <= rows == columns <= 24


@pytest.mark.parametrize(("options", "side"), [({}, 8), ({"widths": [8, 8]}, 32), ({"widths": [8]}, 32)])
def test_our_network_is_explained_a_stage_before_its_last(options, side):
    """Of 128 pixels the last stage has 4 x 4 places left, too few to outline a robot."""
    model = build("twinnet", 3, size=128, options=options).eval()
    seen = []
    attention_layer(model)[0].register_forward_hook(lambda module, given, made: seen.append(made))
    model(torch.zeros(1, 1, 128, 128))
    assert [maps.shape[2:] for maps in seen] == [(side, side)]


def test_a_transformer_s_map_keeps_the_patches_in_their_places():
    with torch.device("meta"):
        _, reshape = attention_layer(build("vit_b_16", 3, size=64))
    assert reshape
    tokens = torch.arange(17.0).view(1, 17, 1)  # the class token, then 4 rows of 4 patches
    assert reshape(tokens)[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]


@pytest.mark.parametrize("name", ["cnn", "resnet18", "twinnet"])
def test_the_seed_decides_the_weights(name):
    images = torch.randn(2, 1, 32, 32)
    one, same = seeded(name).eval(), seeded(name).eval()
    other = build(name, 5, size=32).eval()
    assert torch.equal(one(images), same(images))
    assert not torch.equal(one(images), other(images))


def test_options_change_the_network():
    def count(**rest):
        with torch.device("meta"):
            return sum(p.numel() for p in build(**{"n_outputs": 4, "size": 64, **rest}).parameters())

    assert count(name="twinnet", options={"blocks": 2}) > count(name="twinnet")
    assert count(name="twinnet", options=OPTIONS["twinnet"]) == count(name="twinnet")
    small = {"num_conv": 1, "num_filters": 16, "fc_dim": 64, "batch_norm": False}
    assert count(name="nas_pose", options=small) == (9 * 3 + 1) * 16 + (32 * 32 * 16 + 1) * 64 + (64 + 1) * 4


def test_deep_networks_of_the_search_space_keep_four_pixels_and_all_their_blocks():
    options = {"num_conv": 9, "num_filters": 16, "fc_dim": 64}
    model = seeded("nas_pose", size=64, options=options)
    layers = [type(module).__name__ for module in model.modules()]
    assert layers.count("Conv2d") == 9 and layers.count("MaxPool2d") == 4
    assert attention_layer(model)[0](torch.zeros(1, 16, 4, 4)).shape[-1] == 4
    assert model(torch.zeros(2, 1, 64, 64)).shape == (2, 5)


def test_our_network_sees_what_only_one_pixel_shows():
    """The maximum over the image is kept beside the mean, so a small feature is not averaged away."""
    model = seeded("twinnet", size=128).eval()
    plain = torch.zeros(1, 1, 128, 128)
    spot = plain.clone()
    spot[..., 60:64, 60:64] = 3.0
    weight = model.get_parameter("body.head.weight")  # of 192 means, then of 192 maxima
    with torch.no_grad():
        both = model(spot) - model(plain)
        weight[:, 192:] = 0
        mean = model(spot) - model(plain)
    assert weight.shape[1] == 2 * 192
    assert both.norm() > 2 * mean.norm()


def test_networks_see_the_same_whatever_the_lamp():
    """From grey values on: normalised takes the brightness out, and no network puts it back."""
    model = seeded("twinnet", size=64).eval()
    grey = 60 + 50 * torch.rand(2, 64, 64)
    with torch.no_grad():
        dim, bright = model(normalised(grey)), model(normalised(2 * grey))
    torch.testing.assert_close(dim, bright, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16"])
def test_pretrained_weights_arrive_and_the_last_layer_is_new(name, monkeypatch):
    zoo = torchvision_models.models()
    small = {"num_layers": 1, "num_heads": 2, "hidden_dim": 768, "mlp_dim": 8}
    if name == "vit_b_16":  # one thin layer of twelve: positions are what matters here
        vit = zoo.vision_transformer.VisionTransformer

        def thin(weights=None, image_size=224):
            return vit(image_size=image_size, patch_size=16, **small)

        monkeypatch.setattr(
            zoo, "get_model", lambda asked, weights, **rest: thin(**rest) if asked == name else zoo.resnet18()
        )
    donor = zoo.get_model(name, weights=None)
    state = {key: value.clone() for key, value in donor.state_dict().items()}
    weights = zoo.get_model_weights(name)
    monkeypatch.setattr(weights, "get_state_dict", lambda self, **rest: copy.deepcopy(state))

    model = build(name, 6, size=96, pretrained=True)
    kept = model.body.state_dict()
    changed = {key for key in state if key not in kept or not torch.equal(kept[key], state[key])}
    if name == "resnet18":
        assert changed == {"fc.weight", "fc.bias"}
    else:
        assert changed == {"heads.head.weight", "heads.head.bias", "encoder.pos_embedding"}
        assert kept["encoder.pos_embedding"].shape == (1, 1 + 6 * 6, 768)
    assert model(torch.zeros(2, 1, 96, 96)).shape == (2, 6)


@pytest.mark.parametrize(
    ("kind", "taught"), [("pose", "robot_03_zero_shot"), ("joint", "robot_03_zero_shot"), ("depth", "depth_all")]
)
def test_our_network_begins_from_what_was_taught_for_its_task(kind, taught):
    weights = checkpoint.load(Path(taught)).model.state_dict()
    mine = build("twinnet", 3, size=64, pretrained=True, kind=kind).state_dict()
    assert {name for name in mine if not torch.equal(mine[name], weights[name])} == {
        "body.head.weight",
        "body.head.bias",
    }


def test_pretrained_networks_see_the_background_as_a_middle_grey(monkeypatch):
    zoo = torchvision_models.models()
    state = zoo.resnet18().state_dict()
    monkeypatch.setattr(zoo.get_model_weights("resnet18"), "get_state_dict", lambda self, **rest: dict(state))
    model = build("resnet18", 6, size=32, pretrained=True)
    colours = model.colour(torch.tensor([-3.0, 0.0, 3.0]).view(3, 1, 1, 1)).flatten(1)
    mean, sd = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    # black, background, twice the background, in ImageNet's colours from 0 to 1
    torch.testing.assert_close(colours * sd + mean, torch.tensor([[0.0], [0.45], [0.9]]).expand(3, 3))
    # and a network built without the weights takes all of it over from a saved state
    fresh = build("resnet18", 6, size=32)
    fresh.load_state_dict(model.state_dict())
    images = torch.randn(2, 1, 32, 32)
    assert torch.equal(fresh.eval()(images), model.eval()(images))


@pytest.mark.parametrize("error", [URLError("no route to host"), RuntimeError("invalid hash value")])
def test_weights_that_cannot_be_fetched_are_one_line(monkeypatch, error):
    def refuse(self, **rest):
        raise error

    monkeypatch.setattr(torchvision_models.models().get_model_weights("resnet18"), "get_state_dict", refuse)
    with pytest.raises(InputError, match=r"the weights of resnet18 cannot be fetched .*: .* leave pretrained out"):
        build("resnet18", 3, size=32, pretrained=True)


@pytest.mark.parametrize(
    ("name", "rest", "says"),
    [
        ("alexnet", {}, "network alexnet is not known: choose one of cnn, vgg16"),
        ("cnn", {"size": 31}, "size 31 .* 32 or more"),
        ("vit_b_16", {"size": 100}, "size 100 .* multiple of 16"),
        ("twinnet", {"size": 66}, "size 66 .* multiple of 4"),
        ("nas_pose", {"pretrained": True}, "network nas_pose has no pretrained weights"),
        ("cnn", {"options": {"widths": [3]}}, "option widths is not one of network cnn: it has none"),
        ("twinnet", {"options": {"fc_dim": 3}}, "fc_dim is not one of network twinnet: it has widths, blocks"),
        ("twinnet", {"options": {"widths": []}}, r"option widths is \[\]"),
        ("twinnet", {"options": {"widths": [8, 0]}}, "option widths is"),
        ("twinnet", {"options": {"blocks": 0}}, "option blocks is 0: give a whole number, 1 or more"),
        ("nas_pose", {"options": {"dropout": 1.0}}, "option dropout is 1.0: give a rate"),
        ("nas_pose", {"options": {"batch_norm": 1}}, "option batch_norm is 1: give true or false"),
        ("nas_depth", {"options": {"num_filters": 2.5}}, "option num_filters is 2.5"),
    ],
)
def test_what_cannot_be_built_is_one_line(name, rest, says):
    with pytest.raises(InputError, match=says):
        build(name, 3, **rest)


def test_names():
    assert set(PRETRAINED) < set(NAMES)
    assert [PAPER_NAMES[name] for name in NAMES[:8]] == [
        "CNN", "VGG16", "ResNet18", "ResNet50", "EfficientNet", "MobileNetV2", "ViT", "NAS",
    ]  # fmt: skip


def test_torchvision_is_imported_without_a_warning_and_only_when_needed():
    code = (
        "import sys; from microtwin.perception import networks; assert 'torchvision' not in sys.modules;"
        "import torch; torch.manual_seed(0);"
        "print(networks.build('mobilenet_v2', 3, size=32).eval()(torch.zeros(1, 1, 32, 32)).shape[1])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "3", "")


def test_operators_that_do_not_load_are_declared():
    """Whether they load here or not: the names are there after the import, and a call says what is missing."""
    code = """
import torch
def refuse(path):
    raise OSError("libcudart.so: cannot open shared object file")
torch.ops.load_library = refuse
from microtwin.perception.torchvision_models import models, operators_load
assert not operators_load() and models() is models()
try:
    torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
except NotImplementedError:
    print(models().resnet18.__name__)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "resnet18"), done.stderr


def test_operators_that_load_are_left_alone(monkeypatch):
    def never():
        raise AssertionError("declared beside the real ones")

    torchvision_models.models()
    monkeypatch.setattr(torchvision_models, "operators_load", lambda: True)
    monkeypatch.setattr(torchvision_models, "_declare", never)
    assert torchvision_models.models.__wrapped__().resnet18
