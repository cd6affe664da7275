"""What the library says in calls and options is said in buttons on the page."""

import ast
import re
from pathlib import Path

import pytest

from microtwin import files
from microtwin.control import Corridor
from microtwin.errors import InputError, RigError
from microtwin.panel.engine.cautious import cautious
from microtwin.panel.engine.notice_board import NoticeBoard
from microtwin.panel.engine.words import for_the_page
from microtwin.rig import LostError

ROOT = Path(__file__).parents[2]
SPOKEN = sorted(
    [
        *(ROOT / "hardware/microtwin_hardware").glob("coils/*.py"),
        *(ROOT / "hardware/microtwin_hardware").glob("cameras/*.py"),
        *(ROOT / "hardware/microtwin_hardware").glob("stages/*.py"),
        *(ROOT / "microtwin/vision").glob("*.py"),
        *(ROOT / "microtwin/control").glob("*.py"),
        ROOT / "hardware/microtwin_hardware/rig.py",
        ROOT / "microtwin/files.py",
        ROOT / "microtwin/rig.py",
    ]
)
FOR_SCRIPTS = re.compile(r"\w\(\)|context manager|\bstart again\b|--out a|new tracker|(the|and|no) cargo\b")


def sentences(path: Path) -> list[str]:
    """All texts of a module but its docstrings; what is filled in is an X."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):  # docstrings
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(0)
    found, parts = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(one) for one in node.values}
            found.append("".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values))
    found += [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
    ]
    return found


def test_no_sentence_of_the_library_asks_the_page_s_reader_for_a_call():
    texts = [text for path in SPOKEN for text in sentences(path)]
    meant = [text for text in texts if FOR_SCRIPTS.search(text)]
    assert len(meant) >= 10  # they are there to be found
    assert [text for text in texts if FOR_SCRIPTS.search(for_the_page(text))] == []
    assert [text for text in texts if for_the_page(text) != text and text not in meant] == []
    for text in meant:
        assert for_the_page(for_the_page(text)) == for_the_page(text)


@pytest.mark.parametrize(
    ("library", "page"),
    [
        (
            "coils at COM3 are gone: the field is off; plug it in, then start again, or reconnect() and arm()",
            "coils at COM3 are gone: the field is off; plug it in, then press Open again",
        ),
        ("let the coils cool; then start again, or arm()", "let the coils cool; then press Open again"),
        (
            "coils at COM3 are disarmed: call arm() when the field may come back",
            "coils at COM3 are disarmed: press Open again when the field may come back",
        ),
        ("the stage is not open: use it as a context manager", "the stage is not open: press Open again"),
        ("robot lost: covered for 0.5 s", "robot lost: covered for 0.5 s"),
        ("cargo lost: covered for 0.5 s", "object lost: covered for 0.5 s"),
        ("no cargo detected in the first frame: click on it", "no object detected in the first frame: click on it"),
        ("cannot open cargo.csv: choose another place", "cannot open cargo.csv: choose another place"),
    ],
)
def test_the_remedy_is_the_button(library, page):
    assert for_the_page(library) == page


def test_notices_and_the_reasons_of_runs_are_said_so():
    def gone():
        raise RigError("the coils are gone: plug them in, then start again, or reconnect() and arm()")

    with pytest.raises(RigError, match="plug them in, then press Open again"):
        cautious("the coils", gone)()

    def lost():
        raise LostError("cargo lost: covered for 0.50 s")

    with pytest.raises(LostError, match="object lost: covered"):
        cautious("the tracker", lost)()
    board = NoticeBoard()
    board.say("stopped, but coils were disarmed: call arm() when the field may come back", "error")
    assert board.kept()[0]["text"].endswith("press Open again when the field may come back")


def test_settings_and_options_that_are_not_on_the_page_are_told_of_otherwise(tmp_path):
    with pytest.raises(InputError) as error:
        Corridor([[0, 0], [90, 0]], frequency_hz=12, width_um=5, threshold_um=24, approach_um=31)  # type: ignore[arg-type]
    assert "lost distance is 40" in str(error.value)
    assert for_the_page(str(error.value)) == (
        "an object further than 40.0 µm from the robot counts as lost: let approach and threshold be less than that "
        "together"
    )
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError) as error:
        files.open_folder(blocked)
    assert for_the_page(str(error.value)).endswith("start the panel with another --out")
