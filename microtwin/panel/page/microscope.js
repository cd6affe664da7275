// The live view: the parts in view/ put together. See microscope.py for what Python and the page may ask of it.

import { Gamepad } from "microtwin-view/gamepad.js";
import { Hand, actionOf, isShortcut } from "microtwin-view/hand.js";
import { drawOverlay } from "microtwin-view/overlay.js";
import { Picture } from "microtwin-view/picture.js";
import { Pointer } from "microtwin-view/pointer.js";
import { Stream, prefixed } from "microtwin-view/stream.js";
import { Tracks } from "microtwin-view/tracks.js";

const LAYER_OF = {
  KeyT: "tracks", KeyB: "bodies", KeyR: "selection", KeyP: "path",
  KeyC: "corridor", KeyH: "heading", KeyM: "mask", KeyL: "scale",
};
const TOOLS = {
  "select-robot": "click the robot",
  "select-object": "click the object; with Shift, one more",
  draw: "draw: press, move, let go; Esc cancels",
};
const DRIVING = "arrows or W A S D drive · Q E spin · space stops";

const ROOT =
  "position:relative;width:100%;height:100%;min-height:120px;overflow:hidden;contain:layout paint;" +
  "background:#15181c;color:#fff;font:13px/1.4 system-ui,sans-serif;user-select:none";
const BADGE = "pointer-events:none;border-radius:4px;padding:2px 8px;";
const WORDS = `${BADGE}background:rgba(10,13,17,.72);font-variant-numeric:tabular-nums;`;
// At the bottom: the words of a recorded picture are at its top.
const CORNER =
  "position:absolute;bottom:8px;left:8px;max-width:calc(100% - 120px);pointer-events:none;" +
  "display:flex;flex-direction:column;align-items:flex-start;gap:4px";
const ALARM =
  `${BADGE}position:absolute;left:50%;top:45%;transform:translate(-50%,-50%);max-width:90%;padding:8px 16px;` +
  "background:#a31621;font-size:17px;font-weight:700;text-align:center;display:none";
const FRAME = "position:absolute;inset:0;pointer-events:none;border:5px solid #e63c3c;display:none";
const LAMP = `${BADGE}position:absolute;top:8px;right:8px;`;
const LAMP_OFF = `${LAMP}background:rgba(10,13,17,.72);color:#cfd6de;`;
const LAMPS = {
  on: `${LAMP}background:#ffb000;color:#000;font-size:18px;font-weight:800`,
  off: LAMP_OFF,
  unknown: `${LAMP_OFF}border:1px dashed #cfd6de`,
};

