"""What an examination of a rig found: one line for each test, with what to do."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        link: port, camera, coils, loop or stage. test: what was looked at. found: in words, with units.
        ok: None for what is neither right nor wrong. advice: what to do about it.
    """

    link: str
    test: str
    found: str
    ok: bool | None = None
    advice: str = ""

    @staticmethod
    def judged(link: str, test: str, found: str, ok: bool, advice: str) -> "Finding":
        """One that says what to do only if it is not right."""
        return Finding(link, test, found, ok, "" if ok else advice)

    @staticmethod
    def of(link: str, test: str, error: Exception) -> "Finding":
        """A failure: what comes after the colon of its message is the remedy; a vendor's words are in brackets."""
        found, ended, advice = str(error).rpartition("): ")
        found, _, advice = (f"{found})", ended, advice) if ended else str(error).partition(": ")
        return Finding(link, test, found, False, advice)


def table(findings: Sequence[Finding]):
    """A rich table of them."""
    from rich.table import Table
    from rich.text import Text

    marks = {True: ("ok", "green"), False: ("wrong", "bold red"), None: ("", "")}
    drawn = Table(show_edge=False, pad_edge=False)
    for name in ("link", "test", "found", "", "what to do"):
        drawn.add_column(name, overflow="fold", no_wrap=name in ("link", ""))
    for one in findings:
        word, colour = marks[one.ok]
        drawn.add_row(Text(one.link), Text(one.test), Text(one.found), Text(word, style=colour), Text(one.advice))
    return drawn
