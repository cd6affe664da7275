"""The emulated rig in real time, from outside: its serial port, its camera, its faults, its end."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import serial

from emulated_rig.build import missing
from emulated_rig.coil_model import CoilModel
from emulated_rig.driven import WatchedCoils
from emulated_rig.pty_port import PtyPort
from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.rig import RigError

ALL_BYTES = bytes(range(256))
PATIENCE_S = 120.0  # for what must come: as long as no machine takes, however busy


def settled(port, expected):
    """What the port has received, once that is as long as expected."""
    got, until = b"", time.monotonic() + PATIENCE_S
    while len(got) < len(expected) and time.monotonic() < until:
        got += port.receive()
    return got


class TestPort:
    @pytest.fixture
    def port(self, tmp_path):
        with PtyPort(tmp_path / "tty") as made:
            yield made

    def opened(self, port):
        host = serial.Serial(str(port.link), 500_000, timeout=PATIENCE_S, write_timeout=PATIENCE_S)
        port.receive()
        return host

    def test_every_byte_passes_as_it_is_both_ways(self, port):
        with self.opened(port) as host:
            host.write(ALL_BYTES)
            assert settled(port, ALL_BYTES) == ALL_BYTES
            port.send(ALL_BYTES)
            assert host.read(256) == ALL_BYTES

    def test_more_than_the_kernel_holds_arrives_when_the_host_reads(self, port):
        sent = np.random.default_rng(1).bytes(40_000)
        with self.opened(port) as host:
            port.send(sent)
            got = b""
            while len(got) < len(sent) and (chunk := host.read(max(1, host.in_waiting))):
                got += chunk
                port.send(b"")
            assert got == sent

    def test_what_is_sent_while_nobody_listens_is_lost(self, port):
        port.receive()
        port.send(b"old")
        with self.opened(port) as host:
            port.send(b"new")
            assert host.read(3) == b"new"

    def test_it_counts_its_openings(self, port):
        assert (port.opened, port.is_open) == (0, False)
        for count in (1, 2):
            with self.opened(port):
                assert (port.opened, port.is_open) == (count, True)
            port.receive()
            assert (port.opened, port.is_open) == (count, False)

    def test_the_last_words_of_a_host_that_hangs_up_are_heard(self, port):
        with self.opened(port) as host:
            host.write(b"off")
        assert port.receive() == b"off"

    def test_nothing_of_the_last_host_is_left_for_the_next(self, port):
        with self.opened(port):
            port.send(b"for nobody else")
        port.receive()
        with self.opened(port) as host:
            port.send(b"mine")
            assert host.read(4) == b"mine"

    def test_a_host_with_more_than_is_taken_has_to_wait_and_loses_nothing(self, port):
        sent = np.random.default_rng(2).bytes(300_000)
        with self.opened(port) as host:
            writing = threading.Thread(target=host.write, args=(sent,))
            writing.start()
            got = b""
            while len(got) < len(sent):
                chunk = port.receive(1000)
                assert len(chunk) <= 1000
                assert port.receive(0) == b""
                got += chunk
            writing.join()
        assert got == sent

    def test_unplugged_the_host_gets_an_error_and_the_name_is_gone(self, port):
        with self.opened(port) as host:
            port.unplug()
            assert not os.path.lexists(port.link)
            with pytest.raises(OSError):
                host.read(1)
            with pytest.raises(OSError):
                host.write(b"x")
        assert port.receive() == b""
        port.send(b"into the air")

    def test_plugged_again_it_works_under_the_same_name(self, port):
        with self.opened(port):
            port.unplug()
        port.plug()
        with self.opened(port) as host:
            host.write(b"hello")
            assert settled(port, b"hello") == b"hello"
            assert port.opened == 2

    def test_hosts_that_follow_each_other_at_once_are_not_thrown_out(self, port):
        """One thread opens and closes as fast as it can, the port is served as the rig does it."""
        rounds, faults = 300, []

        def hosts():
            for _ in range(rounds):
                with serial.Serial(str(port.link), 500_000, timeout=PATIENCE_S) as host:
                    host.write(b"?")
                    if host.read(1) != b"!":
                        faults.append("no answer")

        def run():
            try:
                hosts()
            except OSError as error:
                faults.append(str(error))

        talking = threading.Thread(target=run)
        talking.start()
        while talking.is_alive():
            port.send(b"!" * port.receive().count(b"?"))
        talking.join()
        assert not faults

    def test_it_takes_no_name_that_is_something_else(self, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(InputError, match=r"notes\.txt.*--port"):
            PtyPort(tmp_path / "notes.txt")
        assert (tmp_path / "notes.txt").read_text() == "mine"
        with pytest.raises(InputError, match="--port"):
            PtyPort(tmp_path / "no" / "such" / "folder")

    def test_a_name_left_by_one_that_was_killed_is_taken_over(self, tmp_path):
        (tmp_path / "tty").symlink_to("/dev/pts/nobody")
        with PtyPort(tmp_path / "tty") as port, self.opened(port) as host:
            host.write(b"x")
            assert settled(port, b"x") == b"x"
        assert not os.path.lexists(tmp_path / "tty")


def test_the_coils_log_is_true_to_the_sample_whatever_the_pieces():
    on = np.zeros(400, dtype=bool)
    on[37:120] = on[121:300] = on[399] = True
    duties = np.zeros((400, 12))
    duties[on, 5] = 0.3
    for pieces in (1, 7, 400):
        coils = WatchedCoils.lab()
        plain = [coils.drive(piece) for piece in np.array_split(duties, pieces)]
        assert np.round(np.array(coils.intervals_s) / coils.sample_s).astype(int).tolist() == [
            [37, 120],
            [121, 300],
            [399, 400],
        ]
        assert coils.driven
        np.testing.assert_array_equal(np.concatenate(plain), CoilModel.lab().drive(duties))


class Bench:
    """``python -m emulated_rig`` in another process."""

    def __init__(self, folder, *arguments):
        self.folder = folder
        command = [sys.executable, "-m", "emulated_rig", "--port", "tty", "--toml", "rig.toml", "--report", "end.json"]
        self.process = subprocess.Popen(
            [*command, *arguments], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._heard = b""

    def line(self):
        out = self.process.stdout
        assert out
        until = time.monotonic() + 2 * PATIENCE_S
        while b"\n" not in self._heard:
            ready, _, _ = select.select([out], [], [], max(0.0, until - time.monotonic()))
            assert ready, "it says nothing"
            chunk = os.read(out.fileno(), 65536)
            assert chunk, f"it ended: {self.process.stderr.read().decode() if self.process.stderr else ''}"
            self._heard += chunk
        first, self._heard = self._heard.split(b"\n", 1)
        return first.decode()

    def order(self, word):
        assert self.process.stdin
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()

    def report(self):
        self.order("report")
        return json.loads(self.line())

    def config(self):
        from microtwin_hardware.config import load

        return load(self.folder / "rig.toml")

    def end(self):
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()


needs_tools = pytest.mark.skipif(bool(missing()), reason=f"needs the Debian packages {' '.join(missing())}")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("rig"), "--quiet")
    try:
        assert made.line().startswith("ready: coils at ")
        yield made
    finally:
        made.end()


ROLL = RotatingField(alpha_rad=0.3, frequency_hz=12.0)
WATCHDOG_S = 0.25
LATE_S = 0.02  # from a host's last word to the watchdog that hears it, and to the end of an update


def time_of(what, report):
    """Of the last such event, on the rig's clock."""
    return [event["time_s"] for event in report["events"] if event["what"] == what][-1]


