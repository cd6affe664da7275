"""Which of the lab's firmwares is on the port? They do not say; the currents of short weak pulses tell.

A 17-float firmware is asked for one coil's duty by its 13th float, which a shorter one never reads: the pulse shows a
current on the 17-float firmware and does nothing on the others. What is left is told from "no supply" by a pulse in
the first float: amplitude without turns is nothing to the 17-float firmware, and Bx to the 8- and 10-float ones, which
cannot be told apart (their floats have the same meaning as far as both go, with the unused ones at zero).
"""

from collections.abc import Callable

import numpy as np

from microtwin.errors import InputError
from microtwin_hardware.coils.lab_floats import in_order
from microtwin_hardware.coils.messages import COILS
from microtwin_hardware.coils.uplink import Uplink
from microtwin_hardware.config import CoilsConfig

PULSE_S, PIECES, REST_S = 0.2, 8, 0.15
SEEN_A = 0.1  # two and a half counts of the Mega's converter
LISTEN_S = 1.0


def verify(config: CoilsConfig, uplink: Uplink, send: Callable[[tuple[float, ...]], None]) -> None:
    """Prove the profile by its currents. Ends with the field off, whatever it finds.

    Args:
        config: its profile is what is claimed, its ``probe_duty`` the pulses' strength. uplink: is known to speak.
        send: sends floats to the board.

    Raises:
        InputError: another firmware than the profile says, or no current at all.
    """
    profile, port = config.profile, config.port
    is_17 = profile == "lab-17"

    def pulse(**values) -> list[str]:
        """Coils that carry a current under these floats, and none without them."""
        zeros = in_order(profile)
        send(zeros)
        uplink.gather(REST_S)
        before = uplink.gather(REST_S)
        try:
            during = []
            for _ in range(PIECES):  # sent again and again: a guard would end a pulse that is not
                send(in_order(profile, **values))
                during += list(uplink.gather(PULSE_S / PIECES))
            during = during[len(during) // 2 :]
        finally:
            send(zeros)
        if not (len(before) and len(during)):
            raise InputError(f"currents from {port} stopped coming: check the cable and the board's supply")
        rise = np.abs(np.median(during, axis=0)) - np.abs(np.median(before, axis=0))
        return [name for name, each in zip(COILS, rise, strict=True) if each > SEEN_A]

    duty = config.probe_duty
    if is_17:
        one_coil = tuple(duty if name == "+X" else 0.0 for name in COILS)
        if pulse(coils=one_coil):
            return
        seen = pulse(amplitude=duty)
        if seen:
            raise InputError(
                f"firmware on {port} takes 8 or 10 floats, the profile says 17 (its amplitude came out as a field on "
                f"{' and '.join(seen)}): give profile = lab-10 or lab-8"
            )
    else:
        seen = pulse(x=duty)
        if set(seen) & {"+X", "-X"}:
            return
        if seen:
            raise InputError(
                f"firmware on {port} answers Bx with a current on {' and '.join(seen)}, not on +X or -X: check the "
                "wiring and the profile"
            )
    other = "8 or 10 floats" if is_17 else "17 floats"
    raise InputError(
        f"no coil at {port} carries a current at a duty of {duty:g}: switch the coils' supply on, or raise "
        f"coils.probe_duty (bridges do nothing with short pulses), or the firmware takes {other} and not {profile[4:]}"
    )
