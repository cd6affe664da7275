"""Stages that move the focus: a z-piezo through Micro-Manager, and one that is not there."""

from microtwin.errors import InputError
from microtwin.rig import Stage
from microtwin_hardware.config import StageConfig
from microtwin_hardware.plugins import named_class

__all__ = ["open_stage"]


def open_stage(config: StageConfig) -> Stage | None:
    """The stage that a configuration describes, not entered yet; None for the driver "none".

    ``package.module:Class`` as the driver is a stage of one's own, made as ``Class(config)``. With ``direction = -1``
    it is turned upside down.

    Raises:
        InputError: no such driver, options that it does not take.
    """
    stage = _driver(config)
    if stage is None or config.direction == 1:
        return stage
    from microtwin_hardware.stages.mirrored import Mirrored

    return Mirrored(stage)


def _driver(config: StageConfig) -> Stage | None:
    if ":" in config.driver:
        return named_class(config.driver, "stage.driver")(config)
    match config.driver:
        case "none":
            return None
        case "simulated":
            from microtwin_hardware.stages.simulated import SimulatedStage

            return SimulatedStage(config)
        case "micromanager":
            from microtwin_hardware.stages.micromanager import MicroManagerStage

            return MicroManagerStage(config)
    raise InputError(
        f'stage.driver is "{config.driver}": choose one of none, simulated, micromanager, or give package.module:Class'
    )
