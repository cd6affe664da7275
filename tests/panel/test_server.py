"""The desk and its sockets, over real connections; then the whole server in a process of its own."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("nicegui", reason="the panel extra is not installed")

import httpx
import uvicorn
from starlette.applications import Starlette
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from microtwin.errors import InputError
from microtwin.panel.messages import Alive, Detect, Drive, EngineOptions, Quit, Reopen, Start, Stop
from microtwin.panel.packet import pack, unpack
from microtwin.panel.server.access import LOOPBACK_NAMES, Access
from microtwin.panel.server.blank import blank_header
from microtwin.panel.server.desk import Desk
from microtwin.panel.server.engine_process import EngineProcess
from microtwin.panel.server.listening import address_of, listen
from microtwin.panel.server.packet_source import Packet
from microtwin.panel.server.run_server import add_sockets, web_config
from microtwin.panel.server.stream import UNACKED, drive_of

from .waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[2]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Engine(EngineProcess):
    """Without a process: packets are made here, commands kept."""

    def __init__(self):
        super().__init__(EngineOptions())
        self.heard = []
        self.living = True
        self.restarts = 0

    @property
    def alive(self) -> bool:
        return self.living

    def send(self, command) -> None:
        self.heard.append(command)

    def restart(self) -> None:
        self.restarts += 1

    def frame(self, seq: int) -> None:
        header = {**blank_header("sim"), "seq": seq}
        self._publish(Packet(seq, header, pack(header, b"picture")))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def desk(engine, clock, tmp_path) -> Desk:
    return Desk(engine, out=tmp_path, backend="sim", clock=clock)


@contextlib.contextmanager
def serving(desk: Desk, token: str | None = None):
    """Host and port of a server in a thread."""
    app = Starlette()
    add_sockets(app, desk)
    with contextlib.closing(listen("127.0.0.1", 0)) as sock:
        server = uvicorn.Server(web_config(Access(app, token, LOOPBACK_NAMES)))
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        host = f"127.0.0.1:{sock.getsockname()[1]}"
        try:
            until(lambda: server.started)
            yield host
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture
def host(desk):
    with serving(desk) as host:
        yield host


def stream(host: str, client: str = "a", **options):
    return reach(f"ws://{host}/stream?client={client}", compression=None, **options)


def reach(address: str, **options):
    return connect(address, proxy=None, open_timeout=PATIENCE_S, ping_interval=None, **options)


def web(host: str, **options) -> httpx.Client:
    return httpx.Client(base_url=f"http://{host}", trust_env=False, timeout=PATIENCE_S, **options)


def seq_of(packet) -> int:
    return unpack(packet)[0]["seq"]


def test_a_slow_client_holds_no_fast_one_up_and_skips_to_the_newest(host, engine):
    engine.frame(0)
    with stream(host, "slow") as slow, stream(host, "fast") as fast:
        assert seq_of(slow.recv(PATIENCE_S)) == 0
        for seq in range(1, 60):
            engine.frame(seq)
            while seq_of(fast.recv(PATIENCE_S)) != seq:  # the one before, or that again as a sign of life
                fast.send("ack")
            fast.send("ack")
        for _ in range(UNACKED - 1):
            slow.recv(PATIENCE_S)
        slow.send("ack")
        assert seq_of(slow.recv(PATIENCE_S)) == 59  # nothing more was on the way before it said so


def test_without_a_new_frame_the_last_comes_again(host, engine, monkeypatch):
    monkeypatch.setattr("microtwin.panel.server.stream.KEEP_ALIVE_S", 0.02)
    engine.frame(5)
    with stream(host) as browser:
        for _ in range(4):
            assert seq_of(browser.recv(PATIENCE_S)) == 5
            browser.send("ack")


def test_an_engine_that_counts_anew_is_followed(host, engine):
    with stream(host) as browser:
        for seq in (100, 0, 1):
            engine.frame(seq)
            while seq_of(browser.recv(PATIENCE_S)) != seq:
                browser.send("ack")
            browser.send("ack")


def test_the_holders_acknowledgements_are_its_signs_of_life(host, engine, desk, clock):
    engine.frame(0)
    assert desk.take("a") and engine.heard == [Alive()]
    with stream(host, "a") as mine, stream(host, "b") as other:
        for _ in range(10):
            clock.now += 1.9
            count = len(engine.heard)
            mine.send("ack")
            until(lambda count=count: len(engine.heard) > count)
        assert desk.holder_is("a") and set(engine.heard) == {Alive()}
        clock.now += 1.9
        count = len(engine.heard)
        other.send("ack")
        other.send("stop")
        until(lambda: Stop("stopped by hand") in engine.heard)
        assert len(engine.heard) == count + 1  # a watcher's browser is no sign of the operator
        clock.now += 0.2
        assert not desk.held() and desk.take("b")
        mine.send("ack")
        mine.send('drive {"frequency_hz": 5}')
        mine.send("stop")
        until(lambda: engine.heard[-1] == Stop("stopped by hand"))
        assert not any(isinstance(command, Drive) for command in engine.heard)
        assert desk.holder_is("b")


def test_the_engine_is_told_of_life_ten_times_a_second_at_most(desk, engine, clock):
    desk.take("a")
    for _ in range(100):
        clock.now += 0.01
        desk.alive("a")
    assert 9 <= len(engine.heard) <= 11


def test_a_second_client_cannot_take_control_or_command(desk, engine, clock):
    with pytest.raises(InputError, match="nobody holds control"):
        desk.send("a", Detect())
    assert desk.take("a") and not desk.take("b")
    with pytest.raises(InputError, match="someone else holds control"):
        desk.send("b", Start())
    desk.send("a", Start())
    desk.send("b", Stop("seen from the door"))
    desk.stop("a fire")
    assert engine.heard == [Alive(), Start(), Stop("seen from the door"), Stop("a fire")]
    desk.release("b")
    assert desk.holder_is("a")
    desk.release("a")
    assert not desk.held() and desk.take("b")


def test_opening_again_starts_an_engine_that_has_ended(desk, engine):
    desk.take("a")
    desk.send("a", Reopen())
    assert engine.heard[-1] == Reopen() and engine.restarts == 0
    engine.living = False
    with pytest.raises(InputError):
        desk.send("b", Reopen())
    assert engine.restarts == 0
    desk.send("a", Reopen())
    assert engine.restarts == 1


def test_a_packet_is_waited_for(desk, engine):
    assert desk.header is None
    assert asyncio.run(desk.after(None, 0.01)) is None
    engine.frame(3)
    found = asyncio.run(desk.after(None, PATIENCE_S))
    assert found is not None and seq_of(found.data) == found.seq == 3
    assert asyncio.run(desk.after(3, 0.01)) is None
    assert desk.header is not None and desk.header["seq"] == 3


def test_the_hand_drives_and_nonsense_does_nothing(host, engine, desk):
    desk.take("a")
    with stream(host) as browser:
        for words in ("drive", "drive {", "drive [1]", 'drive {"frequency_hz": -1}', "fly", "", b"\x00drive"):
            browser.send(words)
        browser.send('drive {"heading_rad": 1, "gamma_rad": 0.5, "frequency_hz": 12}')
        until(lambda: engine.heard[-1] == Drive(1.0, 0.5, 12.0))
    assert [command for command in engine.heard if command != Alive()] == [Drive(1.0, 0.5, 12.0)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}x",
        "3",
        "null",
        '{"frequency_hz": 1' + "0" * 400 + "}",
        '{"heading_rad": NaN}',
        '{"gamma_rad": Infinity}',
        '{"heading": 1}',
        '{"heading_rad": {}}',
    ]
    + ["[" * 100_000, '{"frequency_hz": 1e999}', '{"frequency_hz": null}'],
)
def test_a_command_of_the_hand_that_is_none(text):
    assert drive_of(text) is None


def test_letting_go_needs_no_direction():
    assert drive_of('{"frequency_hz": 0}') == Drive(frequency_hz=0.0)


def test_stop_can_also_be_posted(host, engine):
    with web(host) as browser:
        assert browser.post("/stop").status_code == 200
        assert engine.heard == [Stop("stopped by hand")]
        assert browser.get("/stop").status_code == 405


def test_a_foreign_page_reaches_neither_stream_nor_stop(host, engine, desk):
    desk.take("a")
    for foreign in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            stream(host, origin=foreign)
        assert refused.value.response.status_code == 403
        assert b"may not use this panel" in refused.value.response.body
        with web(host, headers={"origin": foreign}) as browser:
            assert browser.post("/stop").status_code == 403
    assert engine.heard == [Alive()]
    with stream(host, origin=f"http://{host}") as browser:
        browser.send("stop")
        until(lambda: Stop("stopped by hand") in engine.heard)


def test_a_wrong_token_is_refused_by_http_and_by_websocket(desk, engine):
    engine.frame(1)
    with serving(desk, "secret") as host:
        with web(host) as browser:
            assert browser.post("/stop").status_code == browser.post("/stop?token=wrong").status_code == 403
        for headers in ({}, {"Cookie": "microtwin-panel=wrong"}):
            with pytest.raises(InvalidStatus) as refused:
                stream(host, additional_headers=headers)
            assert refused.value.response.status_code == 403
        assert engine.heard == []
        with stream(host, additional_headers={"Cookie": "microtwin-panel=secret"}) as browser:
            assert seq_of(browser.recv(PATIENCE_S)) == 1


def test_a_browser_that_leaves_leaves_nothing_behind(host, engine):
    engine.frame(0)
    with stream(host) as browser:
        browser.recv(PATIENCE_S)
        until(lambda: engine._waiters)
    until(lambda: not engine._waiters)


def test_a_browser_that_is_deaf_is_given_up(host, engine, monkeypatch):
    monkeypatch.setattr("microtwin.panel.server.stream.DEAF_S", 0.05)
    engine.frame(0)
    with stream(host) as browser, pytest.raises(ConnectionClosed):
        for _ in range(UNACKED + 1):
            browser.recv(PATIENCE_S)


def test_no_replay_from_elsewhere(host, tmp_path):
    (tmp_path.parent / "run.json").touch()
    for run in ("..%2f", "%2e%2e/%2e%2e", "%2fetc", "none", "", ".", "a/../../..", "a%00b", "n" * 2000):
        with reach(f"ws://{host}/replay/{run}?client=a") as browser:
            header, _ = unpack(browser.recv(PATIENCE_S))  # type: ignore[arg-type]
        assert header["state"] == "broken" and "choose one of the list" in header["reason"], run
        assert len(header["reason"]) < 300


def test_a_port_in_use_is_named_with_the_remedy():
    with contextlib.closing(listen("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port} is in use: .*--port"):
            listen("127.0.0.1", port)
        assert address_of(first, "127.0.0.1") == f"http://127.0.0.1:{port}/"
    listen("127.0.0.1", port).close()  # free again at once


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [("127.0.0.1", 65536, "port is 65536"), ("127.0.0.1", -1, "port is -1"), ("203.0.113.7", 0, "not this machine")],
)
def test_an_address_that_cannot_be_had(host, port, words):
    with pytest.raises(InputError, match=words):
        listen(host, port)


def test_an_unknown_host(monkeypatch):
    def unknown(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(InputError, match=r"'rig\.lab' is not known"):
        listen("rig.lab", 0)


@pytest.mark.parametrize("host", ["x" * 80, "rig..lab"])
def test_a_host_that_no_name_can_be(host):
    with pytest.raises(InputError, match=r"is not known: give --host"):
        listen(host, 0)


def test_addresses_are_written_for_people():
    with contextlib.closing(listen("0.0.0.0", 0)) as sock:
        port = sock.getsockname()[1]
        assert address_of(sock, "0.0.0.0") == f"http://{socket.gethostname()}:{port}/"
        assert address_of(sock, "fe80::1") == f"http://[fe80::1]:{port}/"


def stand_in(options, connection):
    """An engine of still pictures that writes down how it ended."""
    connection.send(("ready", None))
    heard, seq = [], 0
    while True:
        if connection.poll(0.04):
            heard.append(connection.recv())
            if isinstance(heard[-1], Quit):
                break
        seq += 1
        connection.send_bytes(pack({**blank_header("sim"), "seq": seq, "state": "watching"}, b"picture"))
    found = [type(command).__name__ for command in heard if command != Alive()]
    (Path(options.out) / "ended.json").write_text(json.dumps(found))


PANEL = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which whoever runs the tests in the background ignores
sys.path.insert(0, sys.argv[1])
from functools import partial
from microtwin.cli import main
from microtwin.panel.server import run_server as server
from microtwin.panel.server.engine_process import EngineProcess
from tests.panel.test_server import stand_in

server.EngineProcess = partial(EngineProcess, main=stand_in, start_method="fork")  # quicker to come up
sys.exit(main(["panel", *sys.argv[2:]]))
"""