export default {
  template: `
    <div data-testid="view" style="${ROOT}">
      <canvas ref="canvas" data-testid="view-canvas" tabindex="0" role="application"
        aria-label="Microscope view. Space stops. While driving is on, arrows or W A S D drive, Q and E spin."
        style="position:absolute;inset:0;width:100%;height:100%;touch-action:none;outline-offset:-3px"></canvas>
      <div ref="frame" style="${FRAME}"></div>
      <div ref="lamp" data-testid="field-lamp" style="${LAMPS.unknown}"></div>
      <div style="${CORNER}">
        <div ref="pad" data-testid="gamepad" style="${WORDS}display:none"></div>
        <div ref="hint" data-testid="view-hint" role="status" style="${WORDS}display:none"></div>
        <div style="display:flex;flex-wrap:wrap;align-items:end;gap:4px">
          <div ref="status" data-testid="view-status" style="${WORDS}display:none"></div>
          <div ref="rate" data-testid="view-rate" style="${WORDS}font-size:11px"></div>
        </div>
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
    const { canvas } = this.$refs;
    this.shownLayers = { ...this.layers };
    this.saidLayers = { ...this.layers };
    this.tracks = new Tracks();
    this.picture = new Picture(canvas, (context, shown) => this.overlay(context, shown));
    this.hand = new Hand((words) => this.live?.send(words), () => this.mayDrive(), () => this.driveHz);
    this.gamepad = new Gamepad(this.hand, () => this.stop(), (name) => this.write("pad", name && `gamepad: ${name}`));
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    this.pointer = new Pointer(canvas, signal, {
      picture: this.picture,
      tool: () => this.tool,
      refusal: () => this.refusal(),
      onPick: (place) => this.$emit("pick", place),
      onDrawn: (stroke) => this.$emit("drawn", stroke),
      onChange: () => this.picture.redraw(),
      say: (words) => this.hint(words),
    });
    window.addEventListener("keydown", (event) => this.keyDown(event), { capture: true, signal });
    window.addEventListener("keyup", (event) => this.keyUp(event), { capture: true, signal });
    window.addEventListener("blur", () => this.hand.letGo(), { signal });
    document.addEventListener("visibilitychange", () => this.visible(), { signal });
    this.window = {
      stop: () => this.stop(),
      press: (action) => this.hand.press(`page ${action}`, action),
      release: (action) => (action ? this.hand.release(`page ${action}`) : this.hand.letGo()),
      fps: () => this.picture.fps(),
      header: null,
      live: null,
    };
    window.microtwin = this.window;
    this.showLamp();
    this.hint();
    this.rateTimer = setInterval(() => this.write("rate", `${this.picture.fps().toFixed(0)} frames/s`), 1000);
    setTimeout(() => {
      if (signal.aborted) return; // window.path_prefix is set after the components are there
      this.openLive();
      this.openReplay();
    });
  },

  beforeUnmount() {
    this.hand.letGo();
    this.listeners.abort();
    this.gamepad.end();
    this.live?.end();
    this.recording?.end();
    this.picture.end();
    clearInterval(this.rateTimer);
    clearTimeout(this.hintTimer);
    if (window.microtwin === this.window) delete window.microtwin;
  },

  watch: {
    url: "openLive",
    replay: "openReplay",
    tool: "changedHands",
    drive: "changedHands",
    operator(now) {
      this.changedHands();
      if (now) this.hand.reset();
    },
    layers(now) {
      // Python sends all of them with every update: only a change of mind overrules a key that was pressed here
      for (const [name, on] of Object.entries(now)) if (on !== this.saidLayers[name]) this.shownLayers[name] = on;
      this.saidLayers = { ...now };
      this.picture.redraw();
    },
  },

  methods: {
    // -- packets --

    openLive() {
      this.live?.end();
      this.live = new Stream(this.url, (text, jpeg) => this.packet(text, jpeg, true), () => this.liveChanged());
    },

    openReplay() {
      this.hand.letGo();
      this.pointer.drop();
      this.recording?.end();
      this.recording = null;
      if (this.replay) {
        this.recording = new Stream(this.replay, (text, jpeg) => this.packet(text, jpeg, false), () => this.alarm());
      }
      this.tracks.clear();
      this.lastText = "";
      this.hint();
      this.showLamp();
      this.alarm();
    },

    liveChanged() {
      if (!this.live.up) this.hand.letGo();
      else if (this.operator) this.hand.reset();
      this.showLamp();
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
      this.picture.show(header, jpeg);
    },

    overlay(context, shown) {
      const { shownLayers: layers, tracks, pointer } = this;
      drawOverlay(context, { ...shown, layers, tracks, stroke: pointer.stroke });
    },

    // Called from Python: words for the recording on show.
    say(words) {
      this.recording?.send(words);
    },

    stop() {
      const sent = this.live?.send("stop");
      if (!sent || this.live.stale) {
        const failed = () => this.hint("stop could not be sent: the server is gone");
        fetch(prefixed("/stop"), { method: "POST", keepalive: true }).catch(failed);
      }
      this.hand.letGo();
      this.pointer.drop();
      this.hint("stop sent", 1500);
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
      const on = this.window.live?.field.amplitude > 0;
      const kind = !this.live?.up ? "unknown" : on ? "on" : "off";
      const words = { unknown: "field unknown", on: "FIELD ON", off: "field off" };
      this.write("lamp", `${this.replay && kind === "on" ? "LIVE " : ""}${words[kind]}`);
      if (kind === this.lampKind) return;
      this.lampKind = kind;
      this.$refs.lamp.style.cssText = LAMPS[kind];
    },

    alarm() {
      const { lost, why } = this.recording ?? this.live;
      const header = this.window.header;
      const broken = !lost && !this.replay && header?.state === "broken";
      const gone = this.replay ? "the recording does not come: trying again" : "connection lost: trying again";
      const ill = broken ? `broken: ${header.reason || "no reason given"}` : "";
      this.write("alarm", lost ? why || gone : ill);
      this.$refs.frame.style.display = broken ? "" : "none";
      this.$refs.canvas.style.opacity = lost ? "0.45" : "";
    },

    // What the tool wants; or `passing` words, for a while.
    hint(passing, for_ms = 3000) {
      clearTimeout(this.hintTimer);
      const mine = this.operator && !this.replay;
      const lasting = mine ? (TOOLS[this.tool] ?? (this.drive ? DRIVING : "")) : "";
      this.write("hint", passing ?? lasting);
      if (passing) this.hintTimer = setTimeout(() => this.hint(), for_ms);
      const cursor = mine && TOOLS[this.tool] ? "crosshair" : "default";
      this.$refs.canvas.style.cursor = this.operator || this.replay ? cursor : "not-allowed";
    },

    // -- who may do what --

    refusal() {
      if (this.replay) return "a recording: there is nothing to click";
      return this.operator ? "" : "watching: take control to select, draw or drive";
    },

    mayDrive() {
      return this.operator && this.drive && !this.replay && !document.hidden && Boolean(this.live?.open);
    },

    changedHands() {
      this.hand.letGo();
      this.pointer.drop();
      this.hint();
    },

    visible() {
      if (document.hidden) {
        this.hand.letGo();
        this.pointer.drop();
      }
      this.lastText = ""; // pictures that came meanwhile were not drawn
    },

    // -- keys --

    keyDown(event) {
      const taken = () => {
        event.preventDefault();
        event.stopImmediatePropagation();
      };
      if (event.code === "Space") {
        taken();
        if (!event.repeat) this.stop();
        return;
      }
      if (event.code === "Escape" && this.pointer.drop()) {
        taken();
        this.hint("drawing cancelled", 1500);
        return;
      }
      if (!isShortcut(event)) return;
      const action = actionOf(event);
      if (action && this.mayDrive()) {
        taken();
        if (!event.repeat) this.hand.press(event.code, action); // a repeat may be of a key held since before a stop
        return;
      }
      const layer = LAYER_OF[event.code];
      if (!layer || event.repeat || event.shiftKey) return;
      this.shownLayers[layer] = !this.shownLayers[layer];
      this.hint(`${layer}: ${this.shownLayers[layer] ? "shown" : "hidden"}`, 1500);
      this.picture.redraw();
    },

    keyUp(event) {
      if (event.code === "Space") {
        event.preventDefault(); // some browsers press a button on the release alone
        event.stopImmediatePropagation();
        return;
      }
      this.hand.release(event.code);
    },
  },
};
