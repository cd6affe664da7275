"""An Arduino Mega 2560 in simavr, whose clock the caller owns."""

import ctypes
from functools import lru_cache
from pathlib import Path

import numpy as np

from emulated_rig.build import compile_shim
from microtwin.errors import InputError

CLOCK_HZ = 16_000_000
PIN_NAMES = ("+Y R", "+Y L", "+X R", "+X L", "-Y R", "-Y L", "-X R", "-X L", "+Z R", "+Z L", "-Z R", "-Z L")
SENSE_OHM, SENSE_RATIO = 1000.0, 8500.0  # BTS7960: I/8500 through 1 kΩ, 41.5 mA for a count of the 10-bit ADC


@lru_cache(maxsize=1)
def _shim() -> ctypes.CDLL:
    library = ctypes.CDLL(str(compile_shim(Path(__file__).with_name("avr_shim.c"))))
    board, size, u64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
    for name, result, arguments in (
        ("shim_new", board, [ctypes.c_char_p, u64]),
        ("shim_free", None, [board]),
        ("shim_reset", None, [board]),
        ("shim_cycle", u64, [board]),
        ("shim_run", ctypes.c_int, [board, u64]),
        ("shim_longest_masked", u64, [board]),
        ("shim_register", ctypes.c_uint8, [board, ctypes.c_uint16]),
        ("shim_sample_count", size, [board]),
        ("shim_samples", size, [board, board, size]),
        ("shim_write", ctypes.c_int, [board, ctypes.c_char_p, size]),
        ("shim_unsent", size, [board]),
        ("shim_waiting", size, [board]),
        ("shim_read", size, [board, board, board, size]),
        ("shim_set_mv", None, [board, ctypes.c_int, ctypes.c_uint32]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Mega:
    """The board with a program in it; as many as one likes.

    Args:
        elf: the program, as :func:`emulated_rig.build.compile_sketch` makes it.
        sample_s: time between two samples of the duties.

    Raises:
        InputError: no program there, a sample time shorter than a clock cycle.
    """

    def __init__(self, elf: Path, sample_s: float = 0.000125):
        self._board = None
        self._lib = _shim()
        period = round(sample_s * CLOCK_HZ)
        if period < 1:
            raise InputError(f"sample time is {sample_s} s: give a clock cycle, {1 / CLOCK_HZ} s, or more")
        if not Path(elf).is_file():
            raise InputError(f"no firmware at {elf}: compile one with emulated_rig.build.compile_sketch")
        self.sample_s = period / CLOCK_HZ
        self._board = self._lib.shim_new(str(elf).encode(), period)
        if not self._board:
            raise InputError(f"{elf} is no AVR program: compile one with emulated_rig.build.compile_sketch")
        self._end = 0

    @property
    def cycle(self) -> int:
        """Clock cycles since it was switched on."""
        return int(self._lib.shim_cycle(self._board))

    @property
    def time_s(self) -> float:
        """Emulated time since it was switched on."""
        return self.cycle / CLOCK_HZ

    @property
    def unsent(self) -> int:
        """Bytes written that have not entered the UART yet."""
        return int(self._lib.shim_unsent(self._board))

    @property
    def in_waiting(self) -> int:
        """Bytes that :meth:`read` would return."""
        return int(self._lib.shim_waiting(self._board))

    def run(self, duration_s: float) -> np.ndarray:
        """Let time pass; calls add up without drift. Returns what :meth:`run_until` does."""
        return self.run_until(self._end + round(duration_s * CLOCK_HZ))

    def run_until(self, cycle: int) -> np.ndarray:
        """Run until the clock has counted ``cycle``, to within an instruction.

        Returns:
            (n, 12) duties 0…1 of the half-bridge inputs, in the order of :data:`PIN_NAMES`, one row each
            ``sample_s``; zero while either of a bridge's two enables is low.

        Raises:
            RuntimeError: the program crashed.
        """
        self._end = max(cycle, self._end)
        if self._lib.shim_run(self._board, self._end):
            raise RuntimeError(f"the firmware crashed after {self.time_s:.6f} s: run it in simavr with -g to see where")
        rows = np.empty((self._lib.shim_sample_count(self._board), len(PIN_NAMES)), dtype=np.float32)
        self._lib.shim_samples(self._board, rows.ctypes.data, len(rows))
        return rows.astype(float)

    def write(self, data: bytes) -> None:
        """Queue bytes for UART 0; they enter at the speed the firmware has set."""
        if self._lib.shim_write(self._board, bytes(data), len(data)):
            raise MemoryError(f"no room for {len(data)} more bytes towards the board")

    def read(self) -> bytes:
        """Bytes that have left UART 0 since the last read."""
        return self.read_stamped()[0]

    def read_stamped(self, most: int | None = None) -> tuple[bytes, np.ndarray]:
        """The same, at most so many, and the times (s) at which they were complete on the line."""
        count = self.in_waiting if most is None else min(most, self.in_waiting)
        data, cycles = np.empty(count, dtype=np.uint8), np.empty(count, dtype=np.uint64)
        self._lib.shim_read(self._board, data.ctypes.data, cycles.ctypes.data, count)
        return data.tobytes(), cycles / CLOCK_HZ

    def register(self, address: int) -> int:
        """What stands in a register, by its address in data space."""
        return int(self._lib.shim_register(self._board, address))

    def longest_masked_s(self) -> float:
        """The longest that the program kept interrupts off without a break, since it was asked last.

        A real UART holds two bytes and loses the next; the emulated one holds dozens and hides it.
        """
        return int(self._lib.shim_longest_masked(self._board)) / CLOCK_HZ

    def set_currents_a(self, currents_a) -> None:
        """Show (6,) coil currents, A, order +Y +X −Y −X +Z −Z, on the sense inputs A0…A5: |I|, as the bridges do."""
        volts = np.abs(np.asarray(currents_a, dtype=float)) / SENSE_RATIO * SENSE_OHM
        for channel, mv in enumerate(np.minimum(np.rint(1000.0 * volts), 5000).astype(int).tolist()):
            self._lib.shim_set_mv(self._board, channel, mv)

    def reset(self) -> None:
        """Press the reset button, or open the port: the program starts again, bytes under way are lost."""
        self._lib.shim_reset(self._board)

    def close(self) -> None:
        """Give the memory back; nothing else may be asked of it afterwards."""
        if self._board:
            self._lib.shim_free(self._board)
            self._board = None

    def __del__(self):
        self.close()
