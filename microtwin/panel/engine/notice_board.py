"""What the engine tells people, in words."""

import threading
from collections import deque
from typing import Literal

from microtwin.panel.engine.words import for_the_page
from microtwin.panel.messages import Notice

KEPT = 8  # in every packet


class NoticeBoard:
    """The last few, with ids that rise; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Notice] = deque(maxlen=KEPT)
        self._id = 0

    def say(self, text: str, level: Literal["info", "warning", "error"] = "info") -> None:
        with self._lock:
            self._id += 1
            self._kept.append({"id": self._id, "level": level, "text": for_the_page(" ".join(text.split()))})

    def kept(self) -> list[Notice]:
        with self._lock:
            return list(self._kept)
