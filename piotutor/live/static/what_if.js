// What if: native sliders and menus, and the curve that follows them. Numbers come from Python.
import { axes, byteUnit, choice, hideTwin, mount, plotBox, ticks, toggle, words } from "./common.js";

const KNOBS = [["clients", "clients"], ["targets", "targets"], ["stripe_count", "stripe count"],
  ["transfer_size", "transfer size"]];
const MARKS = ["o", "s"];
const GREY = "#767676";
const LATE = 300; // ms
const REST = 50; // ms for which no knob is turned, before more of a curve is asked for

class WhatIf {
  constructor(model) {
    Object.assign(this, { model, turns: new Map(), sliders: {} });
  }
  restyle(style) { this.style = style; }
  height(style) { return Math.round(style.font * 24); }
  load(frame) { this.frame = frame; }
  append(frame) { this.frame = frame; }
  get shown() { return this.frame ? this.frame.x.length : 0; }

  // ------------------------------------------------------------------------------ controls

  tools(model, parent) {
    const menus = document.createElement("div");
    menus.className = "pio-tools";
    const knobs = document.createElement("div");
    knobs.className = "pio-knobs";
    parent.append(menus, knobs);
    this.menu(menus, "machine", "machine", () => model.get("choices").machine.map((name) => [name, name]));
    this.menu(menus, "curve over", "over", () => model.get("choices").over);
    toggle(this.turning(model), menus, "a file for each rank", "own");
    this.keeper(menus);
    for (const [trait, name] of KNOBS) this.slider(knobs, trait, name);
    this.said = document.createElement("div");
    this.said.className = "pio-said";
    this.said.setAttribute("role", "status");
    parent.append(this.said);
    model.on("change:problem change:line change:answered", () => this.say());
    this.say();
  }
  // A model for controls that sends with each change that something was turned.
  turning(model) {
    return { get: (name) => model.get(name), on: (...args) => model.on(...args), set: (...args) => model.set(...args),
      save_changes: () => this.turn() };
  }
  turn() {
    const turn = this.model.get("turn") + 1;
    this.turns.set(turn, performance.now());
    clearTimeout(this.late);
    this.late = setTimeout(() => { this.said.textContent = "The model is still at work."; }, LATE);
    this.model.set("turn", turn);
    this.model.save_changes();
  }
  menu(parent, text, trait, options) {
    const { fill } = choice(this.turning(this.model), parent, text, trait, options);
    this.model.on("change:choices", fill);
  }
  keeper(parent) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Keep this curve";
    button.addEventListener("click", () => {
      const kept = button.textContent.startsWith("Forget");
      button.textContent = kept ? "Keep this curve" : "Forget the kept curve";
      this.model.send(kept ? "forget" : "keep");
    });
    parent.append(button);
  }
  slider(parent, trait, name) {
    const label = document.createElement("label");
    const range = document.createElement("input");
    const value = document.createElement("output");
    Object.assign(range, { type: "range", min: 0, step: 1 });
    range.setAttribute("aria-label", name);
    label.append(name);
    parent.append(label, range, value);
    const model = this.model;
    const known = () => model.get("choices")[trait].filter(([v]) => trait !== "stripe_count" || v <= model.get("targets"));
    const place = () => {
      const list = known();
      const at = Math.max(0, list.findIndex(([v]) => v === model.get(trait)));
      range.max = list.length - 1;
      range.value = at;
      tell(list[at]);
    };
    const tell = ([, text]) => {
      value.textContent = text;
      range.setAttribute("aria-valuetext", text);
    };
    range.addEventListener("input", () => {
      const chosen = known()[Number(range.value)];
      tell(chosen);
      model.set(trait, chosen[0]);
      this.turn();
    });
    model.on(`change:${trait} change:choices change:targets`, place);
    place();
  }
  say() {
    if (this.model.get("answered") === this.model.get("turn")) clearTimeout(this.late);
    const problem = this.model.get("problem");
    const text = problem || `as IOR: ${this.model.get("line")}`;
    if (this.said.textContent !== text) this.said.textContent = text;
    this.said.classList.toggle("pio-wrong", Boolean(problem));
  }

  // ------------------------------------------------------------------------------- picture

  draw(ctx, w, h) {
    const { style, frame } = this;
    if (!frame) return;
    const box = plotBox(w, h, style, { top: style.font * 1.6, left: 6, right: style.font * 2 });
    const scale = this.scale(box);
    this.axes(ctx, box, scale);
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.x - 8, box.y - style.font * 1.6, box.w + 16, box.h + style.font * 1.6);
    ctx.clip();
    if (frame["kept-x"]) this.kept(ctx, scale);
    this.limit(ctx, box, scale);
    frame.meta.ops.forEach((op, i) => this.curve(ctx, scale, op, i));
    ctx.restore();
    if (frame.meta.ops.length > 1 || frame["kept-x"]) this.legend(ctx, box);
    if (frame.meta.missing) this.unfinished(ctx, box);
    this.report(ctx.canvas);
  }
  scale(box) {
    const all = [...this.frame.x, ...(this.frame["kept-x"] || [])].map(Math.log2);
    const lo = Math.min(...all);
    const span = Math.max(...all) - lo || 1;
    return { lo, span,
      x: (value) => box.x + ((Math.log2(value) - lo) / span) * box.w,
      y: (rate) => box.y + box.h * (1 - rate / this.frame.meta.top) };
  }
  axes(ctx, box, { lo, span }) {
    const { frame, style } = this;
    const names = new Map(this.model.get("choices")[this.model.get("over")] || []);
    const every = Math.ceil(frame.x.length / Math.max(2, Math.floor(box.w / (style.font * 6))));
    const marks = [...frame.x].filter((_, i) => i % every === 0).map((v) => [Math.log2(v), names.get(v) || v]);
    const [unit, name] = byteUnit(frame.meta.top);
    const levels = ticks(0, frame.meta.top / unit).map((v) => [v * unit, v]);
    axes(ctx, box, { lo, span, ticks: marks, label: frame.meta.axis },
      { span: frame.meta.top, ticks: levels, label: `${name}/s, open to close` }, style);
  }
  // Points that aren't there yet are NaN.
  line(ctx, scale, allX, allY, dash, color, wide) {
    const there = (_, i) => !Number.isNaN(allY[i]);
    const [xs, ys] = [allX.filter(there), allY.filter(there)];
    ctx.save();
    Object.assign(ctx, { strokeStyle: color, lineWidth: wide });
    ctx.setLineDash(dash);
    ctx.beginPath();
    xs.forEach((x, i) => (i ? ctx.lineTo(scale.x(x), scale.y(ys[i])) : ctx.moveTo(scale.x(x), scale.y(ys[i]))));
    ctx.stroke();
    ctx.restore();
  }
  kept(ctx, scale) {
    const { frame, style } = this;
    frame.meta.kept.forEach((op, i) => {
      this.line(ctx, scale, frame["kept-x"], frame[`kept-${op}`], i ? [7, 4] : [], "#b0b0b0", style.line * 2.5);
    });
  }
  limit(ctx, box, scale) {
    const { frame, style } = this;
    const { x, limit, meta } = frame;
    if (limit.some((one) => one < 0)) return;
    this.line(ctx, scale, x, limit, [2, 4], GREY, style.line);
    let last = limit.length - 1;
    while (last >= 0 && limit[last] > meta.top) last -= 1;
    if (last < 1) return;
    const end = last === limit.length - 1;
    words(ctx, `at most: ${meta.limited[last]} in use`, scale.x(x[last]) - (end ? 0 : 10), scale.y(limit[last]) - style.font * 0.8,
      { ...style, ink: GREY }, { align: end || scale.x(x[last]) > box.x + box.w / 3 ? "right" : "left", size: 0.92 });
  }
  curve(ctx, scale, op, i) {
    const { frame, style } = this;
    const { place, here } = frame.meta;
    const [color, dash] = [style.colors[i], i ? [7, 4] : []];
    this.line(ctx, scale, frame.x, frame[op], dash, color, style.line * 1.4);
    frame.x.forEach((x, n) => {
      if (Number.isNaN(frame[op][n])) return;
      this.mark(ctx, scale.x(x), scale.y(frame[op][n]), MARKS[i], color, n === place);
    });
    const side = place === 0 ? "left" : place === frame.x.length - 1 ? "right" : "center";
    const y = scale.y(frame[op][place]) - style.font * 1.3;
    words(ctx, here[op], scale.x(frame.x[place]), y, style, { align: side, weight: 700 });
  }
  mark(ctx, x, y, kind, color, here) {
    const r = this.style.font * (here ? 0.6 : 0.26);
    ctx.beginPath();
    if (kind === "o") ctx.arc(x, y, r, 0, 7);
    else ctx.rect(x - r, y - r, 2 * r, 2 * r);
    ctx.fillStyle = color;
    ctx.fill();
    if (!here) return;
    Object.assign(ctx, { strokeStyle: this.style.ink, lineWidth: this.style.line });
    ctx.stroke();
  }
  legend(ctx, box) {
    const { style, frame } = this;
    let x = box.x + style.font;
    const y = style.font * 0.8;
    const entries = frame.meta.ops.map((op, i) => [op, style.colors[i], MARKS[i]]);
    if (frame["kept-x"]) entries.push(["kept", "#b0b0b0", "o"]);
    for (const [name, color, kind] of entries) {
      this.mark(ctx, x, y, kind, color, false);
      words(ctx, name, x + style.font * 0.7, y, style);
      x += ctx.measureText(name).width + style.font * 2.2;
    }
  }
  unfinished(ctx, box) {
    const { style, frame } = this;
    const there = `${frame.x.length - frame.meta.missing} of ${frame.x.length} points so far`;
    words(ctx, there, box.x + box.w, style.font * 0.8, { ...style, ink: GREY }, { align: "right" });
  }
  // How long it took from the last turn that this picture shows, first and whole: for benchmarks
  // and tests. Once for each curve that isn't whole, more of it is asked for.
  report(canvas) {
    const { turn, missing } = this.frame.meta;
    const turned = this.turns.has(turn);
    if (turned) {
      this.turned = this.turns.get(turn);
      canvas.dataset.followed = performance.now() - this.turned;
    }
    Object.assign(canvas.dataset, { turn, missing });
    if (!missing && (turned || this.wanted)) canvas.dataset.whole = performance.now() - this.turned;
    if (missing && this.wanted !== this.frame) setTimeout(() => this.more(turn), turned ? REST : 0);
    this.wanted = missing ? this.frame : null;
    for (const each of [...this.turns.keys()]) if (each <= turn) this.turns.delete(each);
  }
  more(turn) {
    if (turn === this.model.get("turn")) this.model.send("more");
  }
}

export default {
  render({ model, el }) {
    const show = hideTwin(model.get("clock"));
    const leave = mount(model, el, new WhatIf(model));
    return () => { leave(); show(); };
  },
};
