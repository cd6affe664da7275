// Lines, arrows and letters on a canvas: places in pixels of the picture, widths and letters in CSS pixels.

const HALO = "rgba(0,0,0,0.6)"; // legible on any grey

export class Pen {
  // view: {scale, left, top} from picture to CSS pixels; ratio: of device to CSS pixels
  constructor(context, { scale, left, top }, ratio) {
    Object.assign(this, { context, scale });
    const [x, y] = [left + scale / 2, top + scale / 2]; // the middle of the first pixel
    context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
    context.lineJoin = context.lineCap = "round";
  }

  // null among the points breaks the line
  line(points, colour, width = 1.5, { closed = false, halo = true, alpha = 1 } = {}) {
    const context = this.context;
    context.beginPath();
    let lift = true;
    for (const point of points) {
      if (point && lift) context.moveTo(point[0], point[1]);
      else if (point) context.lineTo(point[0], point[1]);
      lift = !point;
    }
    if (closed) context.closePath();
    this.stroke(colour, width, halo, alpha);
  }

  circle([x, y], radius, colour, width = 1.5, { halo = true, alpha = 1 } = {}) {
    this.context.beginPath();
    this.context.arc(x, y, radius, 0, 2 * Math.PI);
    this.stroke(colour, width, halo, alpha);
  }

  stroke(colour, width, halo, alpha) {
    const context = this.context;
    context.globalAlpha = alpha;
    if (halo) {
      context.strokeStyle = HALO;
      context.lineWidth = (width + 2) / this.scale;
      context.stroke();
    }
    context.strokeStyle = colour;
    context.lineWidth = width / this.scale;
    context.stroke();
    context.globalAlpha = 1;
  }

  // the last line or circle
  fill(colour, alpha) {
    this.context.globalAlpha = alpha;
    this.context.fillStyle = colour;
    this.context.fill();
    this.context.globalAlpha = 1;
  }

  dot([x, y], radius, colour) {
    this.context.beginPath();
    this.context.arc(x, y, radius / this.scale, 0, 2 * Math.PI);
    this.fill(colour, 1);
  }

  words(text, x, y, colour, size = 12, align = "left") {
    const context = this.context;
    context.font = `600 ${size / this.scale}px system-ui, sans-serif`;
    context.textAlign = align;
    context.lineWidth = 3 / this.scale;
    context.strokeStyle = HALO;
    context.strokeText(text, x, y);
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }

  // From (x, y) towards an angle (the canvas's sense), between two distances in CSS pixels.
  arrow([x, y], angle, from, to, colour) {
    const at = (away) => [x + (away / this.scale) * Math.cos(angle), y + (away / this.scale) * Math.sin(angle)];
    this.line([at(from), at(to), null, ...this.head(at(to), angle)], colour, 2.5);
  }

  // Three quarters of a turn about (x, y), radius in CSS pixels; the sense as seen on the screen.
  curl([x, y], radius, ccw, colour) {
    const sense = ccw ? -1 : 1;
    const angle = (i) => sense * (i / 24) * 1.5 * Math.PI - Math.PI / 2;
    const at = (i) => [x + (radius / this.scale) * Math.cos(angle(i)), y + (radius / this.scale) * Math.sin(angle(i))];
    const points = Array.from({ length: 25 }, (_, i) => at(i));
    this.line([...points, null, ...this.head(at(24), angle(24) + sense * (Math.PI / 2 - 0.2))], colour, 2.5);
  }

  head([x, y], angle) {
    const size = 10 / this.scale;
    const wing = (turn) => [x - size * Math.cos(angle + turn), y - size * Math.sin(angle + turn)];
    return [wing(0.5), [x, y], wing(-0.5)];
  }
}
