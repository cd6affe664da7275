// Words and signs that lie on the picture, in its corners: the field's lamp, state, rate, hints, and what is wrong.

const TOOLS = {
  "select-robot": "click the robot",
  "select-object": "click the object; with Shift, one more",
  draw: "draw: press, move, let go; Esc cancels",
};
const DRIVING = "arrows or W A S D drive · Q E spin · space stops";
const SAID = { watching: "idle" }; // people who watch are those without control
const PASSING_MS = 3000;

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
const LAMP_WORDS = { unknown: "field unknown", on: "FIELD ON", off: "field off" };

// For the view's template.
export const SIGNS = `
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
  <div ref="alarm" data-testid="view-alarm" role="alert" style="${ALARM}"></div>`;

export class Signs {
  // elements: of the template above, by their refs. use(): {operator, tool, drive, replay} as they are now
  constructor(elements, use) {
    Object.assign(this, { elements, use });
  }

  write(name, text) {
    const element = this.elements[name];
    if (!element || element.textContent === text) return;
    element.textContent = text;
    element.style.display = text ? "" : "none";
  }

  gamepad(name) {
    this.write("pad", name && `gamepad: ${name}`);
  }

  rate(frames_per_s) {
    this.write("rate", `${frames_per_s.toFixed(0)} frames/s`);
  }

  status(header) {
    const run = header.run && !header.run.results && ["running", "paused"].includes(header.state) ? header.run : null;
    const parts = [header.replay ? "replay" : (SAID[header.state] ?? header.state)];
    if (header.mode) parts.push(header.mode.replaceAll("_", " "));
    if (header.goal && header.nodes) parts.push(`node ${header.goal_index + 1}/${header.nodes}`);
    parts.push(`${(run ? run.elapsed_s : header.time_s).toFixed(0)} s`);
    this.write("status", parts.join(" · "));
  }

  // stream: the live one; header: its newest
  lamp(stream, header) {
    const on = header?.field.amplitude > 0;
    const kind = !stream?.up ? "unknown" : on ? "on" : "off";
    this.write("lamp", `${this.use().replay && kind === "on" ? "LIVE " : ""}${LAMP_WORDS[kind]}`);
    if (kind === this.lampKind) return;
    this.lampKind = kind;
    this.elements.lamp.style.cssText = LAMPS[kind];
  }

  // stream: of what is on show; header: its newest
  alarm({ lost, why }, header) {
    const { replay } = this.use();
    const broken = !lost && !replay && header?.state === "broken";
    const gone = replay ? "the recording does not come: trying again" : "connection lost: trying again";
    const ill = broken ? `broken: ${header.reason || "no reason given"}` : "";
    this.write("alarm", lost ? why || gone : ill);
    this.elements.frame.style.display = broken ? "" : "none";
    this.elements.canvas.style.opacity = lost ? "0.45" : "";
  }

  // What the tool wants; or `passing` words, for a while.
  hint(passing, for_ms = PASSING_MS) {
    clearTimeout(this.passing);
    const { operator, tool, drive, replay } = this.use();
    const mine = operator && !replay;
    const lasting = mine ? (TOOLS[tool] ?? (drive ? DRIVING : "")) : "";
    this.write("hint", passing ?? lasting);
    if (passing) this.passing = setTimeout(() => this.hint(), for_ms);
    const cursor = mine && TOOLS[tool] ? "crosshair" : "default";
    this.elements.canvas.style.cursor = operator || replay ? cursor : "not-allowed";
  }

  end() {
    clearTimeout(this.passing);
  }
}
