"""Rendered light on disk, chunk by chunk: what was rendered once is not rendered again, and a stop loses one chunk."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from microtwin import files
from microtwin.errors import InputError
from microtwin.otmr.plan import Plan
from microtwin.otmr.workers import in_processes
from microtwin.perception.lights import Lights, render_lights

PLAN = "plan.json"


class LightStore:
    """The light of a plan's sequences, rendered when it is asked for.

    A chunk has so many sequences of every pose of every robot; the plan's ``sequences`` is how many of each there are
    in all. Chunk k is the same whether it is rendered first or last.

    Args:
        folder: of the chunks; made if need be. One that holds another plan's is refused.
        plan: ``Plan("both", robots, images_per_sequence, sequences, seed, randomise)``.
        shape: how far sizes are off the catalogue's (:func:`microtwin.robots.varied.varied`).
        per_chunk: sequences of each pose in a chunk.
        workers: processes.
        report: told images rendered so far, and in all. stop: asked after every sequence.

    Raises:
        InputError: a folder that cannot be written or that holds other light.
    """

    def __init__(
        self,
        folder: Path | str,
        plan: Plan,
        *,
        shape: float = 0.0,
        per_chunk: int = 1,
        workers: int = 2,
        report: Callable[[int, int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        if not 1 <= per_chunk <= plan.sequences:
            raise InputError(f"{per_chunk} sequences in a chunk: give 1 to {plan.sequences}")
        self.folder, self.plan, self.shape, self.per_chunk = files.open_folder(folder), plan, shape, per_chunk
        self._run, self._report = in_processes(workers), report or (lambda done, total: None)
        self._stop = stop or (lambda: False)
        mine = json.loads(json.dumps(plan.config() | {"shape": shape, "per_chunk": per_chunk}))
        kept = self.folder / PLAN
        if kept.is_file():
            if _plan_in(kept) != mine:
                raise InputError(f"{self.folder} holds light of another plan: give another folder, or remove it")
        else:
            with files.whole(kept) as temporary:
                temporary.write_text(json.dumps(mine, indent=1), encoding="utf-8")

    def __len__(self) -> int:
        """Chunks."""
        return self.plan.sequences // self.per_chunk

    def chunk(self, number: int) -> Lights | None:
        """One chunk's light; None if it was stopped.

        Raises:
            InputError: there is no such chunk, or no room for it.
        """
        if not 0 <= number < len(self):
            raise InputError(f"no chunk {number}: there are {len(self)}")
        path = self.folder / f"light_{number:04d}.npz"
        return _loaded(path) or self._rendered(number, path)

    def all(self) -> Lights | None:
        """The light of all chunks; None if it was stopped."""
        parts = []
        for number in range(len(self)):
            part = self.chunk(number)
            if part is None:
                return None
            parts.append(part)
        return Lights.together(parts)

    def _rendered(self, number: int, path: Path) -> Lights | None:
        first = number * self.per_chunk
        last = self.plan.sequences if number == len(self) - 1 else first + self.per_chunk  # the last has what is over
        items = [item for item in self.plan.items() if first <= item.index < last]
        every, parts = sum(item.images for item in self.plan.items()), {}
        before = sum(item.images for item in self.plan.items() if item.index < first)
        rendering = render_lights(items, self.plan.randomise, self.plan.seed, self._run, self.shape)
        with contextlib.closing(rendering):
            for part in rendering:
                parts[int(part.robot[0]), int(part.sequence[0])] = part
                self._report(before + sum(map(len, parts.values())), every)
                if self._stop():
                    return None
        found = Lights.together(parts[key] for key in sorted(parts))
        with files.whole(path) as temporary:
            np.savez(temporary, **vars(found))
        return found


def _plan_in(path: Path) -> Any:
    """None if it cannot be read, which is nobody's plan."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _loaded(path: Path) -> Lights | None:
    """None if it is not there, or was not written whole."""
    try:
        with path.open("rb") as file, np.load(file) as kept:  # numpy leaves a file that is no archive open
            return Lights(**{name: kept[name] for name in kept.files})
    except (OSError, ValueError, TypeError, EOFError, BadZipFile):
        return None
