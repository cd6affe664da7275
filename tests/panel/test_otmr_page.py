"""The OTMR page: its worker, and the page in a real browser before a desk with nobody behind it."""

import asyncio
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from microtwin.errors import InputError
from microtwin.panel.otmr import worker as otmr_worker
from microtwin.panel.otmr.pictures import Kept
from microtwin.panel.otmr.reading import Reader
from microtwin.panel.otmr.renderer import Renderer
from microtwin.panel.otmr.view import View
from microtwin.panel.otmr.worker import Answer, Wish

from .otmr_stand_in import NO_READING
from .waiting import PATIENCE_S, soon, until

CHROMIUM = Path("/usr/bin/chromium")


SMALL = 8  # the smallest body


def workers() -> list:
    return [child for child in multiprocessing.active_children() if child.name == "panel-otmr"]


async def first(answers: list[Answer], done) -> Answer:
    """The first answer of which ``done`` is true, as soon as it is there."""
    return (await soon(lambda: [answer for answer in list(answers) if done(answer)]))[0]


def full(number: int):
    return lambda a: a.number == number and a.kind == "picture" and a.content["full"]


def threads_of_it() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("panel-otmr")]


@pytest.fixture(scope="module")
def renderer():
    """One for the tests below; its process takes seconds to start. Nothing of it is left in the end."""
    renderer = Renderer(NO_READING)
    yield renderer
    assert len(workers()) == 1
    renderer.close()
    until(lambda: not workers() and not threads_of_it())  # the life that was killed below ends by itself


def test_the_newest_wish_wins(renderer):
    async def visit() -> tuple[list[Answer], int]:
        heard: list[Answer] = []
        renderer.ask("page", View(SMALL), heard.append)
        await first(heard, full(1))
        last = [renderer.ask("page", View(SMALL, pitch), heard.append) for pitch in range(1, 31)][-1]
        await first(heard, full(last))
        return heard, last

    heard, last = asyncio.run(visit())
    assert {a.number for a in heard if a.kind == "picture"} == {1, last}  # the others were skipped
    assert all(a.content["png"].startswith(b"\x89PNG") for a in heard if a.kind == "picture")


def test_two_pages_and_bad_values(renderer):
    async def visit() -> None:
        one: list[Answer] = []
        two: list[Answer] = []
        renderer.ask("one", View(SMALL), one.append)
        renderer.ask("two", View(99), two.append)
        await first(one, full(1))
        refused = await first(two, lambda a: a.kind == "refused")
        assert refused.content["words"] == "robot 99 is unknown: give a number from 1 to 18"
        says = await first(one, lambda a: a.kind == "no reading" and "loading" not in a.content["words"])
        assert (
            "no checkpoint no-such-checkpoint.pt: give" in says.content["words"]
            or "not installed" in says.content["words"]
        )
        renderer.leave("two")
        assert {a.page for a in one} == {"one"}

    asyncio.run(visit())


def test_a_worker_that_dies_is_told_of_and_started_again(renderer):
    async def visit() -> None:
        heard: list[Answer] = []
        begun = renderer.ask("mourner", View(SMALL), heard.append)
        await first(heard, full(begun))
        (process,) = workers()
        os.kill(process.pid or 0, signal.SIGKILL)
        gone = await first(heard, lambda a: a.kind == "refused")
        assert "has ended" in gone.content["words"]
        number = renderer.ask("mourner", View(SMALL, 5), heard.append)
        await first(heard, full(number))

    asyncio.run(visit())


def test_pictures_do_without_pytorch(monkeypatch):
    def missing() -> None:
        raise InputError("perception needs torch, which is not installed: pip install 'microtwin[learn]'")

    monkeypatch.setattr("microtwin.perception.extra.require", missing)
    told = [a for a in otmr_worker._answers(Wish("page", 1, View(SMALL)), View(SMALL), Kept(), Reader(None)) if a]
    assert [a.kind for a in told if a.kind == "picture"] == ["picture", "picture"]
    assert told[-1].kind == "no reading" and "pip install 'microtwin[learn]'" in told[-1].content["words"]


def test_readings_are_near_what_is_drawn():
    """Of the robot the shipped network was trained on, and of one for which only depths are read."""
    pytest.importorskip("torch", reason="reading needs PyTorch: pip install 'microtwin[learn]'")
    reader = Reader(None)
    for view in (View(3, 30, 15), View(SMALL)):
        told = [a for a in otmr_worker._answers(Wish("page", 1, view), view, Kept(), reader) if a]
        depth = next(a.content["depth_um"] for a in told if a.kind == "picture")
        read = told[-1].content
        assert told[-1].kind == "reading"
        assert abs(read["depth_um"] - depth) < 1.5
        if view.robot == 3:
            assert abs(read["pitch"] - 30) <= 15 and abs(read["roll"] - 15) <= 15
            assert 0 < read["pitch_probability"] <= 1
        else:
            assert "pitch" not in read


def test_a_checkpoint_says_which_robots_it_knows():
    pytest.importorskip("torch", reason="reading needs PyTorch: pip install 'microtwin[learn]'")
    view = View(SMALL)
    reader = Reader("robot_03_zero_shot")
    told = [a for a in otmr_worker._answers(Wish("page", 1, view), view, Kept(), reader) if a]
    assert "does not know robot 8: it was trained on 3" in told[-1].content["words"]


