"""The coils that a configuration describes."""

from microtwin.rig import Coils
from microtwin_hardware.config import CoilsConfig


def open_coils(config: CoilsConfig) -> Coils:
    """Our firmware's or the lab's, not entered yet: entering opens the port, checks what is there, and arms.

    None at all for the profile "none".

    Raises:
        InputError: settings that the profile's firmware cannot follow.
    """
    if config.profile == "microtwin":
        from microtwin_hardware.coils.mega import MegaCoils

        return MegaCoils(config)
    if config.profile == "none":
        from microtwin_hardware.coils.absent import AbsentCoils

        return AbsentCoils()
    from microtwin_hardware.coils.lab import LabCoils

    return LabCoils(config)
