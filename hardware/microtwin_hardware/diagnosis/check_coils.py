"""Do the coils answer, are they quiet with the field off, does every one of them draw current when it should."""

import time
from collections.abc import Callable

import numpy as np

from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, SPIN_CCW_RAD, RotatingField
from microtwin.rig import Coils
from microtwin_hardware.diagnosis.findings import Finding

EXCHANGES = 100
SLOW_S = 0.02  # a command that takes longer eats half a frame
COILS = ("+Y", "+X", "−Y", "−X", "+Z", "−Z")
IDLE_A = 0.3  # more than offset and noise of the current sense
PULSE, PULSE_HZ, PULSE_S = 0.2, 5.0, 0.6  # weak, slow, three turns
SETTLED = 0.25  # of the pulse: the board still reports currents from before it
ALIVE = 0.15  # of the strongest coil's current


def check_link(coils: Coils, clock: Callable[[], float] = time.perf_counter) -> list[Finding]:
    """State, faults and the round trip of a command that leaves the field off."""
    found = []
    firmware = getattr(coils, "firmware", None)
    if firmware is not None:
        found.append(Finding("coils", "firmware", str(firmware), True))
    found += [Finding("coils", "note", note) for note in getattr(coils, "notes", [])]
    status = getattr(coils, "status", None)
    if status is None:
        found.append(
            Finding("coils", "round trip", "not measurable", None, "the lab's firmware answers no command; ours does")
        )
        return found
    before = status()
    waits = np.empty(EXCHANGES)
    for k in range(EXCHANGES):
        begun = clock()
        coils.off()
        waits[k] = clock() - begun
    after = status()
    bad, late = after.bad_packets - before.bad_packets, float(np.quantile(waits, 0.95))
    faults, trips = str(after.faults) if after.faults else "none", 1e3 * np.array([np.median(waits), late])
    slow = "set the USB serial chip's latency timer to 1 ms; use no hub; close other programs"
    return [
        *found,
        Finding.judged("coils", "faults", faults, not after.faults, "find its cause before the next run"),
        Finding.judged("coils", "bad packets", f"{bad} of {EXCHANGES}", bad == 0, "a shorter, shielded USB cable"),
        Finding.judged("coils", "round trip", f"{trips[0]:.1f} ms, 95 % within {trips[1]:.1f} ms", late < SLOW_S, slow),
    ]


def check_idle(coils: Coils) -> list[Finding]:
    """Currents with the field off."""
    coils.off()
    currents = coils.currents_a()
    if currents is None:
        return [Finding("coils", "currents, off", "not reported", None, "the board has sent none yet")]
    hot = [f"{name} {amps:.2f} A" for name, amps in zip(COILS, currents, strict=True) if abs(amps) > IDLE_A]
    words = ", ".join(hot) if hot else f"all below {IDLE_A:g} A"
    advice = "switch the supply off: a bridge is shorted or wired to another pin"
    return [Finding.judged("coils", "currents, off", words, not hot, advice)]


def check_axes(coils: Coils, clock: Callable[[], float] = time.monotonic) -> list[Finding]:
    """Currents under a weak, slow field: one that spins in x and y, then one that rolls in x and z."""
    findings = []
    for words, gamma, driven in (("x and y", SPIN_CCW_RAD, "XY"), ("x and z", PUSH_RAD, "XZ")):
        try:
            peaks = _peaks_a(coils, RotatingField(0.0, gamma, PULSE_HZ, PULSE), clock)
        except InputError as error:  # firmware that knows only all or nothing
            return [Finding("coils", "pulse", "left out", None, str(error))]
        finally:
            coils.off()
        if peaks is None:
            return [Finding("coils", "pulse", "currents are not reported", None, "watch a robot or a compass instead")]
        test = f"pulse in {words}"
        strongest = float(peaks.max())
        if strongest < IDLE_A:
            words = f"at most {strongest:.2f} A"
            findings.append(Finding("coils", test, words, False, "is the coils' supply on, and its fuse whole?"))
            continue
        dead = [n for n, a in zip(COILS, peaks, strict=True) if n[1] in driven and a < ALIVE * strongest]
        wrong = [n for n, a in zip(COILS, peaks, strict=True) if n[1] not in driven and a > ALIVE * strongest]
        amps = ", ".join(f"{n} {a:.2f}" for n, a in zip(COILS, peaks, strict=True)) + " A"
        advice = " and ".join(
            [f"no current in {', '.join(dead)}: check its wires, bridge and enables"] * bool(dead)
            + [f"current in {', '.join(wrong)}, which should have none: two coils are swapped"] * bool(wrong)
        )
        findings.append(Finding("coils", test, amps, not advice, advice))
    return findings


def _peaks_a(coils: Coils, field: RotatingField, clock: Callable[[], float]) -> np.ndarray | None:
    peaks, begun = np.zeros(6), clock()
    while clock() - begun < PULSE_S:
        coils.apply(field)
        currents = coils.currents_a()
        if currents is None:
            return None
        if clock() - begun > SETTLED * PULSE_S:
            peaks = np.maximum(peaks, np.abs(currents))
    return peaks
