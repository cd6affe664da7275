// Strip charts of the last minute of the rig's time, on one canvas, from the packets that the view dispatches.

const SPAN_S = 60;
const BIN_S = 0.2; // one point, and at most one redrawing, for so much time
const NARROWEST = 130, LOWEST = 48, PREFERRED_SHAPE = 2.6; // of a chart, CSS pixels; width to height
const CALM_S = 4; // a scale that has become too wide is kept for so long

// Okabe and Ito's colours, darkened for light pages and lightened for dark ones.
const ON_LIGHT = ["#0063a6", "#b84a00", "#00765a", "#97377a", "#7a6a00", "#555555"];
const ON_DARK = ["#64b5ff", "#ff9f45", "#3fd0a0", "#ea94c8", "#f0e442", "#c8c8c8"];

const angle = (degrees) => ((((degrees + 180) % 360) + 360) % 360) - 180;
const moving = (header, value) => (header.field.amplitude > 0 ? value : null);

// Each chart: its name, unit, the names of its lines, and their values from a header (null: a gap); live: recordings do
// not tell.
// The last takes what room its row has left, since coils may be many.
const CHARTS = [
  { name: "error", unit: "µm", lines: [""], values: (h) => [h.error_um], least: 0, span: 2 },
  { name: "to goal", unit: "µm", lines: [""], values: (h) => [h.goal_um], least: 0, span: 10 },
  { name: "f", unit: "Hz", lines: [""], values: (h) => [moving(h, h.field.frequency_hz) ?? 0], least: 0, span: 5 },
  {
    name: "angle", unit: "°", lines: ["α", "γ"], fixed: [-180, 180],
    values: (h) => [moving(h, angle(h.field.alpha_deg)), moving(h, angle(h.field.gamma_deg))],
  },
  { name: "dropped", unit: "frames", lines: [""], values: (h) => [h.dropped], whole: true, span: 4, live: true },
  {
    name: "frame", unit: "ms", lines: ["latency", "wait"],
    values: (h) => [h.latency_ms, h.wait_ms], least: 0, span: 10, live: true,
  },
  {
    name: "coils", unit: (h) => h.coils.unit, lines: (h) => h.coils.names, values: (h) => h.coils.values,
    least: 0, span: 0.1,
  },
];

const of = (part, header) => (typeof part === "function" ? part(header) : part);
const known = (chart, header) => of(chart.lines, header).length > 0 && !(chart.live && header.replay);

function say(value, whole, digits = 3) {
  if (value == null || !Number.isFinite(value)) return "–";
  const before = Math.abs(value) >= 99.95 ? 3 : Math.abs(value) >= 9.995 ? 2 : 1;
  return value.toFixed(whole ? 0 : Math.max(0, digits - before)).replace("-", "−");
}

// Ways to say the title and the values of a chart; the first that fits is taken. Letters in CSS pixels, digits,
// whether the title has its unit, rows of words.
const WAYS = [
  { size: 12, digits: 3, unit: true, rows: 1 },
  { size: 10.5, digits: 3, unit: true, rows: 1 },
  { size: 10, digits: 2, unit: true, rows: 1 },
  { size: 10, digits: 2, unit: false, rows: 1 },
  { size: 10, digits: 2, unit: true, rows: 2 },
];

const tick = (value) => `${Number(value.toPrecision(3))}`.replace("-", "−");

