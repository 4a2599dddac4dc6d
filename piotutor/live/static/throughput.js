// Bytes per second over time, stacked by rank, and each phase's bandwidth with its slowest rank.
import { axes, byteUnit, hatched, legend, milliseconds, mount, nowLine, number, plotBox, ticks,
  timeAxis, words } from "./common.js";

class Throughput {
  restyle(style) { this.style = style; this.fills = null; }
  height(style) { return Math.round(style.font * 17); }
  load(frame) { this.frame = frame; }
  append(frame) { this.frame = frame; }
  get shown() { return this.frame ? this.frame.meta.operations : 0; }

  draw(ctx, w, h, now) {
    const { style, frame } = this;
    if (!frame) return words(ctx, "waiting for the first transfer", w / 2, h / 2, style, { align: "center" });
    this.fills = this.fills || style.colors.map((c, r) => hatched(ctx, c, style.hatches[r] || " "));
    if (frame.meta.rows > 1) legend(ctx, style.font * 5, style.font * 0.9, style);
    const top = style.font * 2;
    const left = plotBox(w * 0.64, h, style, { top });
    this.overTime(ctx, left, now);
    const right = plotBox(w * 0.36, h, style, { top, left: 7 });
    right.x += w * 0.64;
    this.phases(ctx, right, now);
    return undefined;
  }

  overTime(ctx, box, now) {
    const { meta, rates } = this.frame;
    const most = this.peak(meta, rates);
    const [unit, name] = byteUnit(most);
    const span = meta.bins * meta.width;
    const wide = box.w / meta.bins;
    for (let bin = 0; bin < meta.bins && bin * meta.width <= now; bin++) {
      let y = box.y + box.h;
      for (let row = 0; row < meta.rows; row++) {
        const tall = (rates[row * meta.bins + bin] / most) * box.h;
        y -= tall;
        ctx.fillStyle = meta.rows > 1 ? this.style.colors[row] : this.style.colors[0];
        ctx.fillRect(box.x + bin * wide, y, Math.max(1, wide - (wide > 6 ? 1 : 0)), tall);
      }
    }
    const marks = ticks(0, most / unit, 4).map((v) => [v * unit, v]);
    axes(ctx, box, timeAxis(span), { span: most, ticks: marks, label: `${name}/s` }, this.style);
    if (now < span) nowLine(ctx, box, box.x + (now / span) * box.w, this.style);
  }
  peak(meta, rates) {
    let most = 1;
    for (let bin = 0; bin < meta.bins; bin++) {
      let sum = 0;
      for (let row = 0; row < meta.rows; row++) sum += rates[row * meta.bins + bin];
      most = Math.max(most, sum);
    }
    return most * 1.05;
  }

  phases(ctx, box, now) {
    const { style } = this;
    const list = this.frame.meta.phases || [];
    const most = Math.max(1, ...list.map((p) => p.bandwidth)) * 1.05;
    const [unit, name] = byteUnit(most);
    const lane = box.h / Math.max(1, list.length);
    list.forEach((phase, i) => {
      const y = box.y + (i + 0.15) * lane;
      const tall = Math.min(lane * 0.7, style.font * 2.4);
      const share = now >= phase.end ? 1 : Math.max(0, (now - phase.start) / (phase.end - phase.start));
      ctx.fillStyle = i % 2 ? "#56b4e9" : "#0072b2";
      ctx.globalAlpha = 0.55 + 0.45 * (share >= 1);
      ctx.fillRect(box.x, y, (phase.bandwidth / most) * box.w * share, tall);
      ctx.globalAlpha = 1;
      words(ctx, phase.name, box.x - 6, y + tall / 2, style, { align: "right" });
      const value = `${number(Number((phase.bandwidth / unit).toPrecision(3)))} ${name}/s`;
      if (share >= 1) words(ctx, `${value} in ${milliseconds(phase.end - phase.start)}`, box.x + 6, y + tall + style.font * 0.7, style, { size: 0.9 });
    });
    const marks = ticks(0, most / unit, 3).map((v) => [v * unit, v]);
    axes(ctx, box, { span: most, ticks: marks, label: `${name}/s, open to close` }, null, style);
  }
}

export default {
  render({ model, el }) {
    return mount(model, el, new Throughput());
  },
};
