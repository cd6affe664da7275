// Where robot and object have been in the last minute, as far as packets told.

const SPAN_S = 60;
const STEP_PX = 1.5; // of the picture: resting bodies add nothing to what must be drawn
const JUMP_PX = 60; // another body was chosen: no line from one to the other

class Track {
  points = []; // [x, y, time_s], or null where the line breaks

  add(time_s, place) {
    while (this.points.length && (!this.points[0] || this.points[0][2] < time_s - SPAN_S)) this.points.shift();
    if (!place) return;
    const last = this.points[this.points.length - 1];
    const step = last ? Math.hypot(place[0] - last[0], place[1] - last[1]) : Infinity;
    if (step < STEP_PX) return;
    if (last && step > JUMP_PX) this.points.push(null);
    this.points.push([place[0], place[1], time_s]);
  }
}

export class Tracks {
  robot = new Track();
  object = new Track();

  clear() {
    this.robot = new Track();
    this.object = new Track();
  }

  // Begun anew with a new run, another picture, another object, or when time goes back.
  add(header) {
    const folder = header.run?.folder ?? this.folder;
    const scene = `${folder} ${header.size} ${header.um_per_px}`;
    if (scene !== this.scene || header.time_s < this.time_s - 0.5) this.clear();
    if (header.active !== this.active) this.object = new Track();
    Object.assign(this, { folder, scene, time_s: header.time_s, active: header.active });
    this.robot.add(header.time_s, header.robot);
    this.object.add(header.time_s, header.objects[header.active]);
  }
}
