// The newest picture on a canvas that fills its container: the aspect is kept, the screen's own pixels are used.

const EMPTY_SIZE = [640, 512]; // px, before the first picture
const SURROUND = "#15181c";
const RATE_MS = 3000; // over which pictures are counted

export class Picture {
  view = null; // {scale, left, top, size}: where the picture lies, from its own to CSS pixels
  header = null; // of what is on show

  // overlay(context, {view, ratio, header}) draws what lies over the picture
  constructor(canvas, overlay) {
    Object.assign(this, { canvas, overlay, bitmap: null, drawn: [], frame: 0 });
    this.context = canvas.getContext("2d", { alpha: false });
    this.sizes = new ResizeObserver(([{ contentRect }]) => {
      this.box = [contentRect.width, contentRect.height];
      this.draw(); // at once: a resized canvas is empty
    });
    this.sizes.observe(canvas);
  }

  // One at a time, always the newest: a slow browser skips.
  async show(header, jpeg) {
    this.next = { header, jpeg };
    if (this.decoding) return;
    this.decoding = true;
    while (this.next && !this.ended) await this.decode();
    this.decoding = false;
  }

  async decode() {
    const { header, jpeg } = this.next;
    this.next = null;
    try {
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      this.bitmap?.close();
      this.bitmap = bitmap;
    } catch (problem) {
      return console.warn("microtwin: a picture that cannot be read:", problem);
    }
    if (this.ended) return this.bitmap.close();
    this.header = header;
    this.fresh = true;
    this.redraw();
  }

  // The place under a pointer in pixels of the picture.
  place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const { scale, left, top } = this.view;
    return [(clientX - box.left - left) / scale - 0.5, (clientY - box.top - top) / scale - 0.5];
  }

  // Whether a place is in the picture.
  shows([x, y]) {
    const [width, height] = this.view.size;
    return x >= -0.5 && y >= -0.5 && x <= width - 0.5 && y <= height - 0.5;
  }

  // Pictures drawn per second.
  fps() {
    const now = performance.now();
    while (this.drawn.length && this.drawn[0] < now - RATE_MS) this.drawn.shift();
    return (1000 * this.drawn.length) / RATE_MS;
  }

  redraw() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.box) return;
    const { canvas, context, header } = this;
    const [width, height] = this.box;
    const ratio = window.devicePixelRatio || 1;
    const pixels = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
    if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
    const size = header?.size ?? EMPTY_SIZE;
    const scale = Math.min(width / size[0], height / size[1]);
    const view = { scale, left: (width - scale * size[0]) / 2, top: (height - scale * size[1]) / 2, size };
    this.view = view;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = SURROUND;
    context.fillRect(0, 0, width, height);
    if (!header || !(scale > 0)) return;
    context.drawImage(this.bitmap, view.left, view.top, scale * size[0], scale * size[1]);
    this.overlay(context, { view, ratio, header });
    if (this.fresh) this.drawn.push(performance.now());
    this.fresh = false;
  }

  end() {
    this.ended = true;
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    this.bitmap?.close();
  }
}
