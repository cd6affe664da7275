"""The dialog that names the keys."""

from nicegui import ui

from microtwin.panel.page.controls import button, named

KEYS = (
    ("Space", "stop: the field goes off at once, whatever has the focus"),
    ("Enter", "press the button, open the list, turn the switch that has the focus"),
    ("Tab, Shift+Tab", "go to the next control, or back"),
    ("Arrows", "move a slider, a list, from tab to tab"),
    ("Arrows or W A S D", "roll that way, while driving by hand is on; two at once for a diagonal"),
    ("Q, E", "spin counter-clockwise, clockwise, while driving by hand is on"),
    ("Esc", "give up the stroke that is being drawn, close a dialog"),
    ("Gamepad", "left stick rolls, shoulder buttons spin, B or Start stops"),
    ("?", "this list"),
)
# The key works wherever no text is being typed.
LISTEN = """
<script>
window.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, [contenteditable]");
  if (event.key === "?" && !typing) document.querySelector("[data-testid=help]")?.click();
});
</script>
"""


class Shortcuts:
    """Opens with :meth:`open`."""

    def __init__(self, more: tuple[tuple[str, str], ...] = ()):
        ui.add_head_html(LISTEN)
        with ui.dialog() as self._dialog, ui.card().classes("mt-dialog"):
            named(self._dialog, "shortcuts")
            ui.label("Keys").classes("mt-title").props("role=heading aria-level=2")
            with ui.element("div").classes("mt-keys"):
                for key, what in (*KEYS, *more):
                    ui.label(key).classes("mt-key")
                    ui.label(what)
            button("Close", "shortcuts-close", self._dialog.close, main=True).props("autofocus")

    def open(self) -> None:
        self._dialog.open()
