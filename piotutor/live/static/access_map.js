// Which rank touched which bytes, when: offset x time, offset x rank, and a lens on the first records.
import { axes, byteAxis, bytes, choice, hatched, legend, mount, nowLine, plotBox,
  rankColor, roomyTime, tag, ticks, timeAxis, toggle, words } from "./common.js";
import { Events } from "./events.js";
import { Heat } from "./heat.js";

const READ = 2;

class AccessMap {
  constructor(model) {
    this.model = model;
    this.traits = ["mode", "grid", "lens", "lens_at"];
    this.events = new Events();
    this.heat = new Heat();
    this.meta = {};
    this.inLens = [];
  }
  get shown() { return this.model.get("mode") === "heat" ? this.heat.total : this.events.done; }

  tools(model, parent) {
    this.modes = choice(model, parent, "show", "mode", () => (this.meta.modes || [["time", "offset × time"]]));
    this.grids = choice(model, parent, "grid", "grid", () => this.meta.grids || [[0, "none"]]);
    toggle(model, parent, "lens on the first records", "lens");
  }
  restyle(style) {
    this.style = style;
    this.events.key = "";
    this.heat.stale = true;
    this.fills = null;
  }
  height(style) { return Math.round(style.font * 26); }

  load(frame) {
    this.meta = frame.meta;
    this.events.load(frame);
    this.heat.load(frame);
    this.inLens = [];
    this.pick(0);
    if (this.modes) { this.modes.fill(); this.grids.fill(); }
  }
  append(frame) {
    this.meta.size = Math.max(this.meta.size || 0, frame.meta.size || 0);
    this.pick(this.events.append(frame));
    this.heat.append(frame);
  }
  // Remember the events that the lens can show.
  pick(from) {
    const { offset, file, op } = this.events.columns;
    const [lo, hi] = this.window();
    for (let i = from; i < this.events.n && this.inLens.length < 4096; i++) {
      if (!file[i] && offset[i] < hi && offset[i] >= lo - (this.meta.transfer || 0)) this.inLens.push(i);
    }
    this.firstOp = this.inLens.length ? op[this.inLens[0]] : 0;
  }
  window() {
    const at = this.model.get("lens_at");
    return [at, at + (this.meta.lens || 0)];
  }

  draw(ctx, w, h, now, ratio) {
    const style = this.style;
    if (!this.meta.kind) return words(ctx, "waiting for the first transfer", w / 2, h / 2, style, { align: "center" });
    const heat = this.model.get("mode") === "heat";
    if (!heat) legend(ctx, style.font * 5, style.font * 0.9, style);
    const top = style.font * 2;
    const withLens = this.model.get("lens") && this.meta.lens && w > style.font * 38;
    const left = withLens ? w * 0.64 : w;
    const area = plotBox(left, h, style, { top });
    if (heat) this.heat.draw(ctx, area, now, ratio, style, this.meta);
    else this.plot(ctx, area, now, ratio);
    if (withLens) this.lens(ctx, w * 0.64, w, h, now);
    return undefined;
  }

