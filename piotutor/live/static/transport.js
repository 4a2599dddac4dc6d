// Replay: play, pause, step and scrub through a run that is over, slower than it was.
// The views listen to the event "piotutor-clock": no round trip through the kernel.
import { hideTwin, keepKeys, milliseconds } from "./common.js";

class Transport {
  constructor(model, el) {
    Object.assign(this, { model, now: Infinity, playing: false });
    this.root = document.createElement("div");
    this.root.className = "pio-transport";
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "replay");
    keepKeys(this.root);
    el.append(this.root);
    this.build();
    this.refresh();
  }
  build() {
    this.play = this.button("▶ Replay", "play or pause the replay", () => (this.playing ? this.pause() : this.start()));
    this.back = this.button("◀ step", "one step back", () => this.step(-1));
    this.ahead = this.button("step ▶", "one step ahead", () => this.step(1));
    this.scrubber = document.createElement("input");
    Object.assign(this.scrubber, { type: "range", min: 0, max: 1000, step: 1, value: 1000 });
    this.scrubber.setAttribute("aria-label", "moment of the run");
    this.scrubber.addEventListener("input", () => this.scrub(this.scrubber.value / 1000));
    this.speed = document.createElement("select");
    this.speed.setAttribute("aria-label", "how long the replay lasts");
    this.speed.replaceChildren(...[5, 8, 15, 30, 60, 120].map((s) => new Option(`lasts ${s} s`, s)));
    this.speed.addEventListener("change", () => { this.model.set("seconds", Number(this.speed.value)); this.model.save_changes(); });
    this.when = document.createElement("span");
    this.when.className = "pio-when";
    this.root.append(this.scrubber, this.speed, this.when);
  }
  button(text, title, act) {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: text, title });
    made.addEventListener("click", act);
    this.root.append(made);
    return made;
  }
  get span() { return this.model.get("span"); }
  get factor() { return (this.model.get("seconds") * 1000) / (this.span || 1); }

  refresh() {
    const style = this.model.get("look");
    this.root.style.cssText = `--pio-font:${style.font}px;--pio-ink:${style.ink};--pio-ground:${style.ground}`;
    this.root.hidden = !this.span;
    const seconds = this.model.get("seconds");
    if (![...this.speed.options].some((o) => Number(o.value) === seconds)) this.speed.add(new Option(`lasts ${seconds} s`, seconds));
    this.speed.value = String(seconds);
    this.tell();
  }
  slowness() {
    const factor = this.factor;
    if (factor >= 1) return `${Number(factor.toPrecision(2)).toLocaleString("en")}× slower`;
    return `${Number((1 / factor).toPrecision(2))}× faster`;
  }
  start() {
    if (!this.span) return;
    if (this.now >= this.span) this.now = 0;
    this.playing = true;
    this.last = null;
    this.play.textContent = "❚❚ Pause";
    requestAnimationFrame((t) => this.tick(t));
  }
  pause() {
    this.playing = false;
    this.play.textContent = "▶ Replay";
    this.tell();
  }
  tick(time) {
    if (!this.playing || !this.root.isConnected) return;
    if (this.last !== null) this.go(this.now + (time - this.last) / this.factor);
    this.last = time;
    if (this.now >= this.span) this.pause();
    else requestAnimationFrame((t) => this.tick(t));
  }
  go(now) {
    this.now = Math.max(0, Math.min(now, this.span));
    this.tell();
  }
  scrub(share) {
    this.pause();
    this.go(share * this.span);
  }
  // To the next, or the last, moment at which something ended.
  step(way) {
    this.pause();
    const marks = this.model.get("marks");
    const now = Math.min(this.now, this.span);
    const next = way > 0 ? marks.find((m) => m > now + 1e-6) : [...marks].reverse().find((m) => m < now - 1e-6);
    this.go(next === undefined ? (way > 0 ? this.span : 0) : next);
  }
  tell() {
    const over = this.now >= this.span;
    const at = Math.min(this.now, this.span);
    this.scrubber.value = this.span ? Math.round((at / this.span) * 1000) : 0;
    this.scrubber.setAttribute("aria-valuetext", `${milliseconds(at)} of ${milliseconds(this.span)}`);
    this.when.textContent = `${milliseconds(at)} of ${milliseconds(this.span)}, ${this.slowness()}`;
    this.root.dataset.playing = this.playing;
    const detail = { clock: this.model.get("clock"), now: over ? Infinity : this.now,
      words: over ? "" : `replay, ${this.slowness()}` };
    window.dispatchEvent(new CustomEvent("piotutor-clock", { detail }));
  }
  // A run too short to see is shown again, slowly, by itself; not to who asked for less motion.
  begin() {
    this.pause();
    this.now = Infinity;
    this.refresh();
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (this.model.get("autoplay") && !still) this.start();
  }
  live() {
    this.pause();
    this.now = Infinity;
    this.refresh();
  }
}

export default {
  render({ model, el }) {
    const show = hideTwin(model.get("clock"));
    const transport = new Transport(model, el);
    model.on("change:span", () => (transport.span ? transport.begin() : transport.live()));
    model.on("change:seconds change:look", () => transport.refresh());
    if (transport.span) transport.begin();
    return () => { transport.pause(); show(); };
  },
};
