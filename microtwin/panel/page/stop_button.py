"""The stop button, and the space key where no picture listens for it."""

from nicegui import ui

from microtwin.panel.page.controls import named

# Straight from the browser over the live stream; POST where the picture's own script is not there.
STOP = (
    "(window.microtwin?.stop ? window.microtwin.stop() : fetch((window.path_prefix ?? '') + '/stop', {method: 'POST'}))"
)
# The press stops, not the letting go; a click that follows no press comes from the keyboard or an assistive tool.
PRESSED = f"(event) => {{ event.currentTarget.dataset.pressed = Date.now(); {STOP}; }}"
CLICKED = f"(event) => {{ if (Date.now() - (event.currentTarget.dataset.pressed ?? 0) > 1000) {STOP}; }}"
SPACE = f"""
<script>
for (const kind of ["keydown", "keyup"]) {{
  window.addEventListener(kind, (event) => {{
    if (event.code !== "Space") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (kind === "keydown" && !event.repeat) {STOP};
  }}, {{ capture: true }});
}}
</script>
"""


def stop_button(name: str) -> ui.button:
    """The field off at once, whoever presses it."""
    stop = ui.button("STOP", color="negative").props("unelevated no-caps").classes("mt-stop")
    stop.props["title"] = "Field off at once. The space key does the same, anywhere on the page."
    stop.on("pointerdown", js_handler=PRESSED).on("click", js_handler=CLICKED)
    with stop:
        ui.label("space key").classes("mt-stop-key")
    return named(stop, name, "Stop: field off at once")


def hear_space() -> None:
    """Make the space key stop on a page that has no :class:`~microtwin.panel.page.microscope.MicroscopeView`."""
    ui.add_head_html(SPACE)
