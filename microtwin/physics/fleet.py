"""Many worlds stepped together, each bit for bit as if it were stepped by itself."""

import math
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
from numba import njit
from numba.core import config

from microtwin.coils import coil_row, fill_all_quadratures
from microtwin.errors import InputError
from microtwin.physics.state import KT, MOMENT, Drive, Setup, State, aim, borrowed, drive_of, scratch_for
from microtwin.physics.stepper import proceed
from microtwin.physics.world import World

DRAWN_AHEAD = 64  # control steps' worth of random numbers that a slot keeps
SMALLEST_BLOCK = 4  # worlds; fewer are not worth waking a thread for


@njit(cache=True, nogil=True)
def _advance_slots(
    slots, total, longest, left, setups, states, headings, quadratures, rates, off, stock, used, resolved
):
    """Advance the worlds in ``slots`` until ``left`` is 0 (done), −1 (failed) or their random numbers are used up.

    ``setups`` and ``states`` hold all W worlds, with one more leading axis than a world's own.
    """
    setups, states, stock = borrowed(setups), borrowed(states), borrowed(stock)
    n = setups.bodies.shape[2]
    seen = np.zeros((n, 2, 3))
    spare = drive_of(setups.bodies[0], seen, 0.0, resolved)
    room = scratch_for(n, resolved, states.springs.size > 0)
    for w in slots:
        setup = Setup(setups.bodies[w], setups.liquid[w], setups.flow[w], setups.walls, setups.which, setups.pairs)
        state = State(
            states.positions[w], states.turns[w], states.clock[w], states.motion[w], states.spins[w], states.drag[w],
            states.torques[w], states.springs[w], states.sliding[w],
        )  # fmt: skip
        for i in range(n):
            if setup.bodies[MOMENT, i] > 0.0:
                cos, sin = headings[w, i, 0], headings[w, i, 1]
                for k in range(2):
                    x, y, z = quadratures[w, k, 0], quadratures[w, k, 1], quadratures[w, k, 2]
                    seen[i, k, 0] = cos * x - sin * y
                    seen[i, k, 1] = sin * x + cos * y
                    seen[i, k, 2] = z
        if off[w]:
            state.torques[:] = 0.0
        drive = Drive(seen, rates[w], resolved, spare.axes, spare.forward, spare.backward)
        aim(drive, setup.bodies)
        if not setup.liquid[KT] > 0.0:
            room.noise[:] = 0.0
        while left[w] > 0.0:
            steps = max(1, math.ceil(left[w] / longest[w] - 1e-9))
            end = used[w] + 6 * n * steps
            if end > stock.shape[1]:
                break
            normals = stock[w, used[w] : end].reshape((steps, 6 * n))
            used[w] = end
            left[w] = proceed(left[w], total, normals, setup, state, drive, room)


def _headings(world: World) -> np.ndarray:
    """(N, 2) cosine and sine of each body's heading offset."""
    return np.array([(math.cos(b.heading_offset_rad), math.sin(b.heading_offset_rad)) for b in world.bodies])


