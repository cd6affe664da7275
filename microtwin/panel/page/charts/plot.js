// The lines of one chart in their frame, with the ends of its scale on the left.

import { SPAN_S } from "./history.js";
import { tick } from "./numbers.js";

const SCALE_WIDTH = 30; // CSS pixels, for the numbers on the left
const LOW = 18, HIGH = 60; // CSS pixels, from which there is room for both ends of the scale, and for the time's

// box: {x, top, bottom, width}; range: [low, high]; now_s: the time at its right edge
export class Plot {
  constructor(context, { x, top, bottom, width }, range, now_s) {
    this.left = x + SCALE_WIDTH;
    this.width = x + width - this.left;
    Object.assign(this, { context, top, bottom, range, now_s });
  }

  y(value) {
    const [low, high] = this.range;
    return this.bottom - ((value - low) / (high - low)) * (this.bottom - this.top);
  }

  x(time_s) {
    return this.left + (1 - (this.now_s - time_s) / SPAN_S) * this.width;
  }

  frame(ink) {
    const { context, left, width, top, bottom } = this;
    const [low, high] = this.range;
    context.font = "10px system-ui, sans-serif";
    context.textAlign = "right";
    context.fillStyle = context.strokeStyle = ink;
    context.globalAlpha = 0.7;
    context.fillText(tick(high), left - 4, top + 7);
    if (bottom - top >= LOW) context.fillText(tick(low), left - 4, bottom);
    if (bottom - top >= HIGH) this.span();
    context.globalAlpha = 0.18;
    context.lineWidth = 1;
    context.beginPath();
    for (const edge of [top, bottom, ...(low < 0 && high > 0 ? [this.y(0)] : [])]) {
      context.moveTo(left, Math.round(edge) + 0.5);
      context.lineTo(left + width, Math.round(edge) + 0.5);
    }
    for (let third = 0; third <= 3; third++) {
      const edge = Math.round(left + (third / 3) * width) + 0.5;
      context.moveTo(edge, top);
      context.lineTo(edge, bottom);
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  span() {
    const { context, left, bottom } = this;
    context.font = "9px system-ui, sans-serif";
    context.textAlign = "left";
    context.fillText(`−${SPAN_S} s`, left + 3, bottom - 3);
  }

  // turns: degrees, whose line is lifted where they pass ±180°
  line(bins, line, colour, turns) {
    const { context } = this;
    context.lineWidth = 1.4;
    context.lineJoin = "bevel";
    context.strokeStyle = colour;
    context.beginPath();
    let before = null; // the value that the line comes from
    for (const { time_s, low: lows, high: highs, last: lasts } of bins) {
      const value = lasts[line];
      if (value == null || time_s < this.now_s - SPAN_S) {
        before = null;
        continue;
      }
      const place = this.x(time_s);
      const lift = before == null || (turns && Math.abs(value - before) > 180);
      if (lift) context.moveTo(place, this.y(value));
      else if (!turns && highs[line] > lows[line]) {
        context.lineTo(place, this.y(lows[line]));
        context.lineTo(place, this.y(highs[line]));
      }
      context.lineTo(place, this.y(value));
      before = value;
    }
    context.stroke();
  }
}
