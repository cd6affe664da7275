// What is drawn over the picture, from a packet's header.

import { Pen } from "./pen.js";

// as vision/overlay.py
const RED = "#e63c3c", GREEN = "#46be46", BLUE = "#3c8ce6", YELLOW = "#f0dc3c", WHITE = "#ffffff";
const PALE_BLUE = "#9ccbff", PALE_GREEN = "#9df09d"; // letters, which are thin
const RUNS = new Set(["running", "paused"]);
const NODES_APART = 12; // CSS pixels: nodes nearer than that would hide the line

// layers: which are shown, by name; tracks: of robot and object; stroke: points of a path that is being drawn
export function drawOverlay(context, { view, ratio, header, layers, tracks, stroke }) {
  context.save();
  context.beginPath();
  context.rect(view.left, view.top, view.scale * view.size[0], view.scale * view.size[1]);
  context.clip();
  const pen = new Pen(context, view, ratio);
  if (layers.mask) drawMask(pen, header);
  if (layers.tracks) {
    drawTrack(pen, tracks.object, header.objects[header.active], GREEN);
    drawTrack(pen, tracks.robot, header.robot, BLUE);
  }
  if (layers.path) drawPaths(pen, header);
  if (layers.corridor && header.corridor) pen.line(header.corridor, YELLOW, 1.5, { closed: true });
  if (layers.bodies && !RUNS.has(header.state)) drawBodies(pen, header); // nobody looks for them during a run
  if (layers.selection) drawSelection(pen, header);
  if (layers.heading) drawHeading(pen, header);
  if (layers.scale && !header.replay) drawScale(pen, header); // a recorded picture has its own
  context.restore();
  // a stroke may leave the picture: it is shown as it is, and refused in words
  if (stroke.length) new Pen(context, view, ratio).line(stroke, YELLOW, 2.5);
}

function drawMask(pen, header) {
  const colour = header.shown === "robot" ? BLUE : GREEN;
  for (const outline of header.mask) {
    pen.line(outline, colour, 1, { closed: true, halo: false });
    pen.fill(colour, 0.3);
  }
}

function drawTrack(pen, { points }, now, colour) {
  pen.line(now && points.length ? [...points, now] : points, colour, 1.5, { halo: false });
}

function drawPaths(pen, header) {
  header.paths.forEach((path, index) => {
    if (!path) return;
    const active = index === header.active;
    pen.line(path, RED, active ? 1.8 : 1.2, { halo: false, alpha: active ? 1 : 0.7 });
    if (active) drawNodes(pen, path);
  });
  if (!header.goal) return;
  pen.dot(header.goal, 4, WHITE);
  pen.dot(header.goal, 3, RED);
  pen.circle(header.goal, 8 / pen.scale, RED, 2);
}

function drawNodes(pen, path) {
  let last = null;
  for (const node of path) {
    if (last && Math.hypot(node[0] - last[0], node[1] - last[1]) * pen.scale < NODES_APART) continue;
    pen.dot(node, 2.6, RED);
    last = node;
  }
}

function drawBodies(pen, header) {
  header.bodies.forEach(({ x, y, r }, index) => {
    pen.circle([x, y], r + 2 / pen.scale, WHITE, 1, { halo: false, alpha: 0.8 });
    pen.words(`${index + 1}`, x - 0.7 * r - 4 / pen.scale, y + 0.7 * r + 10 / pen.scale, WHITE, 11, "right");
  });
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

// Where the field turns: at the robot, or in a corner when none is known.
function drawHeading(pen, { field, robot, size }) {
  if (!(field.amplitude > 0)) return;
  const [x, y, r] = robot ?? [40 / pen.scale, size[1] - 100 / pen.scale, 8 / pen.scale];
  const radius = r * pen.scale + 6;
  const spin = Math.cos((field.gamma_deg * Math.PI) / 180);
  if (Math.abs(spin) > 0.2) pen.curl([x, y], radius + 4, spin > 0, WHITE);
  if (Math.abs(spin) < 0.95) pen.arrow([x, y], (-field.alpha_deg * Math.PI) / 180, radius, radius + 34, WHITE);
}

function drawScale(pen, { size, um_per_px }) {
  const most_um = (size[0] * um_per_px) / 6;
  const decade = 10 ** Math.floor(Math.log10(most_um));
  const length_um = decade * [5, 2, 1].find((factor) => factor * decade <= most_um);
  const right = size[0] - 16 / pen.scale, bottom = size[1] - 16 / pen.scale;
  const left = right - length_um / um_per_px;
  pen.line([[left, bottom], [right, bottom]], WHITE, 3);
  pen.words(`${Number(length_um.toPrecision(1))} µm`, (left + right) / 2, bottom - 7 / pen.scale, WHITE, 12, "center");
}
