// Mouse, touch and pen on the picture: clicks that pick a body, strokes that become a path.

const CLICK_CSS_PX = 8; // a press that moves farther is no click
const SHORTEST_STROKE_PX = 5;
const MOST_POINTS = 400; // of a drawn path, as in microscope.py

export class Pointer {
  press = null; // what is down: {id, x, y, add, at, points}, points only while drawing

  // canvas; picture: where things are on it; tool(); refusal(): why nothing may be clicked, in words, or "";
  // onPick({x, y, add}); onDrawn({points}); onChange(): the stroke looks otherwise; say(words)
  constructor(canvas, signal, told) {
    Object.assign(this, { canvas, ...told });
    const on = (kind, act) => canvas.addEventListener(kind, act, { signal });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.mine(event) && this.move(event));
    on("pointerup", (event) => this.mine(event) && this.up(event));
    on("pointercancel", (event) => this.mine(event) && this.drop());
    on("lostpointercapture", (event) => this.mine(event) && this.drop());
    on("contextmenu", (event) => this.press && event.preventDefault());
  }

  // Points of the stroke so far.
  get stroke() {
    return this.press?.points ?? [];
  }

  mine({ pointerId }) {
    return this.press?.id === pointerId;
  }

  down(event) {
    if (event.button !== 0 || this.press || !this.picture.view) return;
    const refusal = this.refusal();
    if (refusal) return this.say(refusal);
    if (this.tool() === "none") return;
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.picture.place(event);
    const points = this.tool() === "draw" ? [at] : [];
    this.press = { id: event.pointerId, x: event.clientX, y: event.clientY, add: event.shiftKey, at, points };
  }

  move(event) {
    const { points } = this.press;
    if (!points.length) return;
    const coalesced = event.getCoalescedEvents?.() ?? [];
    for (const one of coalesced.length ? coalesced : [event]) {
      const at = this.picture.place(one);
      if (distance(at, points[points.length - 1]) >= 0.5) points.push(at);
    }
    this.onChange();
  }

  up(event) {
    this.move(event);
    const { x, y, at, add, points } = this.press;
    this.drop();
    if (points.length) {
      if (length(points) < SHORTEST_STROKE_PX) return this.say("too short for a path: press, move, let go");
      return this.onDrawn({ points: thinned(points).map(rounded) });
    }
    if (!this.picture.shows(at) || distance([event.clientX, event.clientY], [x, y]) > CLICK_CSS_PX) return;
    const [across, down] = rounded(at);
    this.onPick({ x: across, y: down, add });
  }

  // Forget a press or stroke that is not finished; whether there was one.
  drop() {
    if (!this.press) return false;
    const { id } = this.press;
    this.press = null;
    if (this.canvas.hasPointerCapture(id)) this.canvas.releasePointerCapture(id);
    this.onChange();
    return true;
  }
}

const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);
const length = (points) => points.slice(1).reduce((sum, point, i) => sum + distance(point, points[i]), 0);
const rounded = ([x, y]) => [Math.round(x * 100) / 100, Math.round(y * 100) / 100];

// At most MOST_POINTS of a stroke's points, as near to it as that allows.
function thinned(points) {
  let tolerance = 0.5;
  let thin = simplified(points, tolerance);
  while (thin.length > MOST_POINTS) {
    tolerance *= 1.5;
    thin = simplified(points, tolerance);
  }
  return thin;
}

// Ramer, Douglas and Peucker's, without recursion: a stroke has thousands of points.
function simplified(points, tolerance) {
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
      const along = squared ? Math.min(Math.max((px * dx + py * dy) / squared, 0), 1) : 0;
      const off = Math.hypot(px - along * dx, py - along * dy);
      if (off > farthest) [farthest, index] = [off, i];
    }
    if (farthest > tolerance) {
      keep[index] = 1;
      spans.push([first, index], [index, last]);
    }
  }
  return points.filter((_, i) => keep[i]);
}
