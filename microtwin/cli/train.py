"""``microtwin train``: teach a network to read pose or depth from images."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

Network = Literal["cnn", "vgg16", "resnet18", "resnet50", "efficientnet_b0", "mobilenet_v2", "vit_b_16", "nas_pose",
                  "nas_depth", "twinnet"]  # fmt: skip
CHANGEABLE = ("batch", "device", "precision", "fold", "data")  # by a training that goes on


def train(
    what: tyro.conf.Positional[Literal["pose", "depth", "joint"]],
    data: Path | None = None,
    out: Path | None = None,
    network: Network = "twinnet",
    folds: int = 5,
    split: Literal["sequence", "frame"] = "sequence",
    fold: int | None = None,
    robots: Annotated[
        tuple[int, ...], tyro.conf.arg(metavar="N ...", help_behavior_hint="(default: all that have the task)")
    ] = (),
    size: int = 128,
    epochs: int = 20,
    batch: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="(default: 64)")] = None,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    augment: bool = True,
    pretrained: bool = False,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"] | None, tyro.conf.arg(help_behavior_hint="(default: auto)")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None, tyro.conf.arg(help_behavior_hint="(default: auto)")
    ] = None,
    seed: int = 0,
    options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    unreadable: Literal["refuse", "skip"] = "refuse",
    render: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N ...", help_behavior_hint="(default: none)")] = (),
    sequences: int = 40,
    images_per_sequence: int = 10,
    shape: float = 1.0,
    resume: Path | None = None,
) -> int:
    """Train a network on labelled images, and test it by cross-validation; or on renderings that never repeat.

    Writes into --out: config.json first of all; for every fold, in fold_0 and so on, last.pt (after every epoch),
    log.csv, tb/ for TensorBoard, checkpoint.pt (for microtwin predict), predictions.csv and scores.json; and over the
    folds scores.csv and scores.png. Ctrl-C loses one epoch at most; --resume goes on, also after a crash, and what
    comes out is the same. With --folds 0 there is one network, in --out itself.

    Args:
        what: pose (classes of pitch and roll), depth, or both by one network.
        data: folder of labelled images, as microtwin dataset makes them, or OTMR's own.
        out: folder of the training; it must not hold one yet.
        network: one of the benchmark's, or twinnet, the small one made for this.
        folds: of the cross-validation; 0 trains on everything but an eighth, which calibrates.
        split: keep the images of a sequence on one side of every split, or deal out single frames as the OTMR paper
            does, which leaks: neighbours in a video are nearly the same picture.
        fold: only this one, from 0.
        robots: numbers from 1 to 18.
        size: of the images as the network sees them, pixels; crops have 256.
        epochs: how often every image is seen.
        batch: images a step.
        learning_rate: greatest of the cycle.
        weight_decay: of AdamW.
        augment: turn, shift and blur images, and add noise.
        pretrained: begin from weights learnt on ImageNet, which torchvision fetches; twinnet from those that come with
            microtwin, learnt on renderings of robot 3, or for depth of all robots.
        precision: of the passes; auto is bfloat16 where the machine has it.
        device: for the network.
        seed: of everything that is drawn.
        options: of the network, for example widths=[16,32] for twinnet.
        unreadable: refuse to train when an image cannot be read, or leave it out.
        render: robots to train on renderings of, instead of --data: their light is kept in --out/light, and every look
            at it is another in-plane angle, place, blur, lamp and noise. One network, as with --folds 0.
        sequences: with --render, of each pose, or of each robot that has none.
        images_per_sequence: with --render, at so many depths.
        shape: with --render, standard deviation of the robots' sizes in units of their uncertainties; 0 for the CAD's.
        resume: folder of a training to go on with; --batch, --precision, --device, --fold and --data may be changed.
    """
    from microtwin.cli.assignments import assignments
    from microtwin.errors import InputError
    from microtwin.perception import extra

    extra.require()
    from microtwin.cli.train_rendered import run_rendered
    from microtwin.cli.train_run import run
    from microtwin.perception.request import Request
    from microtwin.perception.training import Training

    given: dict[str, Any] = dict(
        kind=what, network=network, size=size, epochs=epochs, batch=batch, learning_rate=learning_rate,
        weight_decay=weight_decay, augment=augment, pretrained=pretrained, precision=precision, device=device,
        seed=seed, options=assignments(options, "--options"),
    )  # fmt: skip
    place = str(data.absolute()) if data else None
    asked: dict[str, Any] = dict(
        data=place, robots=robots, folds=folds, fold=fold, split=split, unreadable=unreadable,
        render=render, sequences=sequences, images_per_sequence=images_per_sequence, shape=shape,
    )  # fmt: skip
    if resume is None:
        if data is None and not render:
            raise InputError("no images to train on: give --data DIR, as microtwin dataset makes it, or --render N")
        if data is not None and render:
            raise InputError(f"--data {data} and --render: give one of the two")
        if render and (robots or fold is not None):
            raise InputError("--robots and --fold choose among the images of --data: leave them out with --render")
        if out is None:
            raise InputError("no folder for the training: give --out DIR, or --resume DIR to go on with one")
        return (run_rendered if render else run)(Request(Training(**_said(given)), **_said(asked)), out, None)
    if out is not None and out != resume:
        raise InputError(f"--out is {out}: leave it out, a training that goes on stays in {resume}")
    kept, facts = Request.of(resume)
    if kept.render and (data is not None or fold is not None):
        raise InputError(f"{resume} is taught by renderings: leave --data and --fold out to go on")
    training = Training(**_merged(kept.training, given, Training(), resume))
    return (run_rendered if kept.render else run)(
        Request(training, **_merged(kept, asked, Request(), resume)), resume, facts
    )


def _said(given: dict) -> dict:
    """Without what was left out."""
    return {name: value for name, value in given.items() if value is not None}


def _merged(kept, given: dict, usual, folder: Path) -> dict:
    """The kept values, but for those that are given and may change: only these are None when they are left out.

    Raises:
        InputError: another one is given.
    """
    from microtwin.errors import InputError

    found = {}
    for name, value in given.items():
        mine = getattr(kept, name)
        found[name] = value if name in CHANGEABLE and value is not None else mine
        excused = (mine,) if name == "kind" else (mine, getattr(usual, name))  # the kind is always given
        if value not in excused and name not in CHANGEABLE:
            raise InputError(f"{name} is {value}, and {mine} in {folder}: leave it out to go on")
    return found