@pytest.fixture(scope="module")
def starting(tmp_path_factory):
    """The stand-in's process, which says its address once it is there; and its folder."""
    pytest.importorskip("nicegui", reason="the panel needs NiceGUI: pip install 'microtwin[panel]'")
    out = tmp_path_factory.mktemp("panel")
    command = [sys.executable, str(Path(__file__).with_name("otmr_stand_in.py")), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        yield server, out
        server.terminate()


@pytest.fixture(scope="module")
def address(starting, browser):
    server, out = starting
    found = server.stdout.readline().strip()
    assert found, "the stand-in server ended"
    return found, out


@pytest.fixture(scope="module")
def browser(starting):
    """Chromium, which starts while the server does."""
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium: sudo apt install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="drives the browser")
    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(1000 * PATIENCE_S)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address[0])
    page.asked = asked
    yield page
    page.close()


def wait_full(page, after: int = 0, caption: str = "") -> int:
    """The number of the full picture that is there once it is newer than that, and of what the caption says."""
    page.wait_for_function(
        """([after, caption]) => { const i = document.querySelector('[data-testid=otmr-picture]');
        return i?.dataset.detail === 'full' && Number(i.dataset.number) > after
            && document.querySelector('[data-testid=otmr-caption]').textContent.includes(caption) }""",
        arg=[after, caption],
    )
    return int(page.locator("[data-testid=otmr-picture]").get_attribute("data-number"))


def test_the_page_by_keyboard_alone(page, address):
    first = wait_full(page)
    place = page.locator("[data-testid=otmr-picture]").bounding_box()
    assert (place["width"], place["height"]) == (512, 512)  # two screen pixels to one of the camera's
    before = page.locator("[data-testid=otmr-picture]").get_attribute("src")
    page.locator("[data-testid=otmr-pitch-slider] [tabindex], [data-testid=otmr-pitch-slider][tabindex]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    second = wait_full(page, first, "P3_R0")
    assert page.locator("[data-testid=otmr-pitch]").input_value() == "3"
    assert page.locator("[data-testid=otmr-picture]").get_attribute("src") != before

    page.locator("[data-testid=otmr-roll]").fill("95")
    page.get_by_text("roll is 95°: give whole degrees from 0 to 90").wait_for()
    page.locator("[data-testid=otmr-roll]").fill("10")
    third = wait_full(page, second, "P3_R10")
    assert page.locator("[data-testid=otmr-wrong]").inner_text() == ""

    page.locator("[data-testid=otmr-depth]").fill("50")  # it ends where the sweep ends
    page.keyboard.press("Enter")  # until then the field is the hand's
    wait_full(page, third)
    low, high = re.findall(r"[-+][\d.]+", page.locator("[data-testid=otmr-caption]").inner_text())[1:]
    assert float(high) > float(low)
    page.wait_for_function(
        "high => Number(document.querySelector('[data-testid=otmr-depth]').value) == high", arg=float(high)
    )
    assert not [url for url in page.asked if "/stop" in url]  # only the button and the space key stop
    assert {url.split("/")[2] for url in page.asked if url.startswith("http")} == {address[0].split("/")[2]}
    for focus, key in (("otmr-stop", "Enter"), ("otmr-roll", "Space"), ("otmr-save", "Space")):
        with page.expect_request("**/stop") as stopped:
            page.locator(f"[data-testid={focus}]").focus()
            page.keyboard.press(key)
        assert stopped.value.method == "POST"
    assert page.locator("[data-testid=otmr-roll]").input_value() == "10"  # the space key wrote nothing


def test_the_model_is_drawn_only_when_it_has_moved(page):
    def drawn() -> int:
        return int(page.locator("[data-testid=otmr-model]").get_attribute("data-drawn") or 0)

    def at_rest() -> int:
        """How often it was drawn, once there is nothing more to draw."""
        page.wait_for_function(
            """() => {
                const says = document.querySelector("[data-testid=otmr-reading-says]").textContent;
                const model = getElement(Number(document.querySelector("[data-testid=otmr-model]").id.slice(1)));
                return says && !says.includes("loading") && !model.timer && !model.drawing && !model.changed;
            }"""
        )
        return drawn()

    first = wait_full(page)
    page.wait_for_function("document.querySelector('[data-testid=otmr-model]').dataset.robot?.includes('3')")
    rest = at_rest()
    assert rest > 0
    page.locator("[data-testid=otmr-background-dn]").fill("140")  # of the light, not of the body
    second = wait_full(page, first)
    page.wait_for_timeout(100)  # to begin a drawing, wrongly
    assert at_rest() == rest
    page.locator("[data-testid=otmr-pitch]").fill("40")
    wait_full(page, second)
    page.wait_for_function(
        "rest => Number(document.querySelector('[data-testid=otmr-model]').dataset.drawn) > rest", arg=rest
    )


def test_saving(page, address):
    from microtwin.cli import main

    wait_full(page)
    with page.expect_download() as download:
        page.locator("[data-testid=otmr-save]").click()
    assert re.fullmatch(r"robot_03_P0_R0_depth[-+][\d.]+\.png", download.value.suggested_filename)
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")

    page.locator("[data-testid=otmr-config-name]").fill("wide")
    page.locator("[data-testid=otmr-save-config]").click()
    command = page.locator("[data-testid=otmr-command]").inner_text()
    path = address[1] / "otmr" / "wide.toml"
    assert command.startswith(f"microtwin dataset --config {path} --out ")
    assert main(["dataset", "--config", str(path), "--dry-run"]) == 0
    page.locator("[data-testid=otmr-save-config]").click()
    page.get_by_text("is there already: give another name").wait_for()
