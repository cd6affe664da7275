// The values of one chart in the bins of the last minute.

export const SPAN_S = 60;
const BIN_S = 0.2; // one point, and at most one redrawing, for so much time

export class History {
  constructor() {
    this.bins = []; // {time_s, low, high, last}, each a value for each line
  }

  get last() {
    return this.bins[this.bins.length - 1]?.last ?? [];
  }

  // Whether a bin was opened by it.
  add(time_s, values) {
    let bin = this.bins[this.bins.length - 1];
    const opens = !bin || time_s - bin.time_s >= BIN_S;
    if (opens) {
      bin = { time_s, low: [...values], high: [...values], last: [...values] };
      this.bins.push(bin);
      while (this.bins[0].time_s < time_s - SPAN_S - BIN_S) this.bins.shift();
    }
    values.forEach((value, line) => {
      bin.last[line] = value;
      if (value == null) return;
      bin.low[line] = Math.min(bin.low[line] ?? value, value);
      bin.high[line] = Math.max(bin.high[line] ?? value, value);
    });
    return opens;
  }
}
