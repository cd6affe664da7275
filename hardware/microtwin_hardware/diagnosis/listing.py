"""What is plugged in: serial ports with what answers there, and the cameras that each driver sees."""

from microtwin.errors import InputError
from microtwin.rig import RigError
from microtwin_hardware.coils import messages, packets, serial_transfer
from microtwin_hardware.coils.link import BOOT_S, Link
from microtwin_hardware.diagnosis.findings import Finding

ARDUINO = {0x2341, 0x2A03, 0x1A86}  # USB vendors: Arduino twice, and the chip on most copies of a Mega
BAUD, LAB_BAUD = 500_000, 115_200
QUIET_S, ANSWER_S = 0.2, 0.3


def ports(busy: str = "") -> list[Finding]:
    """Every serial port. Only an Arduino is spoken to: the others may be a stage, and are left alone.

    Args:
        busy: a port that is tested otherwise, and is not opened here.
    """
    from serial.tools import list_ports

    found = []
    for port in sorted(list_ports.comports(), key=lambda port: port.device):
        if port.device == busy:
            found.append(Finding("port", port.device, f"{port.description}, the one in the settings"))
        elif port.vid in ARDUINO:
            found.append(who_answers(port.device, f"{port.description}: "))
        else:
            found.append(Finding("port", port.device, f"{port.description}, not asked: no Arduino"))
    if not found and not busy:
        return [Finding("port", "all", "none", False, "plug the board in; a cable that only charges shows nothing")]
    return found


def who_answers(port: str, description: str = "") -> Finding:
    """Our firmware with its version, the lab's by the currents it sends, or nothing."""
    heard = b""
    for baud in (BAUD, LAB_BAUD):
        link = Link(port, baud, "plug it in again")
        try:
            link.open()
            heard = link.listen(BOOT_S if link.resets_board else QUIET_S)
            link.write(packets.packet(messages.Hello().message(1)))
            heard += link.listen(ANSWER_S)
        except (InputError, RigError) as error:
            return Finding.of("port", port, error)
        finally:
            link.close()
        greeting = _greeting(heard)
        if greeting:
            return Finding("port", port, f"{description}{greeting}", True)
        if serial_transfer.Receiver().feed(heard):
            words = f"{description}the lab's firmware at {baud} baud (it sends currents)"
            return Finding("port", port, words, True, "name its profile: lab-8, lab-10 or lab-17")
    words = f"{len(heard)} bytes of no known protocol" if heard else "silent"
    advice = "flash hardware/firmware/microtwin_mega, if this is the coils' board"
    return Finding("port", port, description + words, None, advice)


def _greeting(heard: bytes) -> messages.Greeting | None:
    for message in packets.Receiver().feed(heard):
        try:
            reply = messages.reply_in(message)[2]
        except ValueError:
            continue
        if isinstance(reply, messages.Greeting):
            return reply
    return None


def cameras(expected: bool = True) -> list[Finding]:
    """Every camera of every driver; a driver whose library is missing says how to install it.

    Args:
        expected: to find none at all is wrong. It is not where the settings name a stream, which no driver lists.
    """
    from microtwin_hardware.cameras import available

    found = []
    for driver, there in available().items():
        if isinstance(there, str):
            words, _, advice = there.partition(": ")
            found.append(Finding("camera", driver, words, None, advice))
        else:
            found += [Finding("camera", driver, one, True) for one in there] or [Finding("camera", driver, "none")]
    if expected and not any(one.ok for one in found):
        found.append(Finding("camera", "all", "none", False, "plug one in, or install its driver's library"))
    return found
