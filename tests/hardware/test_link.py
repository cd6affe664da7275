"""Opening a serial port that is not as it should be, and losing one that was."""

import errno
import itertools
import os
import pty
import sys
import termios
import threading
import time
import tty
from types import SimpleNamespace

import pytest
import serial

from microtwin.errors import InputError, RigError
from microtwin_hardware.coils import link as link_module
from microtwin_hardware.coils.link import Link

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals")


@pytest.fixture
def line():
    """The board's end of a pseudo-terminal (a file descriptor), and the host's name for the other."""
    board, host = pty.openpty()
    tty.setraw(host)
    yield board, os.ttyname(host)
    os.close(board)
    os.close(host)


def unplug(board):
    """The other end is gone; the number stays taken, so that it can be closed once more."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, board)
    os.close(nothing)


def refused(port, baud=500_000):
    with pytest.raises(InputError) as caught:
        Link(port, baud, "switch it off").open()
    return str(caught.value)


class TestOpening:
    def test_bytes_go_both_ways(self, line):
        board, name = line
        link = Link(name, 500_000, "-")
        link.open()
        link.write(b"\x00\x7e\x0d\x11")
        assert os.read(board, 10) == b"\x00\x7e\x0d\x11"
        os.write(board, b"\x0a\x00\x03\xff")
        assert link.listen(0.2) == b"\x0a\x00\x03\xff"
        assert link.read(0.0) == b""
        assert not link.resets_board  # a pseudo-terminal has no DTR
        link.close()
        link.close()

    def test_missing_says_what_is_there(self, monkeypatch):
        class Found:
            device, description = "/dev/ttyACM7", "Arduino Mega 2560"

            def __lt__(self, other):
                return False

        monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [Found()])
        assert refused("/dev/ttyNONE") == "no port /dev/ttyNONE: there are /dev/ttyACM7 (Arduino Mega 2560)"
        monkeypatch.setattr("serial.tools.list_ports.comports", list)
        assert refused("/dev/ttyNONE").startswith("no port /dev/ttyNONE: there is none at all; plug the board in")

    def test_busy(self, line):
        _, name = line
        first = Link(name, 500_000, "-")
        first.open()
        assert f"port {name} is busy: close the other program" in refused(name)
        first.close()
        second = Link(name, 500_000, "-")
        second.open()
        second.close()

    def test_other_programs_are_kept_out_by_the_kernel(self, line):
        """Root is let in, so ask the terminal for its flag, as a program without pyserial's lock would meet it."""
        import array
        import fcntl

        _, name = line
        link = Link(name, 500_000, "-")
        link.open()
        flag = array.array("i", [0])
        number = link.fileno()
        assert number is not None
        fcntl.ioctl(number, getattr(termios, "TIOCGEXCL", 0x80045440), flag)
        assert flag[0] == 1
        link.close()

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.EACCES, "no permission for port /dev/ttyX: add yourself to its group .*dialout"),
            (errno.EBUSY, "port /dev/ttyX is busy: close the other program"),
            (errno.EIO, r"cannot open port /dev/ttyX \(.*\): unplug the board, plug it in"),
        ],
    )
    def test_what_the_system_says(self, monkeypatch, number, words):
        def refuse(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("serial.serialposix.os.open", refuse)
        with pytest.raises(InputError, match=words):
            Link("/dev/ttyX", 500_000, "-").open()

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)", "port COM3 is busy"),
            ("could not open port 'COM3': FileNotFoundError(2, 'The system cannot ...', None, 2)", "no port COM3"),
        ],
    )
    def test_what_windows_says(self, text, words):
        assert words in link_module._why_not("COM3", 500_000, serial.SerialException(text))

    def test_a_file_is_no_port(self, tmp_path):
        (tmp_path / "notes.txt").write_text("hello")
        assert "notes.txt is no serial port" in refused(str(tmp_path / "notes.txt"))
        assert f"{tmp_path} is no serial port" in refused(str(tmp_path))

    def test_urls(self):
        link = Link("loop://", 500_000, "-")
        link.open()
        link.write(b"abc")
        assert link.read(60.0) == b"abc" and not link.resets_board
        assert "port nowhere://x is no URL of pyserial" in refused("nowhere://x")
        unheard = refused("socket://127.0.0.1:1")
        assert "cannot open port socket://127.0.0.1:1" in unheard
        assert unheard.endswith("check the address, and that what it names is on")  # there is no board to unplug

    def test_impossible_baud_rate(self, monkeypatch):
        assert "cannot run at -5 baud" in refused("/dev/null", baud=-5)


class TestLosing:
    @pytest.mark.parametrize("how", ["read", "write"])
    def test_unplugged_is_one_line_with_what_to_do(self, line, how):
        board, name = line
        link = Link(name, 500_000, "switch the supply off")
        link.open()
        unplug(board)
        with pytest.raises(RigError) as caught:
            link.read(1.0) if how == "read" else link.write(b"x")
        assert str(caught.value) == f"coils at {name} are gone: switch the supply off"
        assert not link.is_open
        with pytest.raises(RigError, match="are gone"):
            link.read(0.0)

    def test_opens_again(self, line):
        _, name = line
        link = Link(name, 500_000, "-")
        for _ in range(3):
            link.open()
            assert link.is_open
        link.close()

    def test_a_line_that_takes_nothing_does_not_hang_the_program(self, line, monkeypatch):
        _, name = line
        monkeypatch.setattr(link_module, "WRITE_S", 0.05)
        link = Link(name, 500_000, "-")
        link.open()
        with pytest.raises(RigError, match="gone"):
            for _ in range(200):
                link.write(bytes(4096))


class TestClock:
    def test_time_is_the_ports_own_if_it_has_one(self, monkeypatch):
        """An emulated port: nothing ever comes, and waiting is what makes its time pass."""

        class Emulated:
            time_s, timeout, in_waiting = 0.0, 0.0, 0
            broken = False

            def open(self):
                pass

            def close(self):
                pass

            def read(self, count):
                self.time_s += self.timeout - 1e-6  # it cannot wait for less
                return b""

        port = Emulated()
        monkeypatch.setattr("serial.serial_for_url", lambda url, **settings: port)
        link = Link("lockstep://bench", 500_000, "-")
        link.open()
        assert link.listen(1000.0) == b"" and link.now_s == pytest.approx(1000.0, abs=0.001)

    def test_listening_takes_what_comes_until_the_time_is_over(self, line, monkeypatch):
        """And it is over when the speaker has ended, which one never knows of a busy machine."""
        board, name = line
        link = Link(name, 500_000, "-")
        link.open()
        spoken = threading.Event()

        def talk():
            for _ in range(5):
                os.write(board, b"ab")
                time.sleep(0.01)
            spoken.set()

        monkeypatch.setattr(link_module, "time", SimpleNamespace(monotonic=lambda: 2.0 * spoken.is_set()))
        speaker = threading.Thread(target=talk)
        speaker.start()
        assert link.listen(0.05) == b"ab" * 5
        speaker.join()
        link.close()

    def test_what_came_while_the_host_was_held_up_is_heard(self, line, monkeypatch):
        board, name = line
        link = Link(name, 500_000, "-")
        link.open()
        os.write(board, b"abc")
        seconds = itertools.count()
        monkeypatch.setattr(link_module, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
        assert link.listen(0.5) == b"abc"
        link.close()
