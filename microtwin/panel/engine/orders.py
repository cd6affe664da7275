"""Commands that wait for the loop: what is asked for, when it may be, and the answer in words where it may not."""

import queue
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from microtwin.errors import InputError
from microtwin.panel import messages as m
from microtwin.panel.engine.live import Live

Do = Callable[[Any, int], None]
WHILE_RUNNING = (m.Pause, m.SetMask, m.ShowMask, m.Disturb, m.SavePath)
WITHOUT_RIG = (m.Reopen, m.SetTwin, m.Pause, m.ShowMask)
WORDS = {
    "Detect": "detecting",
    "SelectRobot": "selecting",
    "SelectObject": "selecting",
    "SetMask": "setting a mask",
    "Draw": "drawing a path",
    "LoadPath": "loading a path",
    "SavePath": "saving a path",
    "ClearPath": "clearing a path",
    "Start": "starting",
    "SetTwin": "changing the twin",
    "Disturb": "disturbing",
    "Reopen": "reopening",
}


class Orders:
    """A queue that any thread may add to and the loop works off.

    Args:
        do: for each kind of command what it does; it hears the command and how often the interlock had been stopped
            when that came. It may raise InputError.
    """

    def __init__(self, live: Live, do: Mapping[type, Do]):
        self._live, self._do = live, do
        self._waiting: queue.SimpleQueue[tuple[m.Command, int]] = queue.SimpleQueue()

    def add(self, command: m.Command) -> None:
        """From any thread; returns at once."""
        self._waiting.put((command, self._live.interlock.stops))

    @property
    def empty(self) -> bool:
        return self._waiting.empty()

    def obey(self) -> None:
        """Do what was asked for meanwhile; what cannot be done is said.

        Raises:
            RigError: the rig did not answer.
        """
        while not self._waiting.empty():
            command, stops = self._waiting.get()
            try:
                self._check(command)
                self._do[type(command)](command, stops)
            except InputError as error:
                self._live.notices.say(str(error), "warning")
            except (TypeError, ValueError, IndexError) as error:  # not what the pages send
                traceback.print_exc(file=sys.stderr)
                self._live.notices.say(f"{_words(command)}: {error}", "error")

    def _check(self, command: m.Command) -> None:
        """Raises InputError for what may not be asked for now."""
        phase = self._live.phase
        if phase == "running" and not isinstance(command, WHILE_RUNNING):
            raise InputError(f"{_words(command)}: not while a run goes on, stop it first")
        if phase == "broken" and not isinstance(command, WITHOUT_RIG):
            raise InputError(f"{_words(command)}: the rig is not open, reopen it first (Open again)")
        if type(command) not in self._do:
            raise InputError(f"{_words(command)}: no such command")


def _words(command: object) -> str:
    name = type(command).__name__
    return WORDS.get(name, name)
