// Strip charts of the last minute of the rig's time, on one canvas, from the packets that the view dispatches.

import { CHARTS, isKnown, linesOf, unitOf } from "microtwin-charts/charts.js";
import { History } from "microtwin-charts/history.js";
import { say } from "microtwin-charts/numbers.js";
import { Plot } from "microtwin-charts/plot.js";
import { Scale } from "microtwin-charts/scale.js";
import { Titles } from "microtwin-charts/title.js";

const NARROWEST = 130, LOWEST = 48, PREFERRED_SHAPE = 2.6; // of a chart, CSS pixels; width to height
const DESCRIBED_MS = 5000; // between two descriptions in words: each is read out

// Okabe and Ito's colours, darkened for light pages and lightened for dark ones.
const ON_LIGHT = ["#0063a6", "#b84a00", "#00765a", "#97377a", "#7a6a00", "#555555"];
const ON_DARK = ["#64b5ff", "#ff9f45", "#3fd0a0", "#ea94c8", "#f0e442", "#c8c8c8"];

const ROOT = "position:relative;width:100%;height:100%;min-height:54px;overflow:hidden auto;contain:layout paint";

export default {
  template: `
    <div data-testid="strips" style="${ROOT}">
      <canvas ref="canvas" role="img" aria-label="Strip charts of the last 60 seconds"
        title="The last 60 s of the rig's time, a line every 20 s"
        style="display:block;width:100%"></canvas>
    </div>`,

  mounted() {
    this.context = this.$refs.canvas.getContext("2d");
    this.titles = new Titles();
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
      const shown = this.rows.filter(({ chart }) => isKnown(chart, this.header));
      const { columns, rows, each } = this.layout(shown.length, width, room);
      this.resize(width, Math.floor(rows * each));
      const ink = getComputedStyle(this.$el).color;
      const bright = (ink.match(/[\d.]+/g) ?? [0]).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) > 384;
      const look = { ink, colours: bright ? ON_DARK : ON_LIGHT };
      shown.forEach((row, index) => {
        const x = (index % columns) * (width / columns), y = Math.floor(index / columns) * each;
        const span = index === shown.length - 1 ? columns - (index % columns) : 1;
        this.chart(row, look, x + 4, y + 2, (span * width) / columns - 10, each - 6);
      });
      this.describe(shown);
    },

    // Empty the canvas; on screens of other pixels it is another one.
    resize(width, height) {
      const ratio = window.devicePixelRatio || 1;
      const { canvas } = this.context;
      const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) {
        [canvas.width, canvas.height] = pixels;
        this.titles.clear();
        canvas.style.height = `${height}px`;
      }
      this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
      this.context.clearRect(0, 0, width, height);
    },

    chart({ chart, history, scale }, look, x, y, width, height) {
      const lines = linesOf(chart, this.header), unit = unitOf(chart, this.header);
      const told = { chart, unit, lines, values: history.last };
      const top = y + this.titles.draw(this.context, told, look, x, y, width);
      const range = scale.follow(history.bins, this.time_s);
      const plot = new Plot(this.context, { x, top, bottom: y + height, width }, range, this.time_s);
      plot.frame(look.ink);
      lines.forEach((_, line) => {
        plot.line(history.bins, line, look.colours[line % look.colours.length], Boolean(chart.fixed));
      });
    },

    // In words, for those who hear the page.
    describe(shown) {
      const now = performance.now();
      if (now - this.described < DESCRIBED_MS) return;
      this.described = now;
      const words = shown.map(({ chart, history }) => {
        const said = (name, line) => `${name} ${say(history.last[line], chart.whole)}`.trim();
        return `${chart.name} ${linesOf(chart, this.header).map(said).join(", ")} ${unitOf(chart, this.header)}`;
      });
      this.$refs.canvas.setAttribute("aria-label", `Strip charts of the last 60 seconds: ${words.join("; ")}`);
    },
  },
};