  plot(ctx, box, now, ratio) {
    const mode = this.model.get("mode");
    const { meta, style } = this;
    const span = mode === "order" ? this.roomyCount() : meta.span || roomyTime(this.events.end);
    const place = mode === "rank" ? this.byRank(box) : this.byTime(box, span, mode === "order");
    const key = [mode, box.w, box.h, meta.size, ratio, style.font].join();
    this.events.paint(box, ratio, key, mode === "rank" ? 0 : span, now, place);
    this.gridLines(ctx, box);
    this.events.show(ctx, box, now, meta.ranks, place);
    axes(ctx, box, mode === "rank" ? this.rankAxis() : this.axisOf(mode, span), this.offsetAxis(), style);
    if (mode === "time" && now < span) nowLine(ctx, box, box.x + (now / span) * box.w, style);
    if (mode === "time") this.phases(ctx, box, span);
  }
  roomyCount() { return this.meta.span ? Math.max(1, this.events.n) : roomyTime(this.events.n); }
  // From left to right by time, or one transfer after another in the order of their ends.
  byTime(box, span, order) {
    const { t0, t1, offset, length, rank, file, op } = this.events.columns;
    const { style, meta } = this;
    const thick = style.line * 1.6;
    const scale = box.h / meta.size;
    return (pen, i, now) => {
      const from = order ? i : t0[i];
      const x = (from / span) * box.w;
      const tall = Math.max(thick, length[i] * scale);
      const wide = Math.max(thick, ((order ? 1 : Math.min(t1[i], now) - from) / span) * box.w);
      pen.globalAlpha = op[i] === READ ? 0.6 : 1;
      pen.fillStyle = rankColor(style, rank[i]);
      pen.fillRect(x, box.h - (offset[i] + this.base(file[i])) * scale - tall, wide, tall);
    };
  }
  byRank(box) {
    const { offset, length, rank, file, op } = this.events.columns;
    const { style, meta } = this;
    const lane = box.w / meta.ranks;
    const both = meta.ops.length > 1;
    const scale = box.h / meta.size;
    this.fills = this.fills || style.colors.map((c, r) => hatched(this.events.layer.getContext("2d"), c, style.hatches[r] || " "));
    return (pen, i) => {
      const tall = Math.max(1, length[i] * scale);
      const half = both ? (op[i] === READ ? lane / 2 : 0) : 0;
      pen.globalAlpha = op[i] === READ ? 0.6 : 1;
      pen.fillStyle = meta.ranks > 8 || tall < 6 ? rankColor(style, rank[i]) : this.fills[rank[i]];
      pen.fillRect(rank[i] * lane + half + 1, box.h - (offset[i] + this.base(file[i])) * scale - tall,
        (both ? lane / 2 : lane) - 2, tall);
    };
  }
  base(file) { return this.meta.bases[file] || 0; }
  offsetAxis() {
    const { files, size } = this.meta;
    return byteAxis(size, files > 1 ? `offset, ${files} files on end` : "offset in the file");
  }
  axisOf(mode, span) {
    if (mode === "time" && !this.meta.planned) return timeAxis(span);
    const label = this.meta.planned ? "number of the transfer (planned, nothing has run)" : "transfers, in the order of their ends";
    return { span, label, ticks: ticks(0, span).map((v) => [v, v]) };
  }
  rankAxis() {
    const { ranks, ops } = this.meta;
    const step = Math.ceil(ranks / 8);
    const all = [];
    for (let r = 0; r < ranks; r += step) all.push([r + 0.5, String(r)]);
    return { span: ranks, ticks: all, label: ops.length > 1 ? "rank (left half: write, right half: read)" : "rank" };
  }
  phases(ctx, box, span) {
    for (const { name, start, end } of this.meta.phases || []) {
      const x = box.x + (start / span) * box.w;
      const wide = ((end - start) / span) * box.w;
      if (start > 0) { ctx.globalAlpha = 0.4; nowLine(ctx, box, x, this.style); ctx.globalAlpha = 1; }
      if (wide > this.style.font * 3) words(ctx, name, x + 4, box.y + this.style.font * 0.7, this.style, { size: 0.9 });
    }
  }
  gridLines(ctx, box) {
    const grid = this.model.get("grid");
    const gap = (grid / this.meta.size) * box.h;
    if (!grid || gap < 3) return;
    this.rule(ctx, box, 0, this.meta.size, grid);
  }
  rule(ctx, box, lo, hi, grid) {
    ctx.save();
    ctx.strokeStyle = "rgba(90,90,90,0.45)";
    ctx.lineWidth = this.style.line * 0.4;
    ctx.beginPath();
    for (let v = Math.ceil(lo / grid) * grid; v <= hi; v += grid) {
      const y = box.y + box.h - ((v - lo) / (hi - lo)) * box.h;
      ctx.moveTo(box.x, y);
      ctx.lineTo(box.x + box.w, y);
    }
    ctx.stroke();
    ctx.restore();
  }

  lens(ctx, x, w, h, now) {
    const { style } = this;
    const [lo, hi] = this.window();
    const box = plotBox(w - x, h, style, { top: style.font * 2, left: 5.5 });
    box.x += x;
    const pixels = (v) => box.y + box.h - ((v - lo) / (hi - lo)) * box.h;
    for (const i of this.inLens) this.record(ctx, box, i, pixels, now);
    const grid = this.model.get("grid") || this.meta.page;
    const ruled = (grid / (hi - lo)) * box.h >= 2;
    if (ruled) this.rule(ctx, box, lo, hi, grid);
    const name = lo ? `offset, from ${bytes(lo)} on` : "offset";
    axes(ctx, box, { ticks: [], span: 1, label: ruled ? `lines: every ${bytes(grid)}` : "" }, byteAxis(hi - lo, name), style);
    for (const i of this.inLens) this.label(ctx, box, i, pixels, now);
    const title = box.w < style.font * 12 ? "lens" : "lens: the first records";
    words(ctx, title, box.x, style.font * 0.9, style, { weight: 600 });
  }
  record(ctx, box, i, pixels, now) {
    const { offset, length, rank, t1, op } = this.events.columns;
    if (t1[i] > now || op[i] !== this.firstOp) return;
    const y = Math.max(box.y, pixels(offset[i] + length[i]));
    const tall = Math.min(box.y + box.h, pixels(offset[i])) - y;
    if (tall <= 0) return;
    ctx.fillStyle = hatched(ctx, rankColor(this.style, rank[i]), this.style.hatches[rank[i]] || " ");
    ctx.fillRect(box.x + box.w * 0.08, y, box.w * 0.84, Math.max(1, tall - 1));
  }
  label(ctx, box, i, pixels, now) {
    const { offset, length, rank, t1, op } = this.events.columns;
    const middle = pixels(offset[i] + length[i] / 2);
    const tall = pixels(offset[i]) - pixels(offset[i] + length[i]);
    if (t1[i] > now || op[i] !== this.firstOp || tall < this.style.font * 1.6 || middle < box.y) return;
    const size = length[i] % 1024 ? `${length[i].toLocaleString("en")} bytes` : bytes(length[i]);
    tag(ctx, `rank ${rank[i]}: ${size}`, box.x + box.w / 2, middle, this.style);
  }
}

export default {
  render({ model, el }) {
    return mount(model, el, new AccessMap(model));
  },
};
