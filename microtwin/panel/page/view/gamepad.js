// The browser's gamepad for the hand: the left stick rolls, the shoulder buttons spin, B and Start stop.

import { rolling, spinning } from "./hand.js";

const DEAD_ZONE = 0.25; // of a stick
const LEAST_SPEED = 0.3; // of the full frequency, at the edge of the dead zone
// as the standard mapping numbers them
const STOP = [1, 9], SPIN_CCW = [4, 6], SPIN_CW = [5, 7];

export class Gamepad {
  stopHeld = false;
  frame = 0;

  // onStop(): a stop button went down. onName(name): of the pad that is there, empty without one
  constructor(hand, onStop, onName) {
    Object.assign(this, { hand, onStop, onName });
    this.wake = () => (this.frame ||= requestAnimationFrame(() => this.poll()));
    window.addEventListener("gamepadconnected", this.wake);
    window.addEventListener("gamepaddisconnected", this.wake);
    this.wake();
  }

  // Every frame while there is a pad: browsers tell of its coming and going only.
  poll() {
    this.frame = 0;
    const pads = [...(navigator.getGamepads?.() ?? [])].filter((pad) => pad?.connected);
    const stop = pads.some((pad) => pressed(pad, STOP));
    if (stop && !this.stopHeld) this.onStop();
    this.stopHeld = stop;
    const pad = pads.find(({ mapping }) => mapping === "standard") ?? pads[0];
    this.onName(pad ? pad.id : "");
    this.hand.stick(pad ? wish(pad) : null);
    if (pad) this.wake();
  }

  end() {
    cancelAnimationFrame(this.frame);
    window.removeEventListener("gamepadconnected", this.wake);
    window.removeEventListener("gamepaddisconnected", this.wake);
  }
}

function pressed({ buttons }, indices) {
  return indices.some((index) => buttons[index]?.pressed || buttons[index]?.value > 0.5);
}

function wish(pad) {
  const ccw = pressed(pad, SPIN_CCW);
  if (ccw !== pressed(pad, SPIN_CW)) return spinning(ccw);
  const [x = 0, y = 0] = pad.axes;
  const deflection = Math.hypot(x, y);
  if (deflection < DEAD_ZONE) return null;
  const speed = Math.min((deflection - DEAD_ZONE) / (1 - DEAD_ZONE), 1);
  return rolling(x, -y, LEAST_SPEED + (1 - LEAST_SPEED) * speed);
}
