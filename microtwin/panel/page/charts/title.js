// The line above a chart: its name and unit on the left, the newest values in the colours of their lines on the right.

import { say } from "./numbers.js";

const FONT = "system-ui, sans-serif";
// Ways to say it; the first that fits is taken. Letters in CSS pixels, digits, rows of words.
const WAYS = [
  { size: 12, digits: 3, rows: 1 },
  { size: 10.5, digits: 3, rows: 1 },
  { size: 10, digits: 2, rows: 1 },
  { size: 10, digits: 2, rows: 2 },
];

export class Titles {
  ways = new Map();

  // By the widest values, not by today's: a chart must not change its face with every digit.
  way(context, name, unit, lines, width) {
    const key = [name, unit, ...lines, width].join();
    const known = this.ways.get(key);
    if (known) return known;
    const fits = ({ size, digits, rows }) => {
      context.font = `11px ${FONT}`;
      const title = rows > 1 ? 0 : context.measureText(`${name} (${unit})`).width + 6;
      context.font = `600 ${size}px ${FONT}`;
      const widest = digits > 2 ? "−88.8" : "−8.8";
      const values = lines.map((line) => context.measureText(`${line} ${widest}`.trim()).width + size / 2);
      return title + values.reduce((sum, one) => sum + one, 0) <= width;
    };
    const way = WAYS.find(fits) ?? WAYS[WAYS.length - 1];
    this.ways.set(key, way);
    return way;
  }

  // Of `chart`, from (x, y) on; how high it is. look: {ink, colours}
  draw(context, { chart, unit, lines, values }, { ink, colours }, x, y, width) {
    const way = this.way(context, chart.name, unit, lines, width);
    context.textBaseline = "alphabetic";
    context.textAlign = "left";
    context.fillStyle = ink;
    context.globalAlpha = 0.75;
    context.font = `11px ${FONT}`;
    context.fillText(`${chart.name} (${unit})`, x, y + 11);
    context.globalAlpha = 1;
    context.textAlign = "right";
    context.font = `600 ${way.size}px ${FONT}`;
    let right = x + width;
    for (let line = lines.length - 1; line >= 0; line--) {
      const words = `${lines[line]} ${say(values[line], chart.whole, way.digits)}`.trim();
      context.fillStyle = colours[line % colours.length];
      context.fillText(words, right, y + (way.rows > 1 ? 23 : 11));
      right -= context.measureText(words).width + way.size / 2;
    }
    return way.rows > 1 ? 29 : 17;
  }

  // The letters are others now.
  clear() {
    this.ways.clear();
  }
}
