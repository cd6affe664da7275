"""A gamepad at the panel, from the browser's interface to the field. What the stick says: test_view.py."""

from microtwin.panel.engine.hand import GRASP_S

# A standard pad, as navigator.getGamepads() would show it
PAD = """({ x = 0, y = 0, on = [], gone = false }) => {
    const buttons = Array.from({ length: 17 }, (_, i) => ({ pressed: on.includes(i), value: Number(on.includes(i)) }));
    const pad = { id: "Test Pad", mapping: "standard", connected: true, axes: [x, y, 0, 0], buttons };
    const known = window.pads?.length > 0;
    window.pads = gone ? [] : [pad];
    navigator.getGamepads = () => window.pads;
    if (gone) window.dispatchEvent(new Event("gamepaddisconnected"));
    else if (!known) window.dispatchEvent(new Event("gamepadconnected"));
}"""
B, SHOULDER_LEFT = 1, 4


def test_a_pad_is_plugged_in_drives_stops_and_is_pulled_out(panel, visit):
    window = visit(panel.url)
    window.take_control()
    window.rebuild()  # the robot has room
    window.detect()
    window.drive()
    name = "document.querySelector('[data-testid=gamepad]').innerText"

    def pad(**state) -> None:
        window.page.evaluate(PAD, state)

    pad()
    window.page.wait_for_function(f"{name}.includes('Test Pad')")
    pad(x=0.2, y=0.1)
    window.stays_off()  # the dead zone
    begin = window.header["robot"]
    pad(x=1.0)
    window.until("h.state == 'driving' && h.field.amplitude > 0 && Math.abs(h.field.alpha_deg) < 1")
    full_hz = window.header["field"]["frequency_hz"]
    window.until(f"h.robot && h.robot[0] > {begin[0]} + 8")
    pad(y=-0.6)
    window.until(f"Math.abs(h.field.alpha_deg - 90) < 1 && h.field.frequency_hz < {0.9 * full_hz}")
    pad(on=[SHOULDER_LEFT])
    window.until("h.field.amplitude > 0 && h.field.gamma_deg < 1")
    pad(x=-1.0, on=[B])
    window.stays_off()
    pad(x=-1.0)
    window.stays_off()  # a stick that was held through a stop
    pad()
    window.page.wait_for_timeout(1000 * GRASP_S)  # until then it may have been grasped before the stop
    pad(x=-1.0)
    window.until("h.field.amplitude > 0")
    pad(gone=True)
    window.stays_off()
    window.page.wait_for_function(f"{name} === ''")
