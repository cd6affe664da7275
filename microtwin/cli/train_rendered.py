"""``microtwin train --render``: a network that is taught by renderings alone."""

from pathlib import Path
from typing import Any

from rich.console import Console

from microtwin import files, recording
from microtwin.cli.train_progress import Watch, count
from microtwin.cli.train_run import undo, versions
from microtwin.errors import InputError
from microtwin.learn.stopping import first_ctrl_c
from microtwin.otmr.plan import Plan
from microtwin.perception import networks
from microtwin.perception.crossvalidate import FoldReport
from microtwin.perception.fit import fit
from microtwin.perception.light_store import LightStore
from microtwin.perception.request import CONFIG
from microtwin.perception.training import device_of

CHUNKS = 10  # of the light: a stop loses one that is being rendered
WORKERS = 2
VALIDATED = 1_000_000  # added to the seed for the validation's cameras


def run_rendered(request, folder: Path, facts: dict[str, Any] | None) -> int:
    """As :func:`microtwin.cli.train_run.run`, without images to read.

    Args:
        facts: what ``config.json`` keeps of one that was begun; None for a new one.
    """
    from microtwin.perception.rendered import Rendered, held_back, task_of

    training = request.training
    if facts is None and (folder / CONFIG).exists():
        raise InputError(f"{folder} holds a training already: go on with --resume {folder}, or give another --out")
    if training.kind != "depth" and any(6 < robot <= 18 for robot in request.render):
        raise InputError(f"--render {' '.join(map(str, request.render))}: robots 7 to 18 have no poses, train depth")
    if request.sequences < 2:
        raise InputError(f"--sequences {request.sequences}: give 2 or more, some calibrate")
    plan = Plan(
        "depth" if training.kind == "depth" else "pose",
        request.render,
        request.images_per_sequence,
        request.sequences,
        training.seed,
    )
    device_of(training.device)
    networks.build(  # what it refuses is better known before hours of rendering
        training.network, 1, size=training.size, pretrained=training.pretrained, options=training.options
    )
    console = Console(highlight=False, soft_wrap=True)
    new = not folder.exists()
    files.open_folder(folder)
    if facts is None:
        request.save(folder, {"versions": recording.versions() | versions()})
    total = sum(item.images for item in plan.items())
    console.print(f"{count(total, 'image')} of {count(len(plan.items()), 'sequence')} to render, then one network")
    made = None
    try:
        with first_ctrl_c() as stopped, Watch(console) as watch:
            store = LightStore(
                folder / "light",
                plan,
                shape=request.shape,
                per_chunk=max(request.sequences // CHUNKS, 1),
                workers=WORKERS,
                report=watch.rendered,
                stop=stopped.is_set,
            )
            lights = store.all()
            if lights is not None:
                teach, check = held_back(lights)
                made = fit(
                    training,
                    task_of(lights, training.kind),
                    Rendered(teach, training.size, seed=training.seed),
                    Rendered(check, training.size, seed=training.seed + VALIDATED),
                    folder,
                    report=lambda said: watch(FoldReport(None, 0, 1, said)),
                    stop=stopped.is_set,
                )
    except InputError:
        if facts is None:
            undo(folder, new)
        raise
    if made is None:
        console.print(f"stopped and saved: go on with microtwin train {training.kind} --resume {folder}")
        return 130
    console.print(f"wrote {made}")
    return 0
