"""The errors that are the user's to mend, and how a command reports them."""

import io
import os
import sys
from collections.abc import Callable
from typing import Any


class InputError(ValueError):
    """A value from the user that cannot be used.

    The message is one line that names the value and the remedy, for example ``width -5 µm: give a width above 0``.
    A command line prints it without a traceback and exits with code 2. Line breaks in the message are replaced by
    spaces, so that a value that carries one (a file name, say) cannot spread it over two lines.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class RigError(RuntimeError):
    """Coils or camera stopped answering in the middle of a run; one line that says which, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def exit_code(name: str, command: Callable[[], Any], stopped: str = "stopped") -> int:
    """Run a command for its exit code: what it returns, 2 on bad input, 1 from a rig that fails, 130 on Ctrl-C.

    One line is said of each. A screen that has no µ shows a question mark; one that is gone (a closed pipe, a full
    disk) ends the command with 1.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        return command() or 0
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except RigError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if sys.stdout:  # or Python's own flush at exit would fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"{name}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: {stopped}", file=sys.stderr)
        return 130
