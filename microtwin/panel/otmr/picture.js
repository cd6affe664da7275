// The crop with its bar and caption. Pictures come past NiceGUI's updates, each of which renders the whole page anew.
export default {
  template: `
    <figure class="otmr-figure">
      <div class="otmr-frame">
        <img ref="image" data-testid="otmr-picture" data-detail="none" alt="The robot's crop" />
        <div class="otmr-bar" title="of the bar in the set's pictures, 0.055 µm per pixel">5 µm</div>
      </div>
      <figcaption ref="caption" class="otmr-caption" data-testid="otmr-caption">The renderer starts …</figcaption>
    </figure>`,
  mounted() {
    this.$emit("ready");
  },
  methods: {
    show(source, detail, number, caption) {
      const { image } = this.$refs;
      image.src = source;
      this.mark(detail);
      image.dataset.number = number;
      this.$refs.caption.textContent = caption;
    },
    mark(detail) {
      this.$refs.image.dataset.detail = detail;
    },
  },
};
