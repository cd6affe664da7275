"""Everything but drawing by the keyboard alone: Tab, Enter, arrows, typing; no mouse, no focus set by a script."""

from .window import until

# What has the focus: its name, and whether that is seen: a ring, or the frame of its field
FOCUS = """() => {
  const element = document.activeElement, named = element.closest("[data-testid]");
  const field = element.closest(".q-field--focused, .q-slider"), ring = getComputedStyle(element);
  const seen = field || (ring.outlineStyle != "none" && parseFloat(ring.outlineWidth) >= 2);
  return [named ? named.dataset.testid : "", Boolean(seen), element.tagName];
}"""
MOST_TABS = 60


class Keys:
    """Somebody without a mouse."""

    def __init__(self, window):
        self.window, self.page = window, window.page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def focus(self) -> str:
        """Name of the control that has the focus; it must be seen to have it."""
        name, seen, tag = self.page.evaluate(FOCUS)
        assert seen or tag == "BODY", f"the focus on {name or tag} is not seen"
        return name

    def to(self, name: str) -> None:
        """Go there with Tab; fails when it is not reached, or something holds the focus."""
        until(self.window.button(name).first.is_enabled, words=f"{name} stays disabled")
        passed = []
        for _ in range(MOST_TABS):
            if self.focus() == name:
                return
            passed.append(self.focus())
            self.press("Tab")
        raise AssertionError(f"{name} is not reached with Tab, only {passed}")

    def enter(self, name: str) -> None:
        self.to(name)
        self.press("Enter")

    def tab(self, name: str) -> None:
        """Open a tab of the page with the arrows."""
        self.to(next(one for one in TABS if self.window.button(one).get_attribute("aria-selected") == "true"))
        for _ in range(len(TABS)):
            if self.focus() == name:
                break
            self.press("ArrowRight")
        self.press("Enter")
        self.window.page.wait_for_selector(f"[data-testid={name}][aria-selected=true]")

    def choose(self, name: str, downs: int = 1) -> None:
        """In a list that drops down."""
        self.enter(name)
        self.page.wait_for_selector(".q-menu [role=option]")
        self.press(*["ArrowDown"] * downs, "Enter")


TABS = ("tab-run", "tab-masks", "tab-twin", "tab-runs")


def test_a_run_from_taking_control_to_its_replay(panel, visit):
    window = visit(panel.url)
    window.until("h.state == 'watching'")
    keys = Keys(window)
    keys.enter("take-control")
    keys.enter("detect")
    window.until("h.robot && h.objects.length == 1")
    keys.enter("select-objects")
    window.page.wait_for_selector(".q-menu [role=option]")
    keys.press("ArrowDown")
    while window.page.locator(".q-menu .q-manual-focusable--focused").get_attribute("aria-selected") == "true":
        keys.press("ArrowDown")
    keys.press("Enter")
    window.until("h.objects.length == 2")
    keys.press("Escape")
    keys.enter("detect")  # back to the nearest alone
    window.until("h.objects.length == 1")
    keys.choose("path-name")
    keys.press("Tab")
    keys.enter("path-load")
    window.until("h.paths[0]")
    keys.to("frequency")
    keys.page.keyboard.type("9")
    keys.enter("start")
    window.until("h.state == 'running' && h.field.frequency_hz == 9")
    keys.enter("pause")
    window.until("h.state == 'paused' && h.field.amplitude == 0")
    until(lambda: "Go on" in window.button("pause").inner_text())
    keys.enter("pause")
    window.until("h.state == 'running' && h.field.amplitude > 0")
    keys.press("Space")  # wherever the focus is
    window.until("h.field.amplitude == 0")
    window.until("h.state == 'watching' && h.run.results")
    assert window.header["run"]["results"]["reason"] == "stopped by hand"  # and did not end by itself
    keys.to("frequency")
    keys.press("Control+a", "Delete")
    keys.tab("tab-runs")
    keys.enter("run-replay")
    window.until("h.replay")
    keys.enter("replay-live")
    window.until("!h.replay && h.state == 'watching'")


def test_masks_the_twin_driving_and_the_keys_themselves(panel, visit):
    window = visit(panel.url)
    window.until("h.state == 'watching'")
    keys = Keys(window)
    keys.press("?")
    window.page.wait_for_selector("[data-testid=shortcuts-close]")
    keys.press("Escape")
    window.page.wait_for_selector("[data-testid=shortcuts-close]", state="hidden")
    keys.enter("take-control")
    keys.enter("detect")
    window.until("h.robot")
    keys.enter("drive")
    until(lambda: "drive" in window.button("view-hint").inner_text())
    keys.to("view-canvas")
    keys.page.keyboard.down("ArrowUp")
    window.until("h.field.amplitude > 0")
    keys.page.keyboard.up("ArrowUp")
    window.until("h.field.amplitude == 0")
    keys.tab("tab-masks")
    keys.enter("mask-show-robot")
    window.until("h.mask.length > 0")
    lower = window.header["masks"]["robot"]["lower"]
    keys.to("mask-lower-robot-slider")
    keys.press("ArrowRight", "ArrowRight")
    window.until(f"h.masks.robot.lower > {lower} + 0.005")
    keys.tab("tab-twin")
    seed = window.header["twin"]["seed"]
    keys.to("twin-seed")
    keys.press("ArrowUp")
    keys.enter("twin-rebuild")
    window.until(f"h.state == 'watching' && h.twin.seed == {seed + 1}")
