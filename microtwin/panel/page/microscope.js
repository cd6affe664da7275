// The live view: the parts in view/ put together. See microscope.py for what Python and the page may ask of it.

import { Gamepad } from "microtwin-view/gamepad.js";
import { Hand } from "microtwin-view/hand.js";
import { Keys } from "microtwin-view/keys.js";
import { Layers } from "microtwin-view/layers.js";
import { drawOverlay } from "microtwin-view/overlay.js";
import { Picture } from "microtwin-view/picture.js";
import { Pointer } from "microtwin-view/pointer.js";
import { SIGNS, Signs } from "microtwin-view/signs.js";
import { Stream, prefixed } from "microtwin-view/stream.js";
import { Tracks } from "microtwin-view/tracks.js";

const ROOT =
  "position:relative;width:100%;height:100%;min-height:120px;overflow:hidden;contain:layout paint;" +
  "background:#15181c;color:#fff;font:13px/1.4 system-ui,sans-serif;user-select:none";

export default {
  template: `
    <div data-testid="view" style="${ROOT}">
      <canvas ref="canvas" data-testid="view-canvas" tabindex="0" role="application"
        aria-label="Microscope view. Space stops. While driving is on, arrows or W A S D drive, Q and E spin."
        style="position:absolute;inset:0;width:100%;height:100%;touch-action:none;outline-offset:-3px"></canvas>
      ${SIGNS}
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
    this.parts = new AbortController();
    const { signal } = this.parts;
    this.overlays = new Layers(this.layers);
    this.tracks = new Tracks();
    this.signs = new Signs(this.$refs, () => this);
    this.picture = new Picture(canvas, (context, shown) => this.overlay(context, shown));
    this.hand = new Hand((words) => this.live?.send(words), () => this.mayDrive(), () => this.driveHz);
    this.gamepad = new Gamepad(this.hand, () => this.stop(), (name) => this.signs.gamepad(name));
    this.pointer = new Pointer(canvas, signal, {
      picture: this.picture,
      tool: () => this.tool,
      refusal: () => this.refusal(),
      onPick: (place) => this.$emit("pick", place),
      onDrawn: (stroke) => this.$emit("drawn", stroke),
      onChange: () => this.picture.redraw(),
      say: (words) => this.signs.hint(words),
    });
    new Keys(signal, {
      hand: this.hand,
      mayDrive: () => this.mayDrive(),
      onStop: () => this.stop(),
      onEscape: () => this.cancel(),
      onLetter: (event) => this.switchLayer(event),
    });
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
    this.signs.hint();
    this.rateTimer = setInterval(() => this.signs.rate(this.picture.fps()), 1000);
    setTimeout(() => {
      if (signal.aborted) return; // window.path_prefix is set after the components are there
      this.openLive();
      this.openReplay();
    });
  },

  beforeUnmount() {
    this.hand.letGo();
    this.parts.abort();
    this.gamepad.end();
    this.live?.end();
    this.recording?.end();
    this.picture.end();
    this.signs.end();
    clearInterval(this.rateTimer);
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
      this.overlays.follow(now);
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
        const changed = () => this.showAlarm();
        this.recording = new Stream(this.replay, (text, jpeg) => this.packet(text, jpeg, false), changed);
      }
      this.tracks.clear();
      this.lastText = "";
      this.signs.hint();
      this.showLamp();
      this.showAlarm();
    },

    liveChanged() {
      if (!this.live.up) this.hand.letGo();
      else if (this.operator) this.hand.reset();
      this.showLamp();
      this.showAlarm();
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
      this.showAlarm();
      this.signs.status(header);
      window.dispatchEvent(new CustomEvent("microtwin-packet", { detail: header }));
      if (document.hidden || text === this.lastText) return; // the last one again, as a sign of life
      this.lastText = text;
      this.picture.show(header, jpeg);
    },

    overlay(context, shown) {
      const { overlays, tracks, pointer } = this;
      drawOverlay(context, { ...shown, layers: overlays.shown, tracks, stroke: pointer.stroke });
    },

    showLamp() {
      this.signs.lamp(this.live, this.window.live);
    },

    showAlarm() {
      this.signs.alarm(this.recording ?? this.live, this.window.header);
    },

    // Called from Python: words for the recording on show.
    say(words) {
      this.recording?.send(words);
    },

    // -- what hands do --

    stop() {
      const sent = this.live?.send("stop");
      if (!sent || this.live.stale) {
        const failed = () => this.signs.hint("stop could not be sent: the server is gone");
        fetch(prefixed("/stop"), { method: "POST", keepalive: true }).catch(failed);
      }
      this.hand.letGo();
      this.pointer.drop();
      this.signs.hint("stop sent", 1500);
    },

    // Whether there was a stroke to give up.
    cancel() {
      const dropped = this.pointer.drop();
      if (dropped) this.signs.hint("drawing cancelled", 1500);
      return dropped;
    },

    switchLayer(event) {
      const said = this.overlays.press(event);
      if (!said) return;
      this.signs.hint(said, 1500);
      this.picture.redraw();
    },

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
      this.signs.hint();
    },

    visible() {
      if (document.hidden) {
        this.hand.letGo();
        this.pointer.drop();
      }
      this.lastText = ""; // pictures that came meanwhile were not drawn
    },
  },
};
