// Which parts of the overlay are shown: as Python says, and as keys have switched them since.

const LAYER_OF = {
  KeyT: "tracks", KeyB: "bodies", KeyR: "selection", KeyP: "path",
  KeyC: "corridor", KeyH: "heading", KeyM: "mask", KeyL: "scale",
};

export class Layers {
  constructor(said) {
    this.shown = { ...said };
    this.said = { ...said };
  }

  // Python sends all of them with every update: only a change of mind overrules a key that was pressed here.
  follow(said) {
    for (const [name, on] of Object.entries(said)) if (on !== this.said[name]) this.shown[name] = on;
    this.said = { ...said };
  }

  // What a key did, in words; nothing for other keys.
  press({ code, repeat, shiftKey }) {
    const layer = LAYER_OF[code];
    if (!layer || repeat || shiftKey) return "";
    this.shown[layer] = !this.shown[layer];
    return `${layer}: ${this.shown[layer] ? "shown" : "hidden"}`;
  }
}
