// How long one transfer takes: a histogram on a logarithmic axis, with its quantiles.
import { axes, milliseconds, mount, plotBox, ticks, words } from "./common.js";

const COLORS = ["#0072b2", "#d55e00"];

class Latency {
  restyle(style) { this.style = style; }
  height(style) { return Math.round(style.font * 17); }
  load(frame) { this.frame = frame; }
  append(frame) { this.frame = frame; }
  get shown() { return this.frame ? this.frame.meta.operations : 0; }

  // The last slice that ended by `now`: counts and quantiles are cumulative.
  slice(now) {
    const { when } = this.frame;
    let at = when.length - 1;
    while (at > 0 && when[at] > now) at -= 1;
    return at;
  }

  draw(ctx, w, h, now) {
    const { style, frame } = this;
    if (!frame || !frame.meta.ops.length) return words(ctx, "waiting for the first transfer", w / 2, h / 2, style, { align: "center" });
    const { meta, counts } = frame;
    const box = plotBox(w, h, style, { top: style.font * (0.6 + 1.5 * frame.meta.ops.length) });
    const at = this.slice(now);
    const base = at * meta.ops.length * meta.bins;
    const [lo, hi] = meta.range;
    let most = 1;
    const final = (frame.when.length - 1) * meta.ops.length * meta.bins;
    for (let i = final; i < counts.length; i++) most = Math.max(most, counts[i]);
    const x = (bin) => box.x + ((bin - lo) / (hi - lo)) * box.w;
    meta.ops.forEach((op, o) => this.bars(ctx, box, counts, base + o * meta.bins, o, most, x));
    axes(ctx, box, this.timeTicks(meta, lo, hi), { span: most, ticks: ticks(0, most, 4).map((v) => [v, v]), label: "transfers" }, style);
    meta.ops.forEach((op, o) => this.marks(ctx, box, op, o, at, x));
    return undefined;
  }
  bars(ctx, box, counts, from, o, most, x) {
    const { meta } = this.frame;
    const wide = (x(1) - x(0)) / meta.ops.length;
    ctx.fillStyle = COLORS[o];
    for (let bin = meta.range[0]; bin < meta.range[1]; bin++) {
      const tall = (counts[from + bin] / most) * box.h;
      ctx.fillRect(x(bin) + o * wide, box.y + box.h - tall, Math.max(1, wide - 0.5), tall);
    }
  }
  // Bin b holds latencies from 2**(b / per) nanoseconds on.
  timeTicks(meta, lo, hi) {
    const list = [];
    for (let power = 2; power <= 12; power++) {
      const bin = Math.log2(10 ** power) * meta.per;
      if (bin >= lo && bin <= hi) list.push([bin, milliseconds(10 ** power / 1e6)]);
    }
    return { lo, span: hi - lo, ticks: list, label: "time of one transfer (logarithmic)" };
  }
  marks(ctx, box, op, o, at, x) {
    const { meta, quantiles } = this.frame;
    const names = ["50%", "95%", "99%"];
    const from = (at * meta.ops.length + o) * 4;
    if (!(quantiles[from] > 0)) return;
    const said = names.map((name, q) => `${name} ${milliseconds(quantiles[from + q] / 1e6)}`);
    const y = this.style.font * (0.8 + 1.5 * o);
    const text = `${op}: ${said.join(", ")}, slowest ${milliseconds(quantiles[from + 3] / 1e6)}`;
    ctx.fillStyle = COLORS[o];
    ctx.fillRect(box.x + 8, y - this.style.font / 2, this.style.font, this.style.font);
    words(ctx, text, box.x + 12 + this.style.font, y, this.style);
    ctx.strokeStyle = COLORS[o];
    ctx.lineWidth = this.style.line;
    ctx.setLineDash([3, 3]);
    for (let q = 0; q < 3; q++) {
      const at_x = x(Math.log2(quantiles[from + q]) * meta.per);
      ctx.beginPath();
      ctx.moveTo(at_x, box.y);
      ctx.lineTo(at_x, box.y + box.h);
      ctx.stroke();
    }
    ctx.setLineDash([]);
  }
}

export default {
  render({ model, el }) {
    return mount(model, el, new Latency());
  },
};