@contextlib.contextmanager
def panel(tmp_path, *arguments: str):
    """The command with a stand-in for its engine, and the address it printed."""
    command = [sys.executable, "-c", PANEL, str(ROOT), "--port", "0", "--out", str(tmp_path), *arguments]
    process: subprocess.Popen[str] = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("microtwin panel: http://"), line + process.stderr.read()
        yield process, line.removeprefix("microtwin panel: ").strip()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
def test_the_panel_serves_its_pages_and_ends_cleanly_on_ctrl_c(tmp_path):
    with panel(tmp_path) as (process, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        host = urlsplit(url).netloc
        with web(host) as browser, stream(host) as watching:
            page = browser.get("/")
            assert page.status_code == 200 and "<title>microtwin" in page.text
            assert browser.get("/otmr").status_code == 200
            assert outside(page.text) == set()
            assert browser.get("/", headers={"host": "evil.example"}).status_code == 403
            assert (
                browser.get(
                    "/_nicegui_ws/socket.io/?EIO=4&transport=polling", headers={"origin": "http://evil"}
                ).status_code
                == 403
            )
            assert unpack(watching.recv(PATIENCE_S))[0]["state"] == "watching"
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 130
        assert process.communicate() == ("", "")
    assert json.loads((tmp_path / "ended.json").read_text()) == ["Stop", "Quit"]
    assert {path.name for path in tmp_path.iterdir()} == {"ended.json"}


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
def test_on_other_addresses_it_prints_and_requires_a_token(tmp_path):
    with panel(tmp_path, "--host", "0.0.0.0") as (process, url):
        base, _, token = url.partition("?token=")
        assert len(token) >= 40
        port = urlsplit(base).port
        here = f"http://127.0.0.1:{port}"
        with web(f"127.0.0.1:{port}", follow_redirects=True) as browser:
            assert browser.get("/").status_code == 403
            assert browser.get("/", params={"token": token[:-1]}).status_code == 403
            with pytest.raises(InvalidStatus):
                stream(f"127.0.0.1:{port}")
            page = browser.get("/", params={"token": token})
            assert page.status_code == 200 and str(page.url) == here + "/"
            cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
            with stream(f"127.0.0.1:{port}", additional_headers={"Cookie": cookie}) as watching:
                assert unpack(watching.recv(PATIENCE_S))[0]["state"] == "watching"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert process.communicate() == ("", "")
    assert json.loads((tmp_path / "ended.json").read_text()) == ["Stop", "Quit"]


def outside(html: str) -> set[str]:
    """Addresses on other machines that a page loads something from."""
    return set(re.findall(r"""(?:src|href)=["']((?:https?:)?//[^"']+)""", html)) | set(
        re.findall(r"""(?:import|from|url\()\s*["'(]((?:https?:)?//[^"')]+)""", html)
    )
