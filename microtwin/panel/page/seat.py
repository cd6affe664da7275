"""One browser's seat at the desk: who it is, what it may do, and what its pointer and its keys do now."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nicegui import ui

from microtwin.errors import InputError
from microtwin.panel.messages import Command

if TYPE_CHECKING:
    from microtwin.panel.server.desk import Desk

Tool = Literal["none", "select-robot", "select-object", "draw"]


@dataclass
class Seat:
    """A client of the page.

    Attributes:
        client: its id, as the desk knows it.
        tool: what a click on the picture does. target: number of the object a path is meant for, from 0.
        recording: a recording is on show, not the live picture.
        drive: whether keys and gamepad drive. drive_hz: the frequency at which they do.
    """

    desk: "Desk"
    client: str
    tool: Tool = "none"
    target: int = 0
    recording: bool = False
    drive: bool = False
    drive_hz: float = 12.0

    @property
    def mine(self) -> bool:
        """Whether this browser holds control."""
        return self.desk.holder_is(self.client)

    @property
    def refusal(self) -> str:
        """Why this browser may change nothing; empty when it may."""
        if self.mine:
            return ""
        return "someone else holds control" if self.desk.held() else "take control first"

    def send(self, command: Command) -> bool:
        """Pass a command on; a refusal is said on the page. Whether it went through."""
        try:
            self.desk.send(self.client, command)
        except InputError as error:
            complain(str(error))
            return False
        return True

    def let_go(self) -> None:
        """Control is gone: the pointer and the keys do nothing any more."""
        self.tool, self.drive = "none", False


def complain(text: str) -> None:
    """Say on this page alone that something cannot be."""
    ui.notify(text, type="negative", position="top-left", timeout=8000, close_button="Close")
