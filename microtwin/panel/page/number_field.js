// A field for a number that belongs to whoever types in it: nothing is written into it while it has the focus, but
// after Enter. What was typed is told with Enter, an arrow, or when the focus goes elsewhere, and after a pause.

const PAUSE_MS = 600; // of typing, after which what stands there is taken; more may follow

export default {
  inheritAttrs: false,

  template: `
    <q-input @focusout="settle" v-bind="$attrs" type="number" :disable="disable" :model-value="text"
      @update:model-value="typed" @change="tell" @keydown="pressed" :aria-describedby="hint && hintId">
      <template v-if="hint" v-slot:hint><span :id="hintId" role="status">{{ hint }}</span></template>
      <template v-for="(_, slot) in $slots" v-slot:[slot]="given"><slot :name="slot" v-bind="given || {}" /></template>
    </q-input>`,

  props: { modelValue: [String, Number], answers: Number, disable: Boolean, hint: String },
  emits: ["update:model-value"],

  data() {
    return { text: this.modelValue };
  },

  created() {
    this.hintId = `hint-${this.$.uid}`;
    this.untold = false; // something is typed that the page has not heard of
    this.unanswered = false; // it has, and what it makes of it is on its way
    this.entered = false; // by Enter, and nothing was typed since
  },

  beforeUnmount() {
    clearTimeout(this.pause);
  },

  watch: {
    modelValue: "answered",
    answers: "answered", // by the value that was there before, if what was typed is refused or the same
    disable(now) {
      if (now) this.show(); // browsers do not tell that a disabled field loses the focus
    },
  },

  methods: {
    typing() {
      return !this.disable && this.$el.contains(document.activeElement);
    },

    answered() {
      this.unanswered = false;
      if (this.entered || !this.typing()) this.show();
    },

    // Browsers that write numbers with a point swallow a comma: 12,5 would become 125.
    pressed(event) {
      if (event.key === "Enter") {
        this.entered = true;
        this.settle();
      }
      if (event.key !== "," || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      document.execCommand("insertText", false, ".");
    },

    typed(text) {
      this.text = text;
      this.untold = true;
      this.entered = false;
      clearTimeout(this.pause);
      this.pause = setTimeout(() => this.tell(), PAUSE_MS);
    },

    tell() {
      clearTimeout(this.pause);
      if (!this.untold) return;
      this.untold = false;
      this.unanswered = true;
      this.$emit("update:model-value", this.text);
    },

    // At once when the focus goes: a button that it goes to may need the number.
    settle() {
      this.tell();
      if (!this.unanswered) this.show();
    },

    show() {
      clearTimeout(this.pause);
      this.untold = false;
      this.text = this.modelValue;
    },
  },
};
