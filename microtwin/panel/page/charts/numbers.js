// Numbers as charts write them.

export function say(value, whole, digits = 3) {
  if (value == null || !Number.isFinite(value)) return "–";
  const before = Math.abs(value) >= 99.95 ? 3 : Math.abs(value) >= 9.995 ? 2 : 1;
  return value.toFixed(whole ? 0 : Math.max(0, digits - before)).replace("-", "−");
}

export const tick = (value) => `${Number(value.toPrecision(3))}`.replace("-", "−");
