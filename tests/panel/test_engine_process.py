"""The engine's process as the server holds it, with tiny engines that refuse, hang and die."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from microtwin.errors import InputError, RigError
from microtwin.panel.messages import Alive, Drive, EngineOptions, Pause, Quit, SavePath, SelectRobot, Start, Stop
from microtwin.panel.packet import pack, unpack
from microtwin.panel.server.blank import blank_header
from microtwin.panel.server.command_queue import QUEUED
from microtwin.panel.server.engine_process import EngineProcess

from .waiting import PATIENCE_S, until

BALLAST = SavePath("n" * 2**20)

# Spawned engines import the library each time, which takes seconds; these are copies of a process that has done so.
FAST = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
if FAST == "forkserver":
    multiprocessing.set_forkserver_preload(["microtwin.panel.messages"])


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where the new process finds this module


def opened(tmp_path, main, backend="sim", start_method=FAST, **more) -> EngineProcess:
    return EngineProcess(EngineOptions(backend=backend, out=str(tmp_path)), main, start_method=start_method, **more)


@pytest.fixture(autouse=True)
def no_threads_left():
    before = set(threading.enumerate())
    yield
    until(lambda: not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("panel-")])


def tell(connection, seq, **more):
    header = {**blank_header("sim"), "state": "watching", "seq": seq, **more}
    connection.send_bytes(pack(header, b"picture"))


def echo(options, connection):
    """Says which commands it heard, in the header's reason."""
    connection.send(("ready", None))
    tell(connection, 0, reason="")
    heard = []
    while True:
        command = connection.recv()
        if isinstance(command, Quit):
            (Path(options.out) / "saved").touch()
            return
        heard.append(type(command).__name__)
        tell(connection, len(heard), reason=" ".join(heard))


def refuse(options, connection):
    connection.send(("refused", f"backend {options.backend!r} is not there: choose another"))


def die_early(options, connection):
    os._exit(3)


def die_later(options, connection):
    connection.send(("ready", None))
    tell(connection, 7, field={"alpha_deg": 1.0, "gamma_deg": 90.0, "frequency_hz": 12.0, "amplitude": 5.0})
    connection.recv()
    os._exit(4)


def die_once(options, connection):
    mark = Path(options.out) / "died"
    if not mark.exists():
        mark.touch()
        die_later(options, connection)
    echo(options, connection)


def die_before_a_picture(options, connection):
    connection.send(("ready", None))
    connection.recv()
    os._exit(5)


def hang(options, connection):
    """Takes commands only once it is told to by a file."""
    connection.send(("ready", None))
    tell(connection, 0)
    while not (Path(options.out) / "go").exists():
        time.sleep(0.01)
    echo_on(connection)


def echo_on(connection):
    heard = []
    while not isinstance(command := connection.recv(), Quit):
        heard.append(type(command).__name__)
        tell(connection, len(heard), reason=" ".join(heard))


def deaf(options, connection):
    connection.send(("ready", None))
    while True:
        time.sleep(1.0)


def mute(options, connection):
    time.sleep(60.0)


def interrupt() -> None:
    """Ctrl-C, as a terminal sends it to all, while the new process still loads the library."""
    if os.name == "posix":
        (child,) = (child for child in multiprocessing.active_children() if child.name == "panel-engine")
        assert child.pid is not None
        os.kill(child.pid, signal.SIGINT)


def newest(engine: EngineProcess, holds):
    """The newest packet, once ``holds`` is true of its header."""
    until(lambda: engine.newest is not None and holds(engine.newest.header), lambda: engine.newest)
    assert engine.newest is not None
    return engine.newest


@pytest.mark.parametrize("start_method", sorted({FAST, "spawn"}))
def test_commands_go_in_packets_come_out_and_it_saves_at_the_end(tmp_path, start_method):
    engine = opened(tmp_path, echo, start_method=start_method)
    with contextlib.closing(engine.start(interrupt if start_method == "spawn" else lambda: None)):
        assert engine.alive
        engine.send(SelectRobot((1.0, 2.0)))
        engine.send(Stop())
        packet = newest(engine, lambda header: header["seq"] == 2)
        assert sorted(packet.header["reason"].split()) == ["SelectRobot", "Stop"]
        assert unpack(packet.data) == (packet.header | {"size": [640, 512]}, b"picture")
    assert not engine.alive
    assert (tmp_path / "saved").exists()
    engine.close()  # twice does no harm


def test_what_it_refuses_is_the_users_to_mend(tmp_path):
    with pytest.raises(InputError, match="backend 'odd' is not there: choose another"):
        opened(tmp_path, backend="odd", main=refuse).start()


def test_an_end_before_the_first_word_is_said(tmp_path):
    with pytest.raises(RigError, match=r"ended while it started \(exit code 3\)"):
        opened(tmp_path, die_early).start()


def test_one_that_says_nothing_is_not_waited_for_forever(tmp_path, monkeypatch):
    monkeypatch.setattr("microtwin.panel.server.engine_process.CLOSING_S", 0.1)
    with pytest.raises(RigError, match=r"said nothing for 0\.2 s"):
        opened(tmp_path, mute, opening_s=0.2).start()


