"""What goes to the engine first: a stop before all else, and after it nothing that would move anything."""

from collections import deque

from microtwin.errors import InputError
from microtwin.panel.messages import Alive, Command, Drive, Pause, Quit, Start, Stop

QUEUED = 200  # commands that a hung engine has not taken; more are refused


def enqueue(queue: deque[Command], command: Command) -> None:
    """Put a command where it belongs among those that the engine has not taken.

    Raises:
        InputError: it takes nothing, and too much waits already.
    """
    if isinstance(command, Stop):
        # what was asked before the stop must not come true after it
        kept = [queued for queued in queue if not isinstance(queued, (Stop, Start, Drive, Pause))]
        queue.clear()
        queue.extend([command, *kept])
    elif isinstance(command, Alive):
        if not any(isinstance(queued, Alive) for queued in queue):
            queue.append(command)
    elif len(queue) < QUEUED or isinstance(command, Quit):
        queue.append(command)
    else:
        raise InputError("the engine takes no commands at the moment: wait, or end the panel and look at it")
