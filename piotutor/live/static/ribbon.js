// The file as a ribbon of stripes that folds onto its objects and targets; each stripe says where it lies.
import { bytes, choice, mount, words } from "./common.js";

const FOLD = 4; // rows from the ribbon to the targets
const NAMED = 10; // columns with room for a name
const STEPS = 45; // frames of the animation
const BY = [["target", "the target that holds a stripe"], ["rank", "the rank that wrote it"]];

class Ribbon {
  constructor(model) {
    this.model = model;
    this.traits = ["by", "fold", "stripe"];
    this.meta = { lines: [] };
    this.spots = [];
  }
  get shown() { return this.meta.lines.length; }

  tools(model, parent) {
    choice(model, parent, "colours", "by", () => (this.meta.known ? BY : BY.slice(0, 1)));
    this.by = parent.querySelector(".pio-choice");
    this.slider(model, parent);
    this.said = document.createElement("span");
    this.said.className = "pio-said";
    this.said.setAttribute("role", "status");
    parent.append(this.said);
    this.listen(parent.parentElement.querySelector(".pio-canvas"));
  }
  slider(model, parent) {
    const label = document.createElement("label");
    label.className = "pio-choice";
    label.append("fold ");
    const range = document.createElement("input");
    Object.assign(range, { type: "range", min: 0, max: 100, step: 5, value: 100 * model.get("fold") });
    range.setAttribute("aria-label", "how far the ribbon is folded");
    range.addEventListener("input", () => { this.running = 0; model.set("fold", range.value / 100); });
    range.addEventListener("change", () => model.save_changes());
    model.on("change:fold", () => { range.value = 100 * model.get("fold"); });
    label.append(range);
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: "Fold again", title: "show how the ribbon folds" });
    button.addEventListener("click", () => this.animate());
    parent.append(label, button);
  }
  // From flat to folded; at once for who asked for less motion.
  animate() {
    const run = (this.running || 0) + 1;
    this.running = run;
    const step = (n) => {
      if (this.running !== run) return;
      this.model.set("fold", n / STEPS);
      if (n < STEPS) requestAnimationFrame(() => step(n + 1));
      else this.model.save_changes();
    };
    step(window.matchMedia("(prefers-reduced-motion: reduce)").matches ? STEPS : 0);
  }
  listen(canvas) {
    const at = (event) => this.hit(event.offsetX, event.offsetY);
    canvas.addEventListener("mousemove", (event) => this.point(at(event)));
    canvas.addEventListener("click", (event) => { this.point(at(event)); this.model.save_changes(); });
    canvas.addEventListener("keydown", (event) => {
      const now = this.model.get("stripe");
      const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: this.shown - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.point(Math.max(0, Math.min(this.shown - 1, to)));
    });
  }
  point(place) { if (place >= 0 && place < this.shown) this.model.set("stripe", place); }
  hit(x, y) {
    return this.spots.findIndex((pair) => pair.some(([left, top, wide, tall]) => x >= left && x < left + wide && y >= top && y < top + tall));
  }

  restyle(style) { this.style = style; }
  height(style) { return Math.round(style.font * (this.shown ? 1.75 * (FOLD + this.meta.rows) + 4 : 6)); }
  load(frame) {
    this.meta = frame.meta;
    this.columns = frame;
    if (this.by) this.refill();
  }
  append() {}
  refill() {
    const select = this.by.querySelector("select");
    select.replaceChildren(...(this.meta.known ? BY : BY.slice(0, 1)).map(([value, name]) => new Option(name, value)));
    select.value = this.model.get("by");
  }

  draw(ctx, w, h, now) {
    const { style, meta } = this;
    this.spots = [];
    if (!this.shown) {
      const text = meta.over ? "where the file's bytes lie isn't known" : "where the bytes lie is asked when the ranks are done";
      this.say("");
      return words(ctx, text, w / 2, h / 2, style, { align: "center" });
    }
    const by = meta.known ? this.model.get("by") : "target";
    const area = { x: 4, y: style.font * 3, w: w - 8, row: style.font * 1.75 };
    this.ruler(ctx, area);
    this.boxes(ctx, area);
    this.lines(ctx, area, by);
    this.columns.number.forEach((_, place) => this.stripe(ctx, area, place, by, now));
    if (by === "rank") this.legend(ctx, area);
    this.pointed(ctx, area);
    return undefined;
  }
  say(text) { if (this.said && this.said.textContent !== text) this.said.textContent = text; }

  inRibbon(area, place) {
    const wide = area.w / this.meta.cells;
    return [area.x + this.columns.cell[place] * wide, area.y, wide, area.row];
  }
  column(area, column) {
    const each = area.w / this.meta.names.length;
    const wide = Math.min(0.8 * each, 0.16 * this.meta.slots * area.w);
    return [area.x + (column + 0.5) * each - wide / 2, wide];
  }
  rowTop(area, row) { return area.y + (FOLD + row) * area.row; }
  inObject(area, place) {
    const { column, row, slot } = this.columns;
    const [left, wide] = this.column(area, column[place]);
    const each = wide / this.meta.slots;
    return [left + slot[place] * each, this.rowTop(area, row[place]), each, area.row];
  }
  // The stripe in the ribbon, and on its way to its object.
  stripe(ctx, area, place, by, now) {
    const flat = this.inRibbon(area, place);
    const folded = this.inObject(area, place);
    const share = this.model.get("fold");
    const eased = share * share * (3 - 2 * share);
    const moving = flat.map((value, i) => value + (folded[i] - value) * eased);
    const written = this.columns.written[place];
    const done = now === Infinity || (written >= 0 && written <= now);
    const color = this.meta.colors[by][place];
    this.block(ctx, flat, color, place, done);
    if (share > 0.02) this.block(ctx, moving, color, place, done);
    this.spots.push([flat, moving]);
  }
  block(ctx, [x, y, wide, tall], color, place, done) {
    const { style } = this;
    const gap = wide > 8 ? 1.5 : 0.5;
    ctx.fillStyle = done ? color : style.ground;
    ctx.fillRect(x + gap, y + 1.5, wide - 2 * gap, tall - 3);
    ctx.strokeStyle = color;
    ctx.lineWidth = style.line * 0.8;
    if (!done) ctx.strokeRect(x + gap + 0.5, y + 2, wide - 2 * gap - 1, tall - 4);
    const text = String(this.columns.number[place]);
    const size = Math.min(0.92, (0.9 * wide) / (text.length * style.font * 0.62));
    const ink = done && dark(color) ? "#ffffff" : style.ink;
    if (size > 0.5) words(ctx, text, x + wide / 2, y + tall / 2, { ...style, ink }, { align: "center", size });
  }
  // Of the first turn, and of the stripe that is pointed out.
  lines(ctx, area, by) {
    if (this.model.get("fold") < 1) return;
    this.columns.number.forEach((stripe, place) => {
      const pointed = place === this.model.get("stripe");
      if (stripe >= this.meta.turn && !pointed) return;
      const [x, y, wide, tall] = this.inRibbon(area, place);
      const [left, across] = this.column(area, this.columns.column[place]);
      ctx.strokeStyle = this.meta.colors[by][place];
      ctx.lineWidth = this.style.line * (pointed ? 1.8 : 0.7);
      ctx.beginPath();
      ctx.moveTo(x + wide / 2, y + tall);
      ctx.lineTo(left + across / 2, this.rowTop(area, -0.95));
      ctx.stroke();
    });
  }
  pointed(ctx, area) {
    const place = this.model.get("stripe");
    if (!this.spots[place]) return;
    ctx.strokeStyle = this.style.ink;
    ctx.lineWidth = this.style.line * 1.8;
    for (const [x, y, wide, tall] of this.spots[place]) ctx.strokeRect(x + 1, y + 1, wide - 2, tall - 2);
    this.say(this.meta.lines[place]);
  }
  ruler(ctx, area) {
    const { style, meta, columns } = this;
    const step = Math.max(1, Math.ceil(columns.number.length / 8));
    const wide = area.w / meta.cells;
    let free = 0;
    for (let place = 0; place < columns.number.length; place += step) {
      const at = columns.begin[place];
      const x = area.x + columns.cell[place] * wide;
      if (x < free) continue;
      const text = at ? bytes(at).replace(" bytes", "") : "offset 0";
      words(ctx, text, x, area.y - style.font * 0.8, style, { size: 0.85 });
      free = x + ctx.measureText(text).width + style.font * 0.5;
    }
    if (!meta.hidden) return;
    const gap = columns.cell.findIndex((cell, place) => place && cell > columns.cell[place - 1] + 1);
    const x = area.x + (columns.cell[gap] - 0.5) * wide;
    words(ctx, "…", x, area.y + area.row / 2, style, { align: "center", weight: 700 });
    words(ctx, `${meta.hidden.toLocaleString("en")} more`, x, area.y + area.row * 1.4, style, { align: "center", size: 0.85 });
  }
  boxes(ctx, area) {
    const { style, meta } = this;
    const many = meta.names.length > NAMED;
    meta.names.forEach((name, column) => {
      const [left, wide] = this.column(area, column);
      words(ctx, many ? meta.targets[column].slice(-6) : name, left + wide / 2, this.rowTop(area, -0.45), style, { align: "center", weight: 700 });
    });
    ctx.strokeStyle = "rgba(120,120,120,0.7)";
    ctx.lineWidth = 1;
    for (const [object, column, top, rows] of meta.boxes) {
      const [left, wide] = this.column(area, column);
      ctx.strokeRect(left - 3, this.rowTop(area, top) + 1, wide + 6, rows * area.row);
      words(ctx, many ? String(object) : `object ${object}`, left + wide / 2, this.rowTop(area, top + 0.5), style, { align: "center", size: 0.85 });
    }
    for (const [column, row] of meta.gaps) {
      const [left, wide] = this.column(area, column);
      words(ctx, "…", left + wide / 2, this.rowTop(area, row + 0.45), style, { align: "center", weight: 700 });
    }
    if (many) words(ctx, `below, the numbers of ${meta.word}s; in boxes, of objects`, area.x + area.w, area.y + area.row * 1.6, style, { align: "right", size: 0.85 });
  }
  legend(ctx, area) {
    const { style } = this;
    let x = area.x;
    for (const [name, color] of this.meta.ranks) {
      ctx.fillStyle = color;
      ctx.fillRect(x, style.font * 0.3, style.font * 1.3, style.font);
      words(ctx, name, x + style.font * 1.6, style.font * 0.8, style, { size: 0.9 });
      x += style.font * 2.4 + ctx.measureText(name).width;
    }
  }
}

function dark(color) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b < 140;
}

export default {
  render({ model, el }) {
    return mount(model, el, new Ribbon(model));
  },
};
