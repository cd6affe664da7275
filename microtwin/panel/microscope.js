// The live view: pictures over a WebSocket of their own, the overlay on a canvas, the hand that clicks, draws, drives.
// See microscope.py for what Python and the rest of the page may ask of it, panel/packet.py for what arrives.

const FIRST_WAIT_MS = 250; // before a lost connection is tried again; doubles up to …
const LONGEST_WAIT_MS = 4000;
const SILENCE_MS = 3000; // the server speaks at least four times a second: silent for this long, the line is dead
const STALE_MS = 1000; // after which stop is also sent by the other way
const RENEW_MS = 100; // how often a held key is said again
const TRACK_S = 60;
const TRACK_STEP_PX = 1.5; // of the picture: resting bodies add nothing to what must be drawn
const TRACK_JUMP_PX = 60; // another body was chosen: no line from one to the other
const CLICK_CSS_PX = 8; // a press that moves farther is no click
const SHORTEST_STROKE_PX = 5;
const MOST_POINTS = 400; // of a drawn path, as in microscope.py
const DEAD_ZONE = 0.25; // of a stick
const LEAST_SPEED = 0.3; // of drive_hz, at the edge of the dead zone

// as vision/overlay.py
const RED = "#e63c3c", GREEN = "#46be46", BLUE = "#3c8ce6", YELLOW = "#f0dc3c", WHITE = "#ffffff";
const PALE_BLUE = "#9ccbff", PALE_GREEN = "#9df09d"; // letters, which are thin
const HALO = "rgba(0,0,0,0.6)";
const LAYER_OF = {
  KeyT: "tracks", KeyB: "bodies", KeyR: "selection", KeyP: "path",
  KeyC: "corridor", KeyH: "heading", KeyM: "mask", KeyL: "scale",
};
const DRIVE_OF = {
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  KeyW: "up", KeyS: "down", KeyA: "left", KeyD: "right", KeyQ: "ccw", KeyE: "cw",
};
const ROLL = Math.PI / 2, SPIN_CCW = 0, SPIN_CW = Math.PI; // γ, as in field.py

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
const prefixed = (path) => (path.startsWith("/") ? window.path_prefix || "" : "") + path;

// ---- the line to the server ----

class Stream {
  // onState(open, why): why it was lost, in the server's words if it gave any
  constructor(path, onPacket, onState) {
    Object.assign(this, { path, onPacket, onState, wait: FIRST_WAIT_MS, heard: -Infinity, ended: false });
    this.watch = setInterval(() => this.socket && performance.now() - this.since > SILENCE_MS && this.lose(), 500);
    this.soon = () => document.hidden || this.open || !this.again || this.connect();
    window.addEventListener("online", this.soon);
    document.addEventListener("visibilitychange", this.soon);
    this.connect();
  }

  get open() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  get stale() {
    return !this.open || performance.now() - this.heard > STALE_MS;
  }

