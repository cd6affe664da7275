"""The focus drive or z-piezo of a Micro-Manager configuration, through pymmcore-plus."""

from typing import Any, Self

from microtwin.rig import RigError
from microtwin_hardware.config import StageConfig
from microtwin_hardware.micromanager_core import KEYS, SharedCore
from microtwin_hardware.stages.travel import Travel, check_known, number

OPTIONS = (*KEYS, "min_um", "max_um", "tolerance_um")


class MicroManagerStage:
    """A stage device of a core. The camera may be in the same core: give both the same ``config_file``.

    Options: ``min_um`` and ``max_um``, which must be given; ``tolerance_um``, how close counts as arrived (default
    0.5); and those of :class:`microtwin_hardware.micromanager_core.SharedCore`.

    Args:
        config: of the stage. core: a CMMCore of one's own, loaded already.

    Raises:
        InputError: no travel given, an unknown option; on entering: pymmcore-plus is missing, no such device.
    """

    def __init__(self, config: StageConfig, core: Any = None):
        check_known(config.options, OPTIONS)
        self.travel = Travel(number(config.options, "min_um", None), number(config.options, "max_um", None))
        self.tolerance_um = number(config.options, "tolerance_um", 0.5, low=0.0)
        self._options, self._given = config.options, core
        self._shared: SharedCore | None = None
        self._label = ""

    @property
    def position_um(self) -> float:
        """Where the device says it is.

        Raises:
            RigError: it does not answer, or is not open.
        """
        return self._ask("position", lambda core: float(core.getPosition(self._label)))

    @property
    def travel_um(self) -> tuple[float, float]:
        return self.travel.min_um, self.travel.max_um

    def head_for(self, z_um: float) -> None:
        """Set out for there and let the device find its way.

        Raises:
            InputError: outside the travel; nothing is sent. RigError: it does not answer.
        """
        target_um = self.travel.check(z_um)
        self._ask("move", lambda core: core.setPosition(self._label, target_um))

    def move_to(self, z_um: float) -> None:
        """Go there and wait until the device says that it has arrived.

        Raises:
            InputError: outside the travel; nothing is sent. RigError: it does not answer, or stopped elsewhere.
        """
        target_um = self.travel.check(z_um)

        def go(core: Any) -> None:
            core.setPosition(self._label, target_um)
            core.waitForDevice(self._label)

        self._ask("move", go)
        reached_um = self.position_um
        if not abs(reached_um - target_um) <= self.tolerance_um:
            raise RigError(
                f"stage {self._label} stopped at {reached_um:g} µm instead of {target_um:g} µm: check that it is in "
                "closed loop, free to move, and that the travel in stage.options is its own"
            )

    def __enter__(self) -> Self:
        shared = SharedCore(self._options, "stage", self._given)
        try:
            self._label = shared.device(self._options.get("device"), shared.core.getFocusDevice())
        except BaseException:
            shared.close()
            raise
        self._shared = shared
        return self

    def __exit__(self, *exception) -> None:
        shared, self._shared = self._shared, None
        if shared:
            shared.close()

    def _ask(self, what: str, question: Any) -> Any:
        if self._shared is None:
            raise RigError("the stage is not open: use it as a context manager")
        try:
            return question(self._shared.core)
        except Exception as error:  # whatever an adapter says
            reason = " ".join(str(error).split()) or type(error).__name__
            raise RigError(
                f"stage {self._label} does not answer ({what}: {reason}): check its cable and controller, then start "
                "again"
            ) from None