@needs_tools
class TestRealTime:
    """Times are the rig's own, out of its report: the host may be held up for as long as the machine likes.

    The board's watchdog then ends a field that the host meant to keep, as it should; a host here starts again.
    """

    @pytest.fixture(autouse=True)
    def patient(self, monkeypatch):
        """A busy machine must not pass for a board that is gone, or a camera."""
        from microtwin_hardware.cameras import latest, opencv
        from microtwin_hardware.coils import mega

        monkeypatch.setattr(mega, "REPLY_S", PATIENCE_S)
        monkeypatch.setattr(mega, "HELLOS", int(PATIENCE_S / mega.HELLO_S))  # one that meets the reset is lost
        monkeypatch.setattr(latest, "START_S", PATIENCE_S)
        monkeypatch.setattr(opencv, "STREAM_OPEN_S", PATIENCE_S)

    @pytest.fixture
    def bench(self, shared):
        """The one rig of all these tests, put right again."""
        yield shared
        shared.order("thaw")
        shared.order("plug")

    @pytest.fixture
    def coils(self, bench):
        from microtwin_hardware.coils.mega import MegaCoils

        config = bench.config().coils
        assert config.watchdog_ms == 1000 * WATCHDOG_S
        with MegaCoils(config) as made:
            yield made

    @pytest.fixture
    def camera(self, bench):
        """The camera's settings, with time enough for a host that is held up."""
        return replace(bench.config().camera, timeout_s=60.0, freeze_s=0.2)

    def drive_until_told(self, coils, what):
        """Command a field, again after every watchdog, until the coils raise something else."""
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            try:
                coils.apply(ROLL)
                time.sleep(0.01)
            except RigError as error:
                if "watchdog, nothing was heard" not in str(error):
                    assert what in str(error)
                    return
                coils.arm()
        raise AssertionError("nothing was told")

    def driven_again(self, bench, before):
        """The report once the coils were driven another time."""
        return lambda: len((found := bench.report())["driven_s"]) > len(before["driven_s"]) and found

    def test_a_field_commanded_over_the_port_drives_the_coils_until_off(self, bench, coils, until):
        before = bench.report()
        assert not before["driven"]
        coils.apply(ROLL)
        during = until(self.driven_again(bench, before))
        begin_s, end_s = during["driven_s"][-1]
        assert begin_s >= before["emulated_s"]
        assert during["driven"] or end_s - begin_s > WATCHDOG_S  # by now it may have waited long enough for us
        coils.off()
        after = bench.report()
        assert not after["driven"]
        assert len(after["driven_s"]) == len(before["driven_s"]) + 1
        assert after["last_driven_s"] <= after["emulated_s"]

    def test_off_ends_a_field_at_once(self, bench, coils, until):
        """Not by and by, as the watchdog would; if that was first, it is tried again."""

        def ended_by_off():
            coils.arm()
            coils.apply(ROLL)
            during = bench.report()
            coils.off()
            after = bench.report()
            assert not after["driven"]
            return during["driven"] and after["last_driven_s"] - during["emulated_s"] < 0.8 * WATCHDOG_S

        until(ended_by_off)

    def test_the_camera_shows_the_scene_at_the_rate_it_says(self, bench, camera):
        from microtwin_hardware.cameras import open_camera

        with open_camera(camera) as opened:
            frames = [opened.read(PATIENCE_S) for _ in range(6)]
        images = [frame.image for frame in frames if frame.image is not None]
        assert [image.shape for image in images] == [camera.shape] * 6
        assert frames[0].um_per_px == camera.um_per_px
        assert len({image.tobytes() for image in images}) == 6  # noise: no two are alike
        dark = images[0] < 0.6 * np.median(images[0])
        assert 20 < dark.sum() < 5000  # robot and bead on a bright ground
        found = bench.report()
        taken = found["frames"] + found["frames_left_out"]
        assert taken == pytest.approx(found["emulated_s"] * camera.frame_rate_hz, abs=4)  # some are under way

    def test_a_host_that_floods_the_line_waits_for_it(self, bench):
        """A megabyte takes 20 s at 500,000 baud: it must not vanish into the emulator at once."""
        with serial.Serial(bench.config().coils.port, 500_000, write_timeout=0.5) as host:
            with pytest.raises(serial.SerialTimeoutException):
                host.write(bytes(1_000_000))
            host.reset_output_buffer()

    def test_opening_the_port_resets_the_board(self, bench, until):
        """A second session may not be older, to the board, than its opening; without a reset it has the first's age."""
        from microtwin_hardware.coils.mega import MegaCoils

        config = bench.config().coils
        with MegaCoils(config) as coils:
            until(lambda: coils.status().uptime_s > 0.3)
        until(lambda: bench.report()["events"][-1]["what"] == "closed")  # or it cannot tell that it is opened again
        opened = bench.report()["opened"]
        with MegaCoils(config) as coils:
            uptime_s = coils.status().uptime_s
            found = bench.report()
        assert found["opened"] == opened + 1
        assert 0.0 < uptime_s <= found["emulated_s"] - time_of("opened", found) + 0.002  # counted in ms

    def test_a_host_that_is_killed_leaves_the_coils_on_for_no_longer_than_the_watchdog(self, bench, until):
        host = subprocess.Popen([sys.executable, "-c", HOST, str(bench.folder / "rig.toml")], stdout=subprocess.PIPE)
        assert host.stdout and host.stdout.readline() == b"driving\n"
        seen = until(lambda: (found := bench.report())["driven"] and found)
        host.kill()
        host.wait()
        host.stdout.close()
        until(lambda: bench.report()["events"][-1]["what"] == "closed")
        found = until(lambda: not (found := bench.report())["driven"] and found)
        assert seen["emulated_s"] - LATE_S < found["last_driven_s"]
        assert found["last_driven_s"] - time_of("closed", found) < WATCHDOG_S + LATE_S

    def test_unplugged_in_mid_run_the_host_is_told_the_field_ends_and_stays_off(self, bench, coils, until):
        coils.apply(ROLL)
        bench.order("unplug")
        self.drive_until_told(coils, "are gone")
        found = until(lambda: not (found := bench.report())["driven"] and found)
        assert found["last_driven_s"] - time_of("unplug", found) < WATCHDOG_S + LATE_S
        bench.order("plug")
        until(lambda: os.path.lexists(bench.config().coils.port))
        coils.reconnect()
        again = bench.report()
        assert not again["driven"] and again["driven_s"] == found["driven_s"]
        coils.arm()
        coils.apply(ROLL)
        until(self.driven_again(bench, again))

    def test_a_stuck_camera_is_noticed(self, bench, camera):
        from microtwin_hardware.cameras import open_camera

        with open_camera(camera) as opened:
            opened.read(PATIENCE_S)
            bench.order("freeze")
            with pytest.raises(RigError, match="same picture"):
                while True:
                    opened.read(PATIENCE_S)

    def test_an_unknown_order_is_answered_with_those_there_are(self, bench):
        bench.order("explode")
        assert "unplug, plug, freeze" in bench.line()

    def test_a_camera_that_is_gone_is_noticed_and_the_board_goes_on(self, bench, camera, coils, until):
        """The last but one: it does not come back."""
        from microtwin_hardware.cameras import open_camera

        with open_camera(camera) as opened:
            opened.read(PATIENCE_S)
            bench.order("camera-gone")
            with pytest.raises(RigError, match="is gone"):
                while True:
                    opened.read(PATIENCE_S)
        before = bench.report()
        coils.apply(ROLL)
        until(self.driven_again(bench, before))

    def test_ctrl_c_ends_it_and_the_host_is_told(self, shared):
        """The last one."""
        from microtwin_hardware.coils import open_coils

        with open_coils(shared.config().coils) as coils:
            coils.apply(ROLL)
            shared.process.send_signal(signal.SIGINT)
            self.drive_until_told(coils, "are gone")
        assert shared.process.wait(PATIENCE_S) == 0
        found = json.loads((shared.folder / "end.json").read_text())
        assert found["bytes_to_duty_ms"]["max"] < 5.0  # emulated time: a packet, its field, the next update


