// A range in steps of 1, 2, 5 that widens at once and narrows late.

const CALM_S = 4; // a scale that has become too wide is kept for so long

export class Scale {
  constructor(chart) {
    this.chart = chart;
    this.range = chart.fixed ?? null;
  }

  follow(bins, time_s) {
    const { fixed, least, span } = this.chart;
    if (fixed) return this.range;
    let low = least ?? Infinity, high = -Infinity;
    for (const bin of bins) {
      for (const value of bin.low) if (value != null && value < low) low = value;
      for (const value of bin.high) if (value != null && value > high) high = value;
    }
    if (!Number.isFinite(low)) low = 0;
    high = Math.max(high, low + span);
    const decade = 10 ** Math.floor(Math.log10((high - low) / 2));
    const step = decade * [1, 2, 5, 10].find((factor) => factor * decade * 4 >= high - low);
    const wanted = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
    const fits = this.range && wanted[0] >= this.range[0] && wanted[1] <= this.range[1];
    const same = fits && wanted[0] === this.range[0] && wanted[1] === this.range[1];
    if (!fits || time_s - this.since > CALM_S) this.range = wanted;
    if (!fits || same || time_s - this.since > CALM_S) this.since = time_s;
    return this.range;
  }
}
