// What each target (an OSD, an OST, a disk) did when: a strip for each, and how much in all.
import { axes, byteUnit, choice, heatScale, mount, nowLine, number, timeAxis, words } from "./common.js";

const WHAT = [["bytes", "bytes a second"], ["operations", "operations a second"]];

class TargetStrips {
  constructor(model) {
    this.model = model;
    this.traits = ["what"];
    this.meta = {};
  }
  get shown() { return Math.round(this.totals ? this.totals.reduce((a, b) => a + b, 0) : 0); }
  tools(model, parent) { choice(model, parent, "show", "what", WHAT); }
  restyle(style) { this.style = style; }
  height(style) { return Math.round(style.font * (6.5 + Math.min(24, Math.max(4, this.rows * (this.rows > 12 ? 1 : 2))))); }
  get rows() { return (this.meta.names || []).length; }

  load(frame) {
    this.meta = frame.meta;
    this.columns = { bytes: frame.bytes, operations: frame.operations };
  }
  // A chunk holds some bins of all targets: only those change.
  append(frame) {
    const { meta } = frame;
    const same = this.columns && meta.names.length === this.rows && meta.width === this.meta.width && meta.bins === this.meta.bins;
    if (!same) this.columns = { bytes: new Float32Array(meta.names.length * meta.bins), operations: new Float32Array(meta.names.length * meta.bins) };
    this.meta = meta;
    const wide = meta.names.length ? frame.bytes.length / meta.names.length : 0;
    for (const kind of ["bytes", "operations"]) {
      for (let row = 0; row < meta.names.length; row++) {
        this.columns[kind].set(frame[kind].subarray(row * wide, (row + 1) * wide), row * meta.bins + meta.first);
      }
    }
  }

  draw(ctx, w, h, now) {
    const { style, meta } = this;
    if (!this.rows) {
      const text = meta.over ? "no server told what its targets did, and no layout of the file is known" : "waiting for the servers' counters";
      return words(ctx, text, w / 2, h / 2, style, { align: "center" });
    }
    const kind = this.model.get("what");
    const values = this.columns[kind];
    const last = Math.min(meta.bins, now === Infinity ? meta.bins : Math.floor(now / meta.width));
    const most = values.reduce((a, b) => Math.max(a, b), 0) || 1;
    const top = style.font * 2.2;
    const tall = Math.max(20, h - top - style.font * 2.8);
    const left = { x: style.font * 5, y: top, w: w * 0.66 - style.font * 5, h: tall };
    const used = this.used();
    this.strips(ctx, left, values, last, most, used);
    heatScale(ctx, left, style, "0", this.rate(kind, most));
    axes(ctx, left, timeAxis(used * meta.width), this.rowAxis(), style);
    if (now < used * meta.width) nowLine(ctx, left, left.x + (now / (used * meta.width)) * left.w, style);
    this.bars(ctx, { x: w * 0.66 + style.font * 1.2, y: top, w: w * 0.34 - style.font * 2, h: tall }, values, last, kind);
    return undefined;
  }
  // Bins of which something is known; all when the run is over.
  used() {
    const { bins, over, reached, width } = this.meta;
    return over ? bins : Math.max(8, Math.min(bins, Math.ceil(reached / width)));
  }
  strips(ctx, box, values, last, most, used) {
    const { bins } = this.meta;
    const tall = box.h / this.rows;
    const wide = box.w / used;
    const gap = tall > 8 ? 2 : tall > 3 ? 1 : 0;
    const { heat } = this.style;
    for (let row = 0; row < this.rows; row++) {
      for (let bin = 0; bin < Math.min(last, used); bin++) {
        const level = Math.round((255 * values[row * bins + bin]) / most);
        ctx.fillStyle = `rgb(${heat[level].join()})`;
        ctx.fillRect(box.x + bin * wide, box.y + row * tall, Math.ceil(wide), tall - gap);
      }
    }
  }
  rate(kind, value) {
    const each = (value / this.meta.width) * 1000;
    if (kind !== "bytes") return `${number(Number(each.toPrecision(3)))} operations/s`;
    const [size, name] = byteUnit(each);
    return `${number(Number((each / size).toPrecision(3)))} ${name}/s`;
  }
  rowAxis() {
    const { names } = this.meta;
    const step = Math.ceil(this.rows / 24);
    const list = [];
    for (let row = 0; row < this.rows; row += step) list.push([this.rows - row - 0.5, names[row]]);
    return { span: this.rows, ticks: list, label: "" };
  }
  // How much each target did by now, with a line at the even share.
  bars(ctx, box, values, last, kind) {
    const { style, meta } = this;
    this.totals = meta.names.map((_, row) => {
      let sum = 0;
      for (let bin = 0; bin < last; bin++) sum += values[row * meta.bins + bin];
      return sum;
    });
    const most = Math.max(1, ...this.totals);
    const even = this.totals.reduce((a, b) => a + b, 0) / this.rows;
    const tall = box.h / this.rows;
    const room = box.w - style.font * 6;
    this.totals.forEach((sum, row) => {
      ctx.fillStyle = style.colors[0];
      ctx.fillRect(box.x, box.y + row * tall + tall * 0.12, (sum / most) * room, tall * 0.72);
    });
    this.evenLine(ctx, box, box.x + (even / most) * room);
    this.totals.forEach((sum, row) => {
      if (tall > style.font) this.label(ctx, this.amount(kind, sum), box.x + (sum / most) * room + 5, box.y + row * tall + tall * 0.48);
    });
    words(ctx, "in all, dashed: even share", box.x, box.y - style.font * 1.1, style, { size: 0.92 });
  }
  evenLine(ctx, box, x) {
    ctx.strokeStyle = this.style.ink;
    ctx.lineWidth = this.style.line;
    ctx.setLineDash([5, 4]);
    ctx.beginPath();
    ctx.moveTo(x, box.y - 4);
    ctx.lineTo(x, box.y + box.h);
    ctx.stroke();
    ctx.setLineDash([]);
  }
  label(ctx, text, x, y) {
    const { style } = this;
    ctx.font = `${Math.round(style.font * 0.92)}px ${style.family}`;
    ctx.fillStyle = style.ground;
    ctx.fillRect(x - 1, y - style.font * 0.6, ctx.measureText(text).width + 3, style.font * 1.2);
    words(ctx, text, x, y, style, { size: 0.92 });
  }
  amount(kind, sum) {
    if (kind !== "bytes") return number(Math.round(sum));
    const [size, name] = byteUnit(sum);
    return `${number(Number((sum / size).toPrecision(3)))} ${name}`;
  }
}

export default {
  render({ model, el }) {
    return mount(model, el, new TargetStrips(model));
  },
};