  connect() {
    clearTimeout(this.again);
    this.again = 0;
    const socket = new WebSocket(new URL(prefixed(this.path), location.href.replace(/^http/, "ws")));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.since = performance.now();
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") return;
      socket.send("ack"); // first of all: it is also the operator's sign of life
      this.since = this.heard = performance.now();
      this.wait = FIRST_WAIT_MS;
      this.onState(true);
      const length = new DataView(data).getUint32(0);
      const text = new TextDecoder().decode(new Uint8Array(data, 4, length));
      this.onPacket(text, new Uint8Array(data, 4 + length));
    };
    socket.onclose = ({ code, reason }) => this.lose(reason, code >= 4000);
  }

  lose(why = "", forGood = false) {
    if (this.socket) {
      this.socket.onclose = this.socket.onmessage = null;
      this.socket.close();
      this.socket = null;
    }
    if (this.ended) return;
    this.onState(false, why);
    clearTimeout(this.again);
    if (forGood) return;
    this.again = setTimeout(() => this.connect(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
  }

  send(words) {
    if (this.open) this.socket.send(words);
    return this.open;
  }

  end() {
    this.ended = true;
    this.lose();
    clearInterval(this.watch);
    window.removeEventListener("online", this.soon);
    document.removeEventListener("visibilitychange", this.soon);
  }
}

// ---- driving ----

// What the hand wants: keys (and buttons on the page) before the gamepad. It says so at once, again every RENEW_MS
// while held, and says once that it has let go. After letGo() what is still held does nothing until pressed anew.
class Hand {
  constructor(say, allowed, frequency_hz) {
    Object.assign(this, { say, allowed, frequency_hz, held: new Map(), pad: null, padCentred: false, driving: false });
  }

  press(source, action) {
    if (!this.allowed()) return;
    this.held.set(source, action);
    this.changed();
  }

  release(source) {
    if (this.held.delete(source)) this.changed();
  }

  // wish: {heading, gamma, fraction}, or null with the stick at rest
  stick(wish) {
    if (!wish) this.padCentred = true;
    const next = this.padCentred && this.allowed() ? wish : null;
    const turned = !next !== !this.pad || (next && next.gamma !== this.pad.gamma);
    this.pad = next;
    if (turned) this.changed();
  }

  letGo() {
    this.held.clear();
    this.pad = null;
    this.padCentred = false;
    this.changed();
  }

  wish() {
    const on = new Set(this.held.values());
    const ccw = on.has("ccw");
    if (ccw !== on.has("cw")) return { heading: 0, gamma: ccw ? SPIN_CCW : SPIN_CW, fraction: 1 };
    const x = on.has("right") - on.has("left");
    const y = on.has("up") - on.has("down");
    return x || y ? { heading: Math.atan2(y, x), gamma: ROLL, fraction: 1 } : this.pad;
  }

  changed() {
    const wish = this.wish();
    const words = (frequency_hz) => {
      const { heading: heading_rad, gamma: gamma_rad } = wish ?? { heading: 0, gamma: ROLL };
      return `drive ${JSON.stringify({ heading_rad, gamma_rad, frequency_hz })}`;
    };
    clearTimeout(this.timer);
    if (wish) {
      if (!this.driving) this.say(words(0)); // pressed anew: whatever was held before a stop has been let go
      this.say(words(wish.fraction * this.frequency_hz()));
      this.timer = setTimeout(() => this.changed(), RENEW_MS);
    } else if (this.driving) {
      this.say(words(0));
    }
    this.driving = Boolean(wish);
  }
}

class Gamepads {
  constructor(hand, onStop, onName) {
    Object.assign(this, { hand, onStop, onName, stopHeld: false, frame: 0 });
    this.wake = () => (this.frame ||= requestAnimationFrame(() => this.poll()));
    window.addEventListener("gamepadconnected", this.wake);
    window.addEventListener("gamepaddisconnected", this.wake);
    this.wake();
  }

  poll() {
    this.frame = 0;
    const pads = [...(navigator.getGamepads?.() ?? [])].filter((pad) => pad?.connected);
    const on = ({ buttons }, index) => Boolean(buttons[index]?.pressed || buttons[index]?.value > 0.5);
    const stop = pads.some((pad) => on(pad, 1) || on(pad, 9));
    if (stop && !this.stopHeld) this.onStop();
    this.stopHeld = stop;
    const pad = pads.find((one) => one.mapping === "standard") ?? pads[0];
    this.onName(pad ? pad.id : "");
    if (!pad) return this.hand.stick(null);
    this.wake();
    const [x = 0, y = 0] = pad.axes;
    const deflection = Math.hypot(x, y);
    const ccw = on(pad, 4) || on(pad, 6);
    const cw = on(pad, 5) || on(pad, 7);
    if (ccw !== cw) return this.hand.stick({ heading: 0, gamma: ccw ? SPIN_CCW : SPIN_CW, fraction: 1 });
    if (deflection < DEAD_ZONE) return this.hand.stick(null);
    const speed = clamp((deflection - DEAD_ZONE) / (1 - DEAD_ZONE), 0, 1);
    const fraction = LEAST_SPEED + (1 - LEAST_SPEED) * speed;
    this.hand.stick({ heading: Math.atan2(-y, x), gamma: ROLL, fraction });
  }

  end() {
    cancelAnimationFrame(this.frame);
    window.removeEventListener("gamepadconnected", this.wake);
    window.removeEventListener("gamepaddisconnected", this.wake);
  }
}

// Does the focus sit where typed letters, or the arrows, have a meaning of their own?
function takesLetters(element) {
  if (!(element instanceof Element)) return false;
  if (element.matches("input")) return !/^(button|checkbox|radio|range|submit|reset|file|color)$/.test(element.type);
  const roles = "textarea, select, [role=textbox], [role=combobox], [role=listbox]";
  return element.matches(roles) || element.isContentEditable;
}

function takesArrows(element) {
  if (!(element instanceof Element)) return false;
  const names = "slider spinbutton option menu menuitem tab radio tree grid".split(" ");
  const roles = names.map((name) => `[role=${name}]`).join();
  return takesLetters(element) || element.matches("[type=range], [type=radio]") || Boolean(element.closest(roles));
}

// ---- tracks and strokes ----

class Track {
  constructor() {
    this.points = []; // [x, y, time_s], or null where the line breaks
  }

  add(time_s, place) {
    while (this.points.length && (!this.points[0] || this.points[0][2] < time_s - TRACK_S)) this.points.shift();
    if (!place) return;
    const last = this.points[this.points.length - 1];
    const step = last ? Math.hypot(place[0] - last[0], place[1] - last[1]) : Infinity;
    if (step < TRACK_STEP_PX) return;
    if (last && step > TRACK_JUMP_PX) this.points.push(null);
    this.points.push([place[0], place[1], time_s]);
  }
}

class Tracks {
  constructor() {
    this.clear();
  }

  clear() {
    this.robot = new Track();
    this.object = new Track();
  }

  add(header) {
    const folder = header.run?.folder ?? this.folder;
    const scene = `${folder} ${header.size} ${header.um_per_px}`;
    if (scene !== this.scene || header.time_s < this.time_s - 0.5) this.clear();
    if (header.active !== this.active) this.object = new Track();
    Object.assign(this, { folder, scene, time_s: header.time_s, active: header.active });
    this.robot.add(header.time_s, header.robot);
    this.object.add(header.time_s, header.objects[header.active]);
  }
}

// Ramer–Douglas–Peucker, without recursion: a hand's stroke has thousands of points.
function simplify(points, tolerance) {
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const spans = [[0, points.length - 1]];
  while (spans.length) {
    const [first, last] = spans.pop();
    const [ax, ay] = points[first], dx = points[last][0] - ax, dy = points[last][1] - ay;
    const squared = dx * dx + dy * dy;
    let farthest = 0, index = -1;
    for (let i = first + 1; i < last; i++) {
      const px = points[i][0] - ax, py = points[i][1] - ay;
      const along = squared ? clamp((px * dx + py * dy) / squared, 0, 1) : 0;
      const distance = Math.hypot(px - along * dx, py - along * dy);
      if (distance > farthest) [farthest, index] = [distance, i];
    }
    if (farthest > tolerance) {
      keep[index] = 1;
      spans.push([first, index], [index, last]);
    }
  }
  return points.filter((_, i) => keep[i]);
}

function thinned(points) {
  let thin = points;
  for (let tolerance = 0.5; (thin = simplify(points, tolerance)).length > MOST_POINTS; ) tolerance *= 1.5;
  return thin;
}

// ---- the overlay; places in picture pixels, widths and letters in CSS pixels ----

class Pen {
  constructor(context) {
    this.context = context;
  }

  // view: {scale, left, top} from picture to CSS pixels
  begin(view, ratio) {
    const { scale, left, top } = view;
    this.scale = scale;
    const [x, y] = [left + scale / 2, top + scale / 2]; // the middle of the first pixel
    this.context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
    this.context.lineJoin = this.context.lineCap = "round";
  }

  line(points, colour, width = 1.5, { closed = false, halo = true, alpha = 1 } = {}) {
    const context = this.context;
    context.beginPath();
    let lift = true;
    for (const point of points) {
      if (!point) lift = true;
      else if (lift) context.moveTo(point[0], point[1]), (lift = false);
      else context.lineTo(point[0], point[1]);
    }
    if (closed) context.closePath();
    this.stroke(colour, width, halo, alpha);
  }

  circle([x, y], radius, colour, width = 1.5, { halo = true, alpha = 1 } = {}) {
    this.context.beginPath();
    this.context.arc(x, y, radius, 0, 2 * Math.PI);
    this.stroke(colour, width, halo, alpha);
  }

  stroke(colour, width, halo = true, alpha = 1) {
    const context = this.context;
    context.globalAlpha = alpha;
    if (halo) {
      context.strokeStyle = HALO;
      context.lineWidth = (width + 2) / this.scale;
      context.stroke();
    }
    context.strokeStyle = colour;
    context.lineWidth = width / this.scale;
    context.stroke();
    context.globalAlpha = 1;
  }

  dot(x, y, radius, colour) {
    this.context.fillStyle = colour;
    this.context.beginPath();
    this.context.arc(x, y, radius / this.scale, 0, 2 * Math.PI);
    this.context.fill();
  }

  words(text, x, y, colour, size = 12, align = "left") {
    const context = this.context;
    context.font = `600 ${size / this.scale}px system-ui, sans-serif`;
    context.textAlign = align;
    context.lineWidth = 3 / this.scale;
    context.strokeStyle = HALO;
    context.strokeText(text, x, y);
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }

  // from (x, y) towards angle (canvas sense), lengths in CSS pixels
  arrow(x, y, angle, from, to, colour) {
    const tip = [x + (to / this.scale) * Math.cos(angle), y + (to / this.scale) * Math.sin(angle)];
    const start = [x + (from / this.scale) * Math.cos(angle), y + (from / this.scale) * Math.sin(angle)];
    this.line([start, tip, null, ...this.head(tip, angle)], colour, 2.5);
  }

  head([x, y], angle) {
    const size = 10 / this.scale;
    const wing = (turn) => [x - size * Math.cos(angle + turn), y - size * Math.sin(angle + turn)];
    return [wing(0.5), [x, y], wing(-0.5)];
  }

  // three quarters of a turn about (x, y); counter-clockwise as seen on the screen
  curl(x, y, radius, ccw, colour) {
    const r = radius / this.scale;
    const points = [];
    for (let i = 0; i <= 24; i++) {
      const angle = (ccw ? -1 : 1) * (i / 24) * 1.5 * Math.PI - Math.PI / 2;
      points.push([x + r * Math.cos(angle), y + r * Math.sin(angle)]);
    }
    const end = (ccw ? -1 : 1) * 1.5 * Math.PI - Math.PI / 2;
    const along = end + (ccw ? -1 : 1) * (Math.PI / 2 - 0.2);
    this.line([...points, null, ...this.head(points[24], along)], colour, 2.5);
  }
}

function drawMask(pen, header) {
  const colour = header.shown === "robot" ? BLUE : GREEN;
  for (const outline of header.mask) {
    pen.line(outline, colour, 1, { closed: true, halo: false });
    pen.context.globalAlpha = 0.3;
    pen.context.fillStyle = colour;
    pen.context.fill();
    pen.context.globalAlpha = 1;
  }
}

function drawTrack(pen, { points }, now, colour) {
  pen.line(now && points.length ? [...points, now] : points, colour, 1.5, { halo: false });
}

function drawBodies(pen, header) {
  header.bodies.forEach(({ x, y, r }, index) => {
    pen.circle([x, y], r + 2 / pen.scale, WHITE, 1, { halo: false, alpha: 0.8 });
    const [left, below] = [x - 0.7 * r - 4 / pen.scale, y + 0.7 * r + 10 / pen.scale];
    pen.words(`${index + 1}`, left, below, WHITE, 11, "right");
  });
}

function drawPaths(pen, header) {
  header.paths.forEach((path, index) => {
    if (!path) return;
    const active = index === header.active;
    pen.line(path, RED, active ? 1.8 : 1.2, { halo: false, alpha: active ? 1 : 0.7 });
    if (!active) return;
    let last = null; // nodes nearer than 12 CSS pixels would hide the line
    for (const [x, y] of path) {
      if (last && Math.hypot(x - last[0], y - last[1]) * pen.scale < 12) continue;
      pen.dot(x, y, 2.6, RED);
      last = [x, y];
    }
  });
  if (!header.goal) return;
  const [x, y] = header.goal;
  pen.dot(x, y, 4, WHITE);
  pen.dot(x, y, 3, RED);
  pen.circle(header.goal, 8 / pen.scale, RED, 2);
}

function drawSelection(pen, header) {
  if (header.robot) {
    const [x, y, r] = header.robot;
    pen.circle([x, y], r, BLUE, 2);
    pen.words("robot", x, y - r - 6 / pen.scale, PALE_BLUE, 12, "center");
  }
  header.objects.forEach(([x, y, r], index) => {
    const active = index === header.active;
    pen.circle([x, y], r, GREEN, active ? 2 : 1.2);
    if (active) pen.circle([x, y], r + 3 / pen.scale, GREEN, 1); // a double ring: told from the robot without colour
    pen.words(header.objects.length > 1 ? `object ${index + 1}` : "object", x + r + 6 / pen.scale, y, PALE_GREEN, 12);
  });
}

function drawHeading(pen, header, corner) {
  const field = header.field;
  if (!(field.amplitude > 0)) return;
  const [x, y, r] = header.robot ?? [...corner, 8 / pen.scale];
  const radius = r * pen.scale + 6;
  const spin = Math.cos((field.gamma_deg * Math.PI) / 180);
  if (Math.abs(spin) > 0.2) pen.curl(x, y, radius + 4, spin > 0, WHITE);
  if (Math.abs(spin) < 0.95) pen.arrow(x, y, (-field.alpha_deg * Math.PI) / 180, radius, radius + 34, WHITE);
}

function drawScale(pen, header) {
  const [width, height] = header.size;
  const target = (width * header.um_per_px) / 6;
  const decade = 10 ** Math.floor(Math.log10(target));
  const length_um = decade * [5, 2, 1].find((factor) => factor * decade <= target);
  const right = width - 16 / pen.scale, bottom = height - 16 / pen.scale;
  const left = right - length_um / header.um_per_px;
  pen.line([[left, bottom], [right, bottom]], WHITE, 3);
  pen.words(`${Number(length_um.toPrecision(1))} µm`, (left + right) / 2, bottom - 7 / pen.scale, WHITE, 12, "center");
}

// ---- the component ----

const BADGE = "position:absolute;pointer-events:none;border-radius:4px;padding:2px 8px;";
const PLAIN = `${BADGE}background:rgba(10,13,17,.72);color:#fff;font-variant-numeric:tabular-nums;`;
const ROOT =
  "position:relative;width:100%;height:100%;min-height:120px;overflow:hidden;contain:layout paint;" +
  "background:#15181c;color:#fff;font:13px/1.4 system-ui,sans-serif;user-select:none";
const CORNER =
  "position:absolute;bottom:8px;left:8px;max-width:calc(100% - 120px);pointer-events:none;" +
  "display:flex;flex-direction:column;align-items:flex-start;gap:4px";
const ALARM =
  `${BADGE}background:#a31621;color:#fff;font-size:17px;font-weight:700;text-align:center;padding:8px 16px;` +
  "left:50%;top:45%;transform:translate(-50%,-50%);max-width:90%;display:none";

export default {
  template: `
    <div data-testid="view" style="${ROOT}">
      <canvas ref="canvas" data-testid="view-canvas" tabindex="0" role="application"
        aria-label="Microscope view. Space stops. While driving is on, arrows or W A S D drive, Q and E spin."
        style="position:absolute;inset:0;width:100%;height:100%;touch-action:none;outline-offset:-3px"></canvas>
      <div ref="frame" style="position:absolute;inset:0;pointer-events:none;border:5px solid ${RED};display:none"></div>
      <div ref="status" data-testid="view-status" style="${PLAIN}top:8px;left:8px;max-width:calc(100% - 150px)"></div>
      <div ref="lamp" data-testid="field-lamp" style="${BADGE}top:8px;right:8px"></div>
      <div style="${CORNER}">
        <div ref="pad" data-testid="gamepad" style="${PLAIN}position:static;display:none"></div>
        <div ref="hint" data-testid="view-hint" role="status" style="${PLAIN}position:static;display:none"></div>
        <div ref="rate" data-testid="view-rate" style="${PLAIN}position:static;font-size:11px;padding:0 6px"></div>
      </div>
      <div ref="alarm" data-testid="view-alarm" role="alert" style="${ALARM}"></div>
    </div>`,

  props: {
    url: String,
    replay: String,
    operator: Boolean,
    tool: { type: String, default: "none" },
    drive: Boolean,
    driveHz: { type: Number, default: 5 },
    layers: Object,
  },

  mounted() {
    // Plain fields, not Vue's data: nothing here may cost a rendering of the component at 24 packets a second.
    this.shownLayers = { ...this.layers };
    this.saidLayers = { ...this.layers };
    this.context = this.$refs.canvas.getContext("2d", { alpha: false });
    this.pen = new Pen(this.context);
    this.tracks = new Tracks();
    this.drawn = []; // when pictures were drawn, for fps()
    this.hand = new Hand((words) => this.liveStream.send(words), () => this.mayDrive(), () => this.driveHz);
    this.pads = new Gamepads(this.hand, () => this.stop(), (name) => this.write("pad", name && `gamepad: ${name}`));
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    const on = (target, kinds, act, more) => {
      for (const kind of kinds.split(" ")) target.addEventListener(kind, act, { signal, ...more });
    };
    on(window, "keydown", (event) => this.keyDown(event), { capture: true });
    on(window, "keyup", (event) => this.keyUp(event), { capture: true });
    on(window, "blur", () => this.hand.letGo());
    on(document, "visibilitychange", () => this.visible());
    const canvas = this.$refs.canvas;
    on(canvas, "pointerdown", (event) => this.pointerDown(event));
    on(canvas, "pointermove", (event) => this.pointerMove(event));
    on(canvas, "pointerup", (event) => this.pointerUp(event));
    on(canvas, "pointercancel lostpointercapture", (event) => this.pointerGone(event));
    on(canvas, "contextmenu", (event) => this.press && event.preventDefault());
    this.sizes = new ResizeObserver(([entry]) => {
      this.box = [entry.contentRect.width, entry.contentRect.height];
      this.draw(); // at once: a resized canvas is empty
    });
    this.sizes.observe(canvas);
    this.window = {
      stop: () => this.stop(),
      press: (action) => this.hand.press(`page ${action}`, action),
      release: (action) => (action ? this.hand.release(`page ${action}`) : this.hand.letGo()),
      fps: () => this.fps(),
      header: null,
      live: null,
    };
    window.microtwin = this.window;
    this.showLamp();
    this.hint();
    this.rateTimer = setInterval(() => this.write("rate", `${this.fps().toFixed(0)} frames/s`), 1000);
    setTimeout(() => {
      if (signal.aborted) return; // window.path_prefix is set after the components are there
      this.openLive();
      this.openReplay();
    });
  },

  beforeUnmount() {
    this.hand.letGo();
    this.listeners.abort();
    this.sizes.disconnect();
    this.pads.end();
    this.liveStream?.end();
    this.replayStream?.end();
    clearInterval(this.rateTimer);
    clearTimeout(this.hintTimer);
    cancelAnimationFrame(this.frame);
    this.bitmap?.close();
    if (window.microtwin === this.window) delete window.microtwin;
  },

  watch: {
    url() {
      this.openLive();
    },
    replay() {
      this.openReplay();
    },
    operator: "changedHands",
    tool: "changedHands",
    drive: "changedHands",
    layers(now) {
      // Python sends all of them with every update: only a change of mind overrules a key that was pressed here
      for (const [name, on] of Object.entries(now)) if (on !== this.saidLayers[name]) this.shownLayers[name] = on;
      this.saidLayers = { ...now };
      this.redraw();
    },
  },

  methods: {
    // -- streams --

    open(path, live) {
      return new Stream(
        path,
        (text, jpeg) => this.packet(text, jpeg, live),
        (open, why) => this.connected(live, open, why),
      );
    },

    openLive() {
      this.liveStream?.end();
      this.liveStream = this.open(this.url, true);
    },

    openReplay() {
      this.hand.letGo();
      this.drop();
      this.replayStream?.end();
      this.replayStream = null;
      this.tracks.clear();
      if (this.replay) this.replayStream = this.open(this.replay, false);
      this.lastText = "";
      this.hint();
    },

    connected(live, open, why = "") {
      if (live && open !== this.liveOpen) {
        this.liveOpen = open;
        if (!open) this.hand.letGo();
        this.showLamp();
      }
      if (live === Boolean(this.replay)) return;
      this.lost = !open;
      if (open) this.why = "";
      else if (why) this.why = why;
      this.alarm();
    },

    packet(text, jpeg, live) {
      const header = JSON.parse(text);
      if (live) {
        this.window.live = header;
        this.showLamp();
        if (this.replay) return;
      }
      this.window.header = header;
      this.tracks.add(header);
      this.alarm();
      this.status(header);
      window.dispatchEvent(new CustomEvent("microtwin-packet", { detail: header }));
      if (document.hidden || text === this.lastText) return; // the last one again, as a sign of life
      this.lastText = text;
      this.next = { header, jpeg };
      this.decode();
    },

    // One picture at a time, always the newest: a slow browser skips.
    async decode() {
      if (this.decoding || !this.next) return;
      const { header, jpeg } = this.next;
      this.next = null;
      this.decoding = true;
      try {
        if (jpeg.length) {
          const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
          if (this.listeners.signal.aborted) return bitmap.close();
          this.bitmap?.close();
          this.bitmap = bitmap;
          this.fresh = true;
        }
        this.shown = header;
        this.redraw();
      } catch (problem) {
        console.warn("microtwin: a picture that cannot be read:", problem);
      } finally {
        this.decoding = false;
        this.decode();
      }
    },

    stop() {
      const sent = this.liveStream?.send("stop");
      if (!sent || this.liveStream.stale) {
        const failed = () => this.hint("stop could not be sent: the server is gone");
        fetch(prefixed("/stop"), { method: "POST", keepalive: true }).catch(failed);
      }
      this.hand.letGo();
      this.drop();
      this.hint("stop sent", 1500);
    },

    // Called from Python: words for the recording on show.
    say(words) {
      this.replayStream?.send(words);
    },

    // -- words --

    write(name, text) {
      const element = this.$refs[name];
      if (!element || element.textContent === text) return;
      element.textContent = text;
      element.style.display = text ? "" : "none";
    },

    status(header) {
      const run = header.run && !header.run.results && ["running", "paused"].includes(header.state) ? header.run : null;
      const parts = [header.replay ? "replay" : header.state];
      if (header.mode) parts.push(header.mode);
      if (header.goal && header.nodes) parts.push(`node ${header.goal_index + 1}/${header.nodes}`);
      parts.push(`${(run ? run.elapsed_s : header.time_s).toFixed(0)} s`);
      this.write("status", parts.join(" · "));
    },

    showLamp() {
      const live = this.window.live;
      const on = live?.field.amplitude > 0;
      const kind = !this.liveOpen ? "unknown" : on ? "on" : "off";
      const text = { unknown: "field unknown", on: this.replay ? "LIVE FIELD ON" : "FIELD ON", off: "field off" }[kind];
      this.write("lamp", text);
      if (kind === this.lampKind) return;
      this.lampKind = kind;
      const lamp = this.$refs.lamp.style;
      lamp.background = on && kind === "on" ? "#ffb000" : "rgba(10,13,17,.72)";
      lamp.color = kind === "on" ? "#000" : "#cfd6de";
      lamp.font = kind === "on" ? "800 18px/1.5 system-ui,sans-serif" : "500 13px/1.4 system-ui,sans-serif";
      lamp.border = kind === "unknown" ? "1px dashed #cfd6de" : "none";
    },

    alarm() {
      const header = this.window.header;
      const broken = !this.lost && !this.replay && header?.state === "broken";
      const gone = this.replay ? "the recording does not come: trying again" : "connection lost: trying again";
      const text = this.lost ? this.why || gone : broken ? `broken: ${header.reason || "no reason given"}` : "";
      this.write("alarm", text);
      if (broken === this.wasBroken && this.lost === this.wasLost) return;
      this.wasBroken = broken;
      this.wasLost = this.lost;
      this.$refs.frame.style.display = broken ? "" : "none";
      this.$refs.canvas.style.opacity = this.lost ? "0.45" : "";
    },

    // What the tool wants; or `passing` words, for a while.
    hint(passing, for_ms = 3000) {
      clearTimeout(this.hintTimer);
      const tools = {
        "select-robot": "click the robot",
        "select-object": "click the object; with Shift, one more",
        draw: "draw: press, move, let go; Esc cancels",
      };
      const keys = this.drive ? "arrows or W A S D drive · Q E spin · space stops" : "";
      const lasting = this.replay || !this.operator ? "" : (tools[this.tool] ?? keys);
      this.write("hint", passing ?? lasting);
      if (passing) this.hintTimer = setTimeout(() => this.hint(), for_ms);
      const mine = this.operator ? (tools[this.tool] ? "crosshair" : "default") : "not-allowed";
      this.$refs.canvas.style.cursor = this.replay ? "default" : mine;
    },

    changedHands() {
      this.hand.letGo();
      this.drop();
      this.hint();
    },

    visible() {
      if (document.hidden) {
        this.hand.letGo();
        this.drop();
      }
      this.lastText = ""; // pictures that came meanwhile were not decoded
    },

    // -- keys --

    mayDrive() {
      return this.operator && this.drive && !this.replay && !document.hidden && Boolean(this.liveStream?.open);
    },

    keyDown(event) {
      if (event.code === "Space") {
        event.preventDefault();
        event.stopImmediatePropagation();
        if (!event.repeat) this.stop();
        return;
      }
      if (event.code === "Escape" && this.press) {
        event.preventDefault();
        event.stopImmediatePropagation();
        this.drop();
        this.hint("drawing cancelled", 1500);
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || takesLetters(event.target)) return;
      const action = DRIVE_OF[event.code];
      if (action && this.mayDrive() && !(event.code.startsWith("Arrow") && takesArrows(event.target))) {
        event.preventDefault();
        event.stopPropagation();
        if (!event.repeat) this.hand.press(event.code, action); // a repeat may be of a key held since before a stop
        return;
      }
      const layer = LAYER_OF[event.code];
      if (!layer || event.repeat || event.shiftKey) return;
      this.shownLayers[layer] = !this.shownLayers[layer];
      this.hint(`${layer}: ${this.shownLayers[layer] ? "shown" : "hidden"}`, 1500);
      this.redraw();
    },

    keyUp(event) {
      if (event.code === "Space") {
        event.preventDefault(); // some browsers press a button on the release alone
        event.stopImmediatePropagation();
        return;
      }
      this.hand.release(event.code);
    },

    // -- mouse, touch, pen --

    place(event) {
      const box = this.$refs.canvas.getBoundingClientRect();
      const { scale, left, top } = this.view;
      return [(event.clientX - box.left - left) / scale - 0.5, (event.clientY - box.top - top) / scale - 0.5];
    },

    pointerDown(event) {
      if (event.button !== 0 || this.press || !this.view) return;
      if (this.replay) return this.hint("a recording: there is nothing to click");
      if (!this.operator) return this.hint("watching: take control to select, draw or drive");
      if (this.tool === "none") return;
      this.$refs.canvas.setPointerCapture(event.pointerId);
      const at = this.place(event);
      const points = this.tool === "draw" ? [at] : [];
      this.press = { id: event.pointerId, x: event.clientX, y: event.clientY, add: event.shiftKey, at, points };
    },

    pointerMove(event) {
      if (this.press?.id !== event.pointerId || this.tool !== "draw") return;
      const coalesced = event.getCoalescedEvents?.() ?? [];
      for (const one of coalesced.length ? coalesced : [event]) {
        const at = this.place(one);
        const last = this.press.points[this.press.points.length - 1];
        if (Math.hypot(at[0] - last[0], at[1] - last[1]) >= 0.5) this.press.points.push(at);
      }
      this.redraw();
    },

    pointerUp(event) {
      const press = this.press;
      if (press?.id !== event.pointerId) return;
      if (this.tool === "draw") this.pointerMove(event);
      this.drop();
      const round = (value) => Math.round(value * 100) / 100;
      if (this.tool === "draw") {
        let length = 0;
        press.points.forEach(([x, y], i, all) => {
          if (i) length += Math.hypot(x - all[i - 1][0], y - all[i - 1][1]);
        });
        if (length < SHORTEST_STROKE_PX) return this.hint("too short for a path: press, move, let go");
        this.$emit("drawn", { points: thinned(press.points).map(([x, y]) => [round(x), round(y)]) });
        return;
      }
      const [x, y] = press.at;
      const [width, height] = this.view.size;
      if (x < -0.5 || y < -0.5 || x > width - 0.5 || y > height - 0.5) return;
      if (Math.hypot(event.clientX - press.x, event.clientY - press.y) > CLICK_CSS_PX) return;
      this.$emit("pick", { x: round(x), y: round(y), add: press.add });
    },

    pointerGone(event) {
      if (this.press?.id === event.pointerId) this.drop();
    },

    // Forget a press or stroke that is not finished.
    drop() {
      if (!this.press) return;
      const { id } = this.press;
      this.press = null;
      if (this.$refs.canvas.hasPointerCapture(id)) this.$refs.canvas.releasePointerCapture(id);
      this.redraw();
    },

    // -- drawing --

    fps() {
      const now = performance.now();
      while (this.drawn.length && this.drawn[0] < now - 3000) this.drawn.shift();
      return this.drawn.length / 3;
    },

    redraw() {
      this.frame ||= requestAnimationFrame(() => this.draw());
    },

    draw() {
      cancelAnimationFrame(this.frame);
      this.frame = 0;
      if (!this.box) return;
      const { canvas } = this.context;
      const ratio = window.devicePixelRatio || 1;
      const [width, height] = this.box;
      const pixels = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
      if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
      const context = this.context;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      const header = this.shown;
      const size = header?.size ?? [640, 512];
      const scale = Math.min(width / size[0], height / size[1]);
      const view = { scale, left: (width - scale * size[0]) / 2, top: (height - scale * size[1]) / 2, size };
      this.view = view;
      context.fillStyle = "#15181c";
      if (!this.bitmap || view.left > 0 || view.top > 0) context.fillRect(0, 0, width, height);
      if (!header || !(scale > 0)) return;
      if (this.bitmap) context.drawImage(this.bitmap, view.left, view.top, scale * size[0], scale * size[1]);
      this.overlay(header, view, ratio);
      if (this.fresh) this.drawn.push(performance.now());
      this.fresh = false;
    },

    overlay(header, view, ratio) {
      const pen = this.pen;
      const on = this.shownLayers;
      const context = this.context;
      context.save();
      context.beginPath();
      context.rect(view.left, view.top, view.scale * view.size[0], view.scale * view.size[1]);
      context.clip();
      pen.begin(view, ratio);
      if (on.mask) drawMask(pen, header);
      if (on.tracks) {
        drawTrack(pen, this.tracks.object, header.objects[header.active], GREEN);
        drawTrack(pen, this.tracks.robot, header.robot, BLUE);
      }
      if (on.path) drawPaths(pen, header);
      if (on.corridor && header.corridor) pen.line(header.corridor, YELLOW, 1.5, { closed: true });
      if (on.bodies) drawBodies(pen, header);
      if (on.selection) drawSelection(pen, header);
      if (on.heading) drawHeading(pen, header, [40 / pen.scale, view.size[1] - 100 / pen.scale]);
      if (on.scale) drawScale(pen, header);
      context.restore();
      if (!this.press?.points.length) return;
      pen.begin(view, ratio); // a stroke may leave the picture: it is shown as it is, and refused in words
      pen.line(this.press.points, YELLOW, 2.5);
    },
  },
};
