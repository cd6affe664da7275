// The body in 3-D, drawn only when something has changed: after the picture, which must not wait for it, and for a small
// part of the time. Without a graphics card a processor draws it, the same that computes and shows the picture.
import { OrbitControls, STLLoader, THREE } from "nicegui-scene";

const AFTER_PICTURE_MS = 60;
const REST = { sliders: 4, hand: 1 }; // between two drawings, as multiples of what the last one took
const DISTANCE_UM = 50;

export default {
  template: `<div><canvas tabindex="0" style="display: block; outline-offset: -2px"></canvas></div>`,
  props: { across: Number, colours: Object },

  mounted() {
    const canvas = this.$el.firstChild;
    try {
      this.renderer = new THREE.WebGLRenderer({ antialias: true, canvas });
    } catch {
      this.$el.innerText = "This browser has no WebGL: the model cannot be drawn.";
      return;
    }
    this.renderer.setClearColor(this.colours.ground);
    const half = this.across / 2;
    this.camera = new THREE.OrthographicCamera(-half, half, half, -half, 0.1, 4 * DISTANCE_UM);
    this.camera.position.set(0, 0, DISTANCE_UM);
    const light = new THREE.DirectionalLight(0xffffff, 0.3 * Math.PI);
    light.position.set(5, 10, 40);
    const material = { color: this.colours.body, side: THREE.DoubleSide };
    this.body = new THREE.Mesh(new THREE.BufferGeometry(), new THREE.MeshPhongMaterial(material));
    this.body.matrixAutoUpdate = false;
    const pale = { color: this.colours.focus, opacity: 0.12, transparent: true };
    this.plane = new THREE.Mesh(
      new THREE.BoxGeometry(this.across, this.across, 0.02), new THREE.MeshPhongMaterial(pale),
    );
    this.scene = new THREE.Scene();
    this.scene.add(new THREE.AmbientLight(0xffffff, 0.7 * Math.PI), light, this.body, this.plane);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.listenToKeyEvents(canvas);
    this.controls.addEventListener("change", () => this.soon(0, REST.hand));
    canvas.addEventListener("webglcontextrestored", () => this.soon());
    this.resized = new ResizeObserver(() => {
      this.renderer.setSize(this.$el.clientWidth, this.$el.clientWidth);
      this.draw(); // at once: a canvas of another size is empty
    });
    this.resized.observe(this.$el);
  },

  unmounted() {
    clearTimeout(this.timer);
    this.resized?.disconnect();
    this.controls?.dispose();
    this.renderer?.dispose();
  },

  methods: {
    show(url, turn, centre, focus) {
      const wish = JSON.stringify([url, turn, centre, focus]);
      if (!this.renderer || wish === this.wish) return; // light and camera leave the body as it is
      this.wish = wish;
      this.body.matrix.set(...turn.flatMap((row, k) => [...row, -centre[k]]), 0, 0, 0, 1);
      this.body.matrixWorldNeedsUpdate = true;
      this.plane.position.z = focus - centre[2];
      this.load(url);
      this.soon(AFTER_PICTURE_MS);
    },

    reset() {
      this.controls?.reset();
    },

    async load(url) {
      if (url === this.url) return;
      this.url = url;
      this.body.visible = false;
      const geometry = await new STLLoader().loadAsync((window.path_prefix || "") + url);
      if (url !== this.url) return; // another one was chosen since
      this.body.geometry.dispose();
      this.body.geometry = geometry;
      this.body.visible = true;
      this.$el.dataset.robot = url;
      this.soon();
    },

    soon(wait = 0, rest = REST.sliders) {
      this.changed = true;
      if (this.timer || this.drawing) return;
      const rested = (this.drawn?.at ?? 0) + rest * (this.drawn?.took ?? 0) - performance.now();
      this.timer = setTimeout(() => requestAnimationFrame(this.draw), Math.max(wait, rested, 0));
    },

    draw() {
      clearTimeout(this.timer);
      this.timer = 0;
      this.changed = false;
      this.drawing = true;
      const begun = performance.now();
      this.renderer.render(this.scene, this.camera);
      const gl = this.renderer.getContext();
      const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      gl.flush();
      const look = () => {
        if (!gl.isContextLost() && gl.getSyncParameter(fence, gl.SYNC_STATUS) !== gl.SIGNALED) {
          setTimeout(look, 5);
          return;
        }
        gl.deleteSync(fence);
        const at = performance.now();
        this.drawn = { at, took: at - begun };
        this.drawing = false;
        this.$el.dataset.drawn = Number(this.$el.dataset.drawn ?? 0) + 1; // for tests
        if (this.changed) this.soon();
      };
      setTimeout(look);
    },
  },
};
