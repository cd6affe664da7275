// Which charts there are, and what each takes from a packet's header.

const angle = (degrees) => ((((degrees + 180) % 360) + 360) % 360) - 180;
const moving = (header, value) => (header.field.amplitude > 0 ? value : null);

// Each chart: its name, unit, the names of its lines, and their values from a header (null: a gap); live: recordings do
// not tell.
// The last takes what room its row has left, since coils may be many.
export const CHARTS = [
  { name: "error", unit: "µm", lines: [""], values: (h) => [h.error_um], least: 0, span: 2 },
  { name: "to goal", unit: "µm", lines: [""], values: (h) => [h.goal_um], least: 0, span: 10 },
  { name: "frequency", unit: "Hz", lines: [""], values: (h) => [moving(h, h.field.frequency_hz) ?? 0], least: 0, span: 5 },
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
export const linesOf = (chart, header) => of(chart.lines, header);
export const unitOf = (chart, header) => of(chart.unit, header);
export const isKnown = (chart, header) => linesOf(chart, header).length > 0 && !(chart.live && header.replay);