// The values of one chart in the bins of the last minute.
class History {
  constructor() {
    this.bins = []; // {time_s, low, high, last}, each a value for each line
  }

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

// A range in steps of 1, 2, 5 that widens at once and narrows late.
class Scale {
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

const ROOT = "position:relative;width:100%;height:100%;min-height:54px;overflow:hidden auto;contain:layout paint";

export default {
  template: `
    <div data-testid="strips" style="${ROOT}">
      <canvas ref="canvas" role="img" aria-label="Strip charts of the last 60 seconds"
        style="display:block;width:100%"></canvas>
    </div>`,

  mounted() {
    this.context = this.$refs.canvas.getContext("2d");
    this.ways = new Map();
    this.clear();
    this.heard = ({ detail }) => this.packet(detail);
    window.addEventListener("microtwin-packet", this.heard);
    this.sizes = new ResizeObserver(([entry]) => {
      this.box = [entry.contentRect.width, entry.contentRect.height];
      this.draw();
    });
    this.sizes.observe(this.$el);
    this.theme = new MutationObserver(() => this.redraw());
    this.theme.observe(document.body, { attributeFilter: ["class"] });
    this.seen = () => document.hidden || this.redraw();
    document.addEventListener("visibilitychange", this.seen);
  },

  beforeUnmount() {
    window.removeEventListener("microtwin-packet", this.heard);
    document.removeEventListener("visibilitychange", this.seen);
    this.sizes.disconnect();
    this.theme.disconnect();
    cancelAnimationFrame(this.frame);
  },

  methods: {
    clear() {
      this.rows = CHARTS.map((chart) => ({ chart, history: new History(), scale: new Scale(chart) }));
      this.described = -Infinity;
    },

    packet(header) {
      const time_s = header.time_s;
      const recording = Boolean(header.replay);
      if (time_s < this.time_s - 0.5 || recording !== this.recording) this.clear();
      if (time_s === this.time_s && header.seq === this.header?.seq) return; // the last one again
      Object.assign(this, { time_s, recording, header });
      let opened = false;
      for (const { chart, history } of this.rows) opened = history.add(time_s, chart.values(header)) || opened;
      if (opened && !document.hidden) this.redraw();
    },

    redraw() {
      this.frame ||= requestAnimationFrame(() => this.draw());
    },

    // Columns and the height of a chart that come nearest to the preferred shape.
    layout(count, width, height) {
      let best = null;
      for (let columns = 1; columns <= count; columns++) {
        if (columns > 1 && width / columns < NARROWEST) break;
        const rows = Math.ceil(count / columns);
        const each = Math.max(height / rows, LOWEST);
        const beyond = Math.max(0, each * rows - height - 1); // what must be scrolled to
        const size = Math.min(width / columns / PREFERRED_SHAPE, each) - 10 * beyond;
        if (!best || size > best.size) best = { columns, rows, each, size };
      }
      return best;
    },

    draw() {
      cancelAnimationFrame(this.frame);
      this.frame = 0;
      if (!this.header || !this.box?.[0] || !this.box[1]) return;
      const [width, room] = this.box;
      const shown = this.rows.filter(({ chart }) => known(chart, this.header));
      const { columns, rows, each } = this.layout(shown.length, width, room);
      const ratio = window.devicePixelRatio || 1;
      const context = this.context;
      const { canvas } = context;
      const height = Math.floor(rows * each);
      const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) {
        [canvas.width, canvas.height] = pixels;
        this.ways.clear();
        canvas.style.height = `${height}px`;
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      const ink = getComputedStyle(this.$el).color;
      const bright = (ink.match(/[\d.]+/g) ?? [0]).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) > 384;
      this.look = { ink, colours: bright ? ON_DARK : ON_LIGHT };
      shown.forEach((row, index) => {
        const x = (index % columns) * (width / columns), y = Math.floor(index / columns) * each;
        const span = index === shown.length - 1 ? columns - (index % columns) : 1;
        this.chart(row, x + 4, y + 2, (span * width) / columns - 10, each - 6);
      });
      this.describe(shown);
    },

    // By the widest values, not by today's: a chart must not change its face with every digit.
    way(chart, lines, unit, width) {
      const key = [chart.name, unit, ...lines, width].join();
      const known = this.ways.get(key);
      if (known) return known;
      const context = this.context;
      const fits = ({ size, digits, unit: withUnit, rows }) => {
        context.font = "11px system-ui, sans-serif";
        const title = rows > 1 ? 0 : context.measureText(withUnit ? `${chart.name} (${unit})` : chart.name).width + 6;
        context.font = `600 ${size}px system-ui, sans-serif`;
        const widest = digits > 2 ? "−88.8" : "−8.8";
        const values = lines.map((name) => context.measureText(`${name} ${widest}`.trim()).width + size / 2);
        return title + values.reduce((sum, one) => sum + one, 0) <= width;
      };
      const way = WAYS.find(fits) ?? WAYS[WAYS.length - 1];
      this.ways.set(key, way);
      return way;
    },

    chart({ chart, history, scale }, x, y, width, height) {
      const context = this.context;
      const { ink, colours } = this.look;
      const lines = of(chart.lines, this.header);
      const unit = of(chart.unit, this.header);
      const last = history.bins[history.bins.length - 1]?.last ?? [];
      context.textBaseline = "alphabetic";
      context.textAlign = "left";
      context.fillStyle = ink;
      context.globalAlpha = 0.75;
      const way = this.way(chart, lines, unit, width);
      context.font = "11px system-ui, sans-serif";
      context.fillText(way.unit ? `${chart.name} (${unit})` : chart.name, x, y + 11);
      context.globalAlpha = 1;
      context.textAlign = "right";
      context.font = `600 ${way.size}px system-ui, sans-serif`;
      let right = x + width;
      for (let line = lines.length - 1; line >= 0; line--) {
        const words = `${lines[line]} ${say(last[line], chart.whole, way.digits)}`.trim();
        context.fillStyle = colours[line % colours.length];
        context.fillText(words, right, y + (way.rows > 1 ? 23 : 11));
        right -= context.measureText(words).width + way.size / 2;
      }

      const [low, high] = scale.follow(history.bins, this.time_s);
      const top = y + (way.rows > 1 ? 29 : 17), bottom = y + height, left = x + 30, room = x + width - left;
      const at = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
      const when = (time_s) => left + (1 - (this.time_s - time_s) / SPAN_S) * room;
      context.font = "10px system-ui, sans-serif";
      context.fillStyle = context.strokeStyle = ink;
      context.globalAlpha = 0.7;
      context.fillText(tick(high), left - 4, top + 7);
      context.fillText(tick(low), left - 4, bottom);
      context.globalAlpha = 0.18;
      context.lineWidth = 1;
      context.beginPath();
      for (const edge of [top, bottom, ...(low < 0 && high > 0 ? [at(0)] : [])]) {
        context.moveTo(left, Math.round(edge) + 0.5);
        context.lineTo(left + room, Math.round(edge) + 0.5);
      }
      for (let third = 0; third <= 3; third++) {
        const edge = Math.round(left + (third / 3) * room) + 0.5;
        context.moveTo(edge, top);
        context.lineTo(edge, bottom);
      }
      context.stroke();
      context.globalAlpha = 1;

      context.lineWidth = 1.4;
      context.lineJoin = "bevel";
      lines.forEach((_, line) => {
        context.strokeStyle = colours[line % colours.length];
        context.beginPath();
        let before = null; // the value that the line comes from
        for (const { time_s, low: lows, high: highs, last: lasts } of history.bins) {
          const value = lasts[line];
          if (value == null || time_s < this.time_s - SPAN_S) {
            before = null;
            continue;
          }
          const place = when(time_s);
          const lift = before == null || (chart.fixed && Math.abs(value - before) > 180); // α passes ±180°
          if (lift) context.moveTo(place, at(value));
          else if (!chart.fixed && highs[line] > lows[line]) {
            context.lineTo(place, at(lows[line]));
            context.lineTo(place, at(highs[line]));
          }
          context.lineTo(place, at(value));
          before = value;
        }
        context.stroke();
      });
    },

    // In words, for those who hear the page; seldom, since each change is read.
    describe(shown) {
      const now = performance.now();
      if (now - this.described < 5000) return;
      this.described = now;
      const words = shown.map(({ chart, history }) => {
        const last = history.bins[history.bins.length - 1]?.last ?? [];
        const said = (name, line) => `${name} ${say(last[line], chart.whole)}`.trim();
        return `${chart.name} ${of(chart.lines, this.header).map(said).join(", ")} ${of(chart.unit, this.header)}`;
      });
      this.$refs.canvas.setAttribute("aria-label", `Strip charts of the last 60 seconds: ${words.join("; ")}`);
    },
  },
};
