// The line to the server: packets in (panel/packet.py), words out. It mends itself when it breaks.

const FIRST_WAIT_MS = 250; // before a lost line is tried again; doubles up to …
const LONGEST_WAIT_MS = 4000;
const SILENCE_MS = 3000; // the server speaks at least four times a second: silent for this long, the line is dead
const STALE_MS = 1000; // after which it can no longer be relied on

// A path of this server, also behind a proxy that puts something before it.
export const prefixed = (path) => (path.startsWith("/") ? window.path_prefix || "" : "") + path;

export class Stream {
  up = false; // packets come
  lost = false; // they should, and do not
  why = ""; // it was lost, in the server's words if it gave any

  // onPacket(text, jpeg): the header as JSON, the picture's bytes. onChange(): up or lost are others now.
  constructor(path, onPacket, onChange) {
    Object.assign(this, { path, onPacket, onChange, wait: FIRST_WAIT_MS });
    this.watch = setInterval(() => this.socket && this.silent_ms > SILENCE_MS && this.lose(), 500);
    this.retry = () => document.hidden || !this.again || this.connect();
    window.addEventListener("online", this.retry);
    document.addEventListener("visibilitychange", this.retry);
    this.connect();
  }

  get silent_ms() {
    return performance.now() - this.heard;
  }

  get open() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  get stale() {
    return !this.open || this.silent_ms > STALE_MS;
  }

  connect() {
    clearTimeout(this.again);
    this.again = 0;
    this.heard = performance.now();
    const socket = new WebSocket(new URL(prefixed(this.path), location.href.replace(/^http/, "ws")));
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.take(data);
    socket.onclose = ({ code, reason }) => this.lose(reason, code >= 4000);
    this.socket = socket;
  }

  take(data) {
    if (typeof data === "string") return;
    this.socket.send("ack"); // first of all: it is also the operator's sign of life
    this.heard = performance.now();
    this.wait = FIRST_WAIT_MS;
    if (!this.up) {
      Object.assign(this, { up: true, lost: false, why: "" });
      this.onChange();
    }
    const length = new DataView(data).getUint32(0);
    const text = new TextDecoder().decode(new Uint8Array(data, 4, length));
    this.onPacket(text, new Uint8Array(data, 4 + length));
  }

  // Codes of 4000 and more say that there is nothing to come back for.
  lose(why = "", forGood = false) {
    this.close();
    Object.assign(this, { up: false, lost: true, why: why || this.why });
    this.onChange();
    if (forGood) return;
    this.again = setTimeout(() => this.connect(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
  }

  send(words) {
    if (this.open) this.socket.send(words);
    return this.open;
  }

  close() {
    clearTimeout(this.again);
    if (!this.socket) return;
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.close();
    this.socket = null;
  }

  end() {
    this.close();
    clearInterval(this.watch);
    window.removeEventListener("online", this.retry);
    document.removeEventListener("visibilitychange", this.retry);
  }
}