class Fleet:
    """W worlds of N bodies each, stepped together on all cores.

    The worlds are copied, and may differ in all but the radii of their bodies, the fidelity, and whether there is
    friction. Their random Generators are taken over: a slot draws its numbers ahead, and uses them in the order in
    which :meth:`World.step` would have drawn them. Whatever else shares a world's Generator (an observer's noise) must
    from then on take its numbers from :meth:`draw`.

    Threads are Python's own, around compiled code that holds no lock: several fleets may be stepped from several
    threads at once, and a forked process starts its own. One fleet must not be stepped by two threads at once.

    Attributes (arrays are live views that the next step overwrites; copy them to keep them):
        positions_um: (W, N, 3). turns: (W, N, 4). velocities_um_s, spins_rad_s, torques_pn_um: (W, N, 3), as
            :class:`World` has them.
        time_s: (W,) time since each world's start.
        failed: (W,) whether the last step failed, where :meth:`World.step` raises ArithmeticError.

    Args:
        worlds: what to start from.
        threads: how many at most; by default one for each core, or NUMBA_NUM_THREADS.

    Raises:
        InputError: no world, worlds that differ in what they must share, two that share one Generator.
    """

    def __init__(self, worlds: Sequence[World], *, threads: int | None = None):
        if len(worlds) == 0:
            raise InputError("a fleet of 0 worlds: give 1 or more")
        if threads is not None and threads < 1:
            raise InputError(f"threads is {threads}: give 1 or more")
        self._threads = threads or int(vars(config)["NUMBA_NUM_THREADS"])
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        first = worlds[0]
        count, self._numbers = len(worlds), 6 * len(first.bodies)  # random numbers of an inner step
        self.radii_um, self._fidelity = first.radii_um.copy(), first.fidelity

        def room_for(array: np.ndarray) -> np.ndarray:
            return np.empty((count, *array.shape), array.dtype)

        setup, state = first._setup, first._state
        self._setups = setup._replace(
            bodies=room_for(setup.bodies), liquid=room_for(setup.liquid), flow=room_for(setup.flow)
        )
        self._states = State(*map(room_for, state))
        self._headings = np.empty((count, len(first.bodies), 2))
        self._coils = np.empty((count, 5))
        self._longest = np.empty(count)
        self._rngs: list[np.random.Generator | None] = [None] * count
        self._stock = np.empty((count, 0))
        self._used = np.zeros(count, np.int64)
        self._left = np.zeros(count)
        self.failed = np.zeros(count, np.bool_)
        for index, world in enumerate(worlds):
            self.replace(index, world)

    def __len__(self) -> int:
        return len(self._used)

    def replace(self, index: int, world: World) -> None:
        """Put a copy of ``world``, as it is now, in the place of world ``index``: a new episode.

        Raises:
            InputError: no such index, a world that cannot be in this fleet.
        """
        if not 0 <= index < len(self):
            raise InputError(f"index is {index}: give 0 to {len(self) - 1}")
        self._check(index, world)
        for mine, new in zip(self._states, world._state, strict=True):
            mine[index] = new
        for name in ("bodies", "liquid", "flow"):
            getattr(self._setups, name)[index] = getattr(world._setup, name)
        self._headings[index] = _headings(world)
        self._coils[index] = coil_row(world.coils)
        self._longest[index] = world._max_step_s
        self._rngs[index] = world._rng
        self._used[index] = self._stock.shape[1]
        self.failed[index] = False

    def _check(self, index: int, world: World) -> None:
        if not np.array_equal(world.radii_um, self.radii_um):
            raise InputError(
                f"world {index} has bodies of {world.radii_um.tolist()} µm in a fleet of {self.radii_um.tolist()} µm: "
                "give all the same radii"
            )
        if world.fidelity != self._fidelity:
            raise InputError(f"world {index} is {world.fidelity}, the fleet {self._fidelity}: give one for all")
        if world._state.springs.shape != self._states.springs.shape[1:]:
            has, have = ("no ", "has") if self._states.springs.size else ("", "has none")
            raise InputError(f"world {index} has {has}friction and the fleet {have}: give it to all worlds or none")
        for other, rng in enumerate(self._rngs):
            if rng is world._rng and other != index:
                raise InputError(f"worlds {other} and {index} share a random Generator: give each its own")

    @property
    def positions_um(self) -> np.ndarray:
        return self._states.positions

    @property
    def turns(self) -> np.ndarray:
        return self._states.turns

    @property
    def velocities_um_s(self) -> np.ndarray:
        return self._states.motion[..., :3]

    @property
    def spins_rad_s(self) -> np.ndarray:
        return self._states.motion[..., 3:]

    @property
    def torques_pn_um(self) -> np.ndarray:
        return self._states.torques

    @property
    def time_s(self) -> np.ndarray:
        return self._states.clock[:, 0]

    def quadratures_mt(self, alpha_rad, gamma_rad, frequency_hz, amplitude=1.0) -> np.ndarray:
        """(W, 2, 3) fields of each world's coils, mT; arguments (W,) or one number for all, as in RotatingField.

        Raises:
            InputError: NaN, a negative frequency, an amplitude outside [0, 1].
        """
        commands = np.empty((len(self), 4))
        for k, values in enumerate((alpha_rad, gamma_rad, frequency_hz, amplitude)):
            commands[:, k] = values
        if not (np.isfinite(commands).all() and (commands[:, 2:] >= 0).all() and (commands[:, 3] <= 1).all()):
            bad = ~(np.isfinite(commands).all(1) & (commands[:, 2:] >= 0).all(1) & (commands[:, 3] <= 1))
            k = int(np.argmax(bad))
            raise InputError(
                f"field of world {k} is {commands[k].tolist()} (α, γ, f, amplitude): give finite numbers, "
                "f of 0 or more, amplitude 0 to 1"
            )
        found = np.empty((len(self), 2, 3))
        fill_all_quadratures(commands, self._coils, found)
        return found

    def draw(self, numbers: int, slots=None) -> np.ndarray:
        """(W, numbers) the next standard normal numbers of each world's stream, or of ``slots`` (indices) only."""
        chosen = self._chosen(slots)
        self._make_room(numbers)
        self._stock_up(chosen, numbers)
        found = self._stock[chosen[:, None], self._used[chosen, None] + np.arange(numbers)]
        self._used[chosen] += numbers
        return found

    def step(self, quadratures_mt: np.ndarray, frequency_hz, duration_s: float, slots=None) -> None:
        """Hold a field in each world for ``duration_s``; a world that fails is marked in ``failed``, none raises.

        Args:
            quadratures_mt: (W, 2, 3) fields before the robots' heading offsets.
            frequency_hz: (W,) or one for all.
            duration_s: the same for all worlds.
            slots: indices of the worlds to step; the others stand still. None for all.

        Raises:
            InputError: a duration that is not positive, wrong shapes, NaN.
        """
        if not (math.isfinite(duration_s) and duration_s > 0):
            raise InputError(f"step duration is {duration_s} s: give a positive time")
        fields = np.array(quadratures_mt, dtype=float, order="C")  # its own copy: the kernel is compiled for one kind
        if fields.shape != (len(self), 2, 3) or not np.isfinite(fields).all():
            raise InputError(
                f"quadratures have shape {fields.shape} or NaN: give finite ({len(self)}, 2, 3) fields in mT"
            )
        rates = 2 * math.pi * np.broadcast_to(np.asarray(frequency_hz, dtype=float), (len(self),))
        if not (np.isfinite(rates).all() and (rates >= 0).all()):
            raise InputError(f"field frequency is {frequency_hz} Hz: give finite numbers of 0 or more")
        silent = np.logical_not(fields.any(axis=(1, 2)))
        chosen = self._chosen(slots)
        total = float(duration_s)
        steps = max(1, math.ceil(total / self._longest.min() - 1e-9))
        self._make_room(steps * self._numbers)
        self._left[chosen] = total
        self.failed[:] = False
        size = max(SMALLEST_BLOCK, -(-len(chosen) // (4 * self._threads)))
        blocks = deque(chosen[start : start + size] for start in range(0, len(chosen), size))

        def work() -> None:
            while blocks:
                try:
                    block = blocks.popleft()
                except IndexError:  # another thread took the last one
                    return
                self._advance(block, total, fields, rates, silent)

        helpers = min(self._threads, len(blocks)) - 1
        others = [self._helpers().submit(work) for _ in range(helpers)]
        try:
            work()
        finally:
            blocks.clear()
            wait(others)
        for other in others:
            other.result()
        self.failed[chosen] = self._left[chosen] < 0

    def _advance(self, block: np.ndarray, total: float, fields: np.ndarray, rates: np.ndarray, off: np.ndarray) -> None:
        """Step one block of worlds to the end, drawing numbers as they are needed."""
        while block.size:
            steps = np.maximum(1.0, np.ceil(self._left[block] / self._longest[block] - 1e-9))
            self._stock_up(block, steps.astype(np.int64) * self._numbers)
            _advance_slots(
                block, total, self._longest, self._left, self._setups, self._states, self._headings, fields, rates, off,
                self._stock, self._used, self._fidelity == "resolved",
            )  # fmt: skip
            block = block[self._left[block] > 0]

    def _chosen(self, slots) -> np.ndarray:
        if slots is None:
            return np.arange(len(self))
        chosen = np.array(slots, dtype=np.int64).reshape(-1)
        if chosen.size and not (0 <= chosen.min() and chosen.max() < len(self)):
            raise InputError(f"slots are {chosen.tolist()}: give indices of 0 to {len(self) - 1}")
        if len(np.unique(chosen)) < chosen.size:
            raise InputError(f"slots are {chosen.tolist()}: give each index once")
        return chosen

    def _make_room(self, numbers: int) -> None:
        """Let every slot hold at least ``numbers``; what it has drawn already is kept at the end."""
        if numbers > self._stock.shape[1]:
            more = DRAWN_AHEAD * numbers - self._stock.shape[1]
            self._stock = np.hstack([np.empty((len(self), more)), self._stock])
            self._used += more

    def _stock_up(self, slots: np.ndarray, numbers: np.ndarray | int) -> None:
        """Draw afresh in the slots that have fewer than ``numbers`` left."""
        size = self._stock.shape[1]
        for w in slots[self._used[slots] + numbers > size].tolist():
            kept = size - self._used[w]
            self._stock[w, :kept] = self._stock[w, self._used[w] :]
            self._rngs[w].standard_normal(out=self._stock[w, kept:])
            self._used[w] = 0

    def _helpers(self) -> ThreadPoolExecutor:
        """This process's threads; those of the one that forked it are not here."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = (os.getpid(), ThreadPoolExecutor(self._threads - 1, "fleet"))
        return self._pool[1]
