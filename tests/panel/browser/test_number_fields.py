"""Number fields as slow hands use them: what is being typed is never written over."""

import pytest

from .window import until

PAUSE_MS = 700  # after 600 the page takes the number, and answers
# What the field shows at each change that no key made
WATCH = """element => {
  window.rewritten = [];
  const value = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
  Object.defineProperty(element, "value", {
    get() { return value.get.call(this); },
    set(text) {
      if (String(text ?? "") !== value.get.call(this)) window.rewritten.push(`${value.get.call(this)} to ${text}`);
      value.set.call(this, text);
    },
  });
}"""


@pytest.fixture
def window(panel, visit):
    window = visit(panel.url)
    window.take_control()
    return window


def bottom(window, name: str) -> str:
    """The words below a field."""
    return window.button(name).evaluate("element => element.closest('.q-field').innerText")


def slowly(window, name: str, text: str) -> None:
    """Type with pauses that are longer than the way to the server and back."""
    window.button(name).focus()
    window.page.keyboard.press("Control+a")
    window.page.keyboard.press("Delete")
    for key in text:
        window.page.wait_for_timeout(PAUSE_MS)
        window.page.keyboard.press(key)
    window.page.wait_for_timeout(PAUSE_MS)


def test_slow_typing_is_not_written_over(window):
    field = window.button("frequency")
    field.evaluate(WATCH)
    slowly(window, "frequency", "1.0")
    assert field.input_value() == "1.0"
    slowly(window, "frequency", "12")  # emptied, and typed anew
    assert field.input_value() == "12"
    assert window.page.evaluate("window.rewritten") == []
    window.page.keyboard.press("Control+a")
    window.page.keyboard.press("Delete")
    window.page.keyboard.press("Tab")


def test_a_number_is_taken_by_enter_by_leaving_and_after_a_pause(window):
    for text, leave in (("100", "Enter"), ("101", "Tab"), ("102", None)):
        window.type("frequency", "")
        until(lambda: "step-out" in bottom(window, "frequency") and "slips" not in bottom(window, "frequency"))
        window.button("frequency").focus()
        window.page.keyboard.insert_text(text)
        if leave:
            window.page.keyboard.press(leave)
        until(lambda: "the robot slips" in bottom(window, "frequency"), words=f"{text} is not taken by {leave}")
    window.type("frequency", "")


def test_limits_are_said_beside_the_field_and_what_was_typed_stays(window):
    assert "up to 200" in bottom(window, "frequency")
    window.type("frequency", "500")
    until(lambda: "Frequency is 500 Hz: give more than 0, at most 200" in bottom(window, "frequency"))
    assert window.button("frequency").input_value() == "500"
    window.type("frequency", "")
    until(lambda: "up to 200" in bottom(window, "frequency"))


def test_a_decimal_comma_is_a_point(window):
    window.button("frequency").focus()
    window.page.keyboard.type("7,5")  # a browser that speaks English would make 75 of it
    assert window.button("frequency").input_value() == "7.5"
    window.type("frequency", "")


def test_a_slider_s_number_is_the_hand_s_while_it_types(window):
    window.detect()
    window.press("tab-masks")
    window.page.wait_for_selector("[data-testid=mask-lower-robot]:not([disabled])")
    field = window.button("mask-lower-robot")
    field.evaluate(WATCH)
    slowly(window, "mask-lower-robot", "0.20")  # the engine answers with every number on the way
    assert field.input_value() == "0.20"
    assert window.page.evaluate("window.rewritten") == []
    window.until("Math.abs(h.masks.robot.lower - 0.2) < 1e-6")
    window.page.keyboard.press("Control+a")
    window.page.keyboard.press("Delete")
    window.page.keyboard.press("Tab")  # an empty one has its number again
    until(lambda: field.input_value() == "0.2")
    window.press("mask-suggest-robot")
    window.until("h.masks.robot.lower < 0.19")


def test_a_number_that_means_what_was_there_before_is_not_left_in_the_field(window):
    window.detect()
    window.press("tab-masks")
    window.page.wait_for_selector("[data-testid=mask-upper-robot]:not([disabled])")
    field = window.button("mask-upper-robot")
    assert field.input_value() == "" and window.header["masks"]["robot"]["upper"] is None
    window.type("mask-upper-robot", "5")  # beyond the slider's end: open above, as before
    until(lambda: field.input_value() == "", words="5 stays on show while the band is open above")
