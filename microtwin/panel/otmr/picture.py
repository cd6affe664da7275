"""The OTMR page's crop: each new one is on the screen before anything else on the page follows."""

import base64
from collections.abc import Callable

from nicegui.element import Element


class Picture(Element, component="picture.js"):
    """An image at whole zooms, a scale bar and a line below.

    Args:
        on_ready: the browser can show pictures.
    """

    def __init__(self, on_ready: Callable[[], None]) -> None:
        super().__init__()
        self.on("ready", lambda _: on_ready())

    def show(self, png: bytes, caption: str, *, full: bool, number: int) -> None:
        source = "data:image/png;base64," + base64.b64encode(png).decode()
        self.run_method("show", source, "full" if full else "sketch", number, caption)

    def refuse(self) -> None:
        """Say to tests and styles that what is shown is not what was asked for."""
        self.run_method("mark", "refused")
