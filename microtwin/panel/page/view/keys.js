// Keys anywhere on the page: space stops, Esc gives a stroke up, drive keys, and letters that switch layers.

import { actionOf, isShortcut } from "./hand.js";

export class Keys {
  // onStop(); onEscape(): whether there was something to give up; mayDrive(); hand; onLetter(event): any other letter
  constructor(signal, told) {
    Object.assign(this, told);
    window.addEventListener("keydown", (event) => this.down(event), { capture: true, signal });
    window.addEventListener("keyup", (event) => this.up(event), { capture: true, signal });
  }

  down(event) {
    if (event.code === "Space") {
      taken(event);
      if (!event.repeat) this.onStop();
      return;
    }
    if (event.code === "Escape" && this.onEscape()) return taken(event);
    if (!isShortcut(event)) return;
    const action = actionOf(event);
    if (action && this.mayDrive()) {
      taken(event);
      if (!event.repeat) this.hand.press(event.code, action); // a repeat may be of a key held since before a stop
      return;
    }
    this.onLetter(event);
  }

  up(event) {
    if (event.code === "Space") return taken(event); // some browsers press a button on the release alone
    this.hand.release(event.code);
  }
}

function taken(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}
