"""The library's sentences for those who read them on a page: what a script does by a call, they do by a button."""

import re

_OPEN_AGAIN = "press Open again"
_FOR_A_PAGE = (
    (r"start again, or (reconnect\(\) and )?arm\(\)", _OPEN_AGAIN),
    (r"call arm\(\) when the field may come back", f"{_OPEN_AGAIN} when the field may come back"),
    (r"use it as a context manager", _OPEN_AGAIN),
    (r"\bstart again\b", _OPEN_AGAIN),
    (r"start a new tracker", "select robot and object again"),
    (r"\bcargo lost:", "object lost:"),
    (r"\b(the|no|and|on) cargo\b", r"\1 object"),
    (r"give --out (a folder you may write to|another place)", "start the panel with another --out"),
    (
        r"lost distance is ([\d.]+): give more than approach and threshold together",
        r"an object further than \1 µm from the robot counts as lost: let approach and threshold be less than that "
        "together",
    ),
)
_RULES = [(re.compile(pattern), words) for pattern, words in _FOR_A_PAGE]


def for_the_page(text: str) -> str:
    """The sentence without calls and options that nobody at the page can make; unchanged if it has none.

    It is the same when it is done twice. What a call means on the page: ``reconnect()`` and ``arm()``, a context
    manager, a new start of the program are all the button *Open again*; what the library calls cargo is an object.
    """
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text