def test_its_death_is_noticed_and_shown_without_a_field(tmp_path):
    with opened(tmp_path, die_later) as engine:
        last = newest(engine, lambda header: header["seq"] == 7)
        engine.send(SelectRobot(None))
        broken = newest(engine, lambda header: header["state"] == "broken")
        assert "exit code 4" in broken.header["reason"] and "\n" not in broken.header["reason"]
        assert broken.header["field"]["amplitude"] == 0.0 and last.header["field"]["amplitude"] == 5.0
        assert unpack(broken.data)[1] == b"picture"
        assert broken.seq != last.seq
        until(lambda: not engine.alive)
        with pytest.raises(InputError, match="open it again"):
            engine.send(Start())
        engine.send(Stop())  # there is nobody to stop, which is no mistake
        engine.send(Alive())


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
def test_a_signal_that_killed_it_is_named(tmp_path):
    with opened(tmp_path, echo) as engine:
        assert engine._life is not None
        os.kill(engine._life.process.pid, signal.SIGKILL)  # type: ignore[arg-type]
        assert "signal 9" in newest(engine, lambda header: header["state"] == "broken").header["reason"]


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_left_to_the_server(tmp_path, number):
    with opened(tmp_path, echo) as engine:
        assert engine._life is not None
        os.kill(engine._life.process.pid, number)  # type: ignore[arg-type]
        engine.send(SelectRobot(None))
        newest(engine, lambda header: header["reason"] == "SelectRobot")
    assert (tmp_path / "saved").exists()


def states(engine: EngineProcess, monkeypatch) -> list[str]:
    """Of all packets from now on, as they come."""
    publish, said = engine._publish, []

    def heard(packet):
        said.append(packet.header["state"])
        publish(packet)

    monkeypatch.setattr(engine, "_publish", heard)
    return said


def test_one_that_died_is_started_again(tmp_path, monkeypatch):
    with opened(tmp_path, die_once) as engine:
        engine.send(SelectRobot(None))
        newest(engine, lambda header: header["state"] == "broken")
        until(lambda: not engine.alive)
        said = states(engine, monkeypatch)
        engine.restart()
        engine.restart()  # one is enough
        newest(engine, lambda header: header["state"] == "watching")
        assert said == ["preparing", "watching"]
        until(lambda: engine.alive)
        engine.send(Pause())
        newest(engine, lambda header: header["reason"] == "Pause")
    assert (tmp_path / "saved").exists()


def test_one_that_dies_again_says_so_again(tmp_path):
    with opened(tmp_path, die_before_a_picture) as engine:
        for _ in range(2):
            engine.send(SelectRobot(None))
            broken = newest(engine, lambda header: header["state"] == "broken")
            assert "exit code 5" in broken.header["reason"]
            assert unpack(broken.data)[1].startswith(b"\xff\xd8")  # a grey picture, there never was another
            until(lambda: not engine.alive)
            engine.restart()
            until(lambda: engine.alive)
        assert engine.newest is not None and engine.newest.header["state"] == "preparing"


def test_a_stop_overtakes_and_what_was_asked_before_it_does_not_come_true(tmp_path):
    with opened(tmp_path, hang) as engine:
        engine.send(SelectRobot((0.0, 0.0)))
        engine.send(BALLAST)  # more than a pipe holds: the writer waits on it
        until(lambda: not engine._queue)
        for command in (Start(), SelectRobot(None), Drive(0.0, 1.5, 12.0), Pause(False), Alive(), Alive()):
            engine.send(command)
        engine.send(Stop())
        (tmp_path / "go").touch()
        packet = newest(engine, lambda header: header["seq"] == 5)
        assert packet.header["reason"] == "SelectRobot SavePath Stop SelectRobot Alive"


def test_a_hung_engine_holds_nobody_up_and_is_killed_at_the_end(tmp_path):
    with opened(tmp_path, deaf, grace_s=0.2) as engine:
        engine.send(BALLAST)
        until(lambda: not engine._queue)
        for _ in range(QUEUED):
            engine.send(SelectRobot(None))
        with pytest.raises(InputError, match="takes no commands"):
            engine.send(SelectRobot(None))
        engine.send(Stop())
        assert isinstance(engine._queue[0], Stop)
        assert engine.silent_s >= 0.0
    assert not engine.alive


def test_waiters_wake_on_a_packet_and_give_up_in_time(tmp_path):
    async def ask(engine):
        first = await engine.after(None, PATIENCE_S)
        assert first is not None and first.seq == 0
        assert await engine.after(0, 0.05) is None
        many = [asyncio.create_task(engine.after(0, PATIENCE_S)) for _ in range(5)]
        await asyncio.sleep(0.05)
        engine.send(Pause())
        found = await asyncio.gather(*many)
        assert {packet.seq for packet in found} == {1}
        gone = asyncio.create_task(engine.after(1, PATIENCE_S))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert engine._waiters == set()

    with opened(tmp_path, echo) as engine:
        asyncio.run(ask(engine))
