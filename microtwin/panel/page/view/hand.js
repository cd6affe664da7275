// What the hand wants of the field: keys, and buttons on the page, before the gamepad's stick.

const RENEW_MS = 100; // how often it is said again while it holds
const ROLL = Math.PI / 2, SPIN_CCW = 0, SPIN_CW = Math.PI; // γ, as in field.py
const ACTION_OF = {
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  KeyW: "up", KeyS: "down", KeyA: "left", KeyD: "right", KeyQ: "ccw", KeyE: "cw",
};

export const rolling = (x, y, fraction = 1) => ({ heading: Math.atan2(y, x), gamma: ROLL, fraction });
export const spinning = (ccw) => ({ heading: 0, gamma: ccw ? SPIN_CCW : SPIN_CW, fraction: 1 });

// It says at once what it wants, again every RENEW_MS, and once that it has let go. A wish: heading, gamma (rad), and
// the fraction of the frequency. After letGo() what is still held does nothing until it is pressed anew.
export class Hand {
  held = new Map(); // what is pressed, and its action
  pad = null; // the stick's wish
  padCentred = false; // it was at rest since the hand last let go
  driving = false;

  // say(words) to the server; allowed(): whether it may drive now; frequency_hz(): of a key
  constructor(say, allowed, frequency_hz) {
    Object.assign(this, { say, allowed, frequency_hz });
  }

  press(source, action) {
    if (!this.allowed()) return;
    this.held.set(source, action);
    this.changed();
  }

  release(source) {
    if (this.held.delete(source)) this.changed();
  }

  // wish: null with the stick at rest
  stick(wish) {
    if (!wish) this.padCentred = true;
    const next = this.padCentred && this.allowed() ? wish : null;
    const turned = next?.gamma !== this.pad?.gamma; // or grasped, or let go; a new heading can wait its turn
    this.pad = next;
    if (turned) this.changed();
  }

  letGo() {
    this.held.clear();
    this.pad = null;
    this.padCentred = false;
    this.changed();
  }

  // Let go, and say so whatever was held: who drove before, or this hand before the line broke, may not have said it,
  // and the engine does nothing for a hand that has not let go since it was stopped.
  reset() {
    this.driving = true;
    this.letGo();
  }

  wish() {
    const on = new Set(this.held.values());
    if (on.has("ccw") !== on.has("cw")) return spinning(on.has("ccw"));
    const x = on.has("right") - on.has("left");
    const y = on.has("up") - on.has("down");
    return x || y ? rolling(x, y) : this.pad;
  }

  changed() {
    clearTimeout(this.timer);
    const wish = this.wish();
    if (Boolean(wish) !== this.driving) this.drive(rolling(1, 0, 0)); // let go; before a new grasp, of all before it
    this.driving = Boolean(wish);
    if (!wish) return;
    this.drive(wish);
    this.timer = setTimeout(() => this.changed(), RENEW_MS);
  }

  drive({ heading, gamma, fraction }) {
    const wanted = { heading_rad: heading, gamma_rad: gamma, frequency_hz: fraction * this.frequency_hz() };
    this.say(`drive ${JSON.stringify(wanted)}`);
  }
}

// Whether a key that went down is a letter for the page, not one for a field or the browser.
export function isShortcut(event) {
  return !(event.ctrlKey || event.metaKey || event.altKey || takesLetters(event.target));
}

// What a shortcut does to the hand; nothing where arrows move something else.
export function actionOf(event) {
  return event.code.startsWith("Arrow") && takesArrows(event.target) ? undefined : ACTION_OF[event.code];
}

function takesLetters(element) {
  if (!(element instanceof Element)) return false;
  if (element.matches("input")) return !/^(button|checkbox|radio|range|submit|reset|file|color)$/.test(element.type);
  const fields = "textarea, select, [role=textbox], [role=combobox], [role=listbox]";
  return element.matches(fields) || element.isContentEditable;
}

function takesArrows(element) {
  if (!(element instanceof Element)) return false;
  const roles = ["slider", "spinbutton", "option", "menu", "menuitem", "tab", "radio", "tree", "grid"];
  const within = roles.map((role) => `[role=${role}]`).join();
  return element.matches("[type=range], [type=radio]") || Boolean(element.closest(within));
}