HOST = """
import sys, time
from microtwin.errors import RigError
from microtwin.field import RotatingField
from microtwin_hardware.coils import mega
from microtwin_hardware.config import load

mega.REPLY_S, mega.HELLOS = 120.0, 500
with mega.MegaCoils(load(sys.argv[1]).coils) as coils:
    for tick in range(2000):
        try:
            coils.apply(RotatingField(alpha_rad=0.3, frequency_hz=12.0))
        except RigError:  # it was held up for longer than the watchdog
            coils.arm()
        if tick == 2:
            print("driving", flush=True)
        time.sleep(1 / 24)
"""


@needs_tools
def test_sigterm_ends_it_with_its_report_written_and_its_port_taken_away(tmp_path):
    bench = Bench(tmp_path, "--camera", "mjpeg")
    try:
        assert "http://127.0.0.1:" in bench.line()
        assert "real time ×" in bench.line()
        assert os.path.lexists(tmp_path / "tty")
        bench.process.terminate()
        assert bench.process.wait(PATIENCE_S) == 0
        found = json.loads((tmp_path / "end.json").read_text())
        assert found["frames"] + found["frames_left_out"] == pytest.approx(24 * found["emulated_s"], abs=4)
        assert found["emulated_s"] == pytest.approx(found["wall_s"] - found["slipped_s"], abs=0.1)
        assert found["driven_s"] == []
        assert sorted(path.name for path in tmp_path.iterdir()) == ["end.json", "rig.toml"]
    finally:
        bench.end()


@needs_tools
def test_bad_input_is_one_line_and_code_2(tmp_path, monkeypatch, capsys):
    from emulated_rig.__main__ import main

    (tmp_path / "taken.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["emulated_rig", "--port", "taken.txt"])
    assert main() == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "--port" in told
    assert [path.name for path in tmp_path.iterdir()] == ["taken.txt"]


@needs_tools
@pytest.mark.parametrize("bad", [{"path": "no-such-path"}, {"latency": -1}, {"seed": -1}, {"trial": -1}])
def test_bad_input_leaves_nothing_behind(tmp_path, bad):
    from emulated_rig.__main__ import emulate

    with pytest.raises(InputError, match=str(next(iter(bad.values())))):
        emulate(port=tmp_path / "tty", toml=tmp_path / "rig.toml", **bad)
    assert not list(tmp_path.iterdir())
