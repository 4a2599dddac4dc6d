// A sweep of queue depth: reads per second, time of one read, and N = X R as an area.
import { axes, milliseconds, mount, number, plotBox, tag, ticks, words } from "./common.js";

const POINT = "#0072b2";
const DEEP = "#56b4e9";

class Queue {
  restyle(style) { this.style = style; }
  height(style) { return Math.round(style.font * 20); }
  load(frame) { this.frame = frame; }
  append(frame) { this.frame = frame; }
  get shown() { return this.frame ? this.frame.meta.reads : 0; }

  // The depths that are over by now (in replay), in ascending order of what was asked for.
  depths(now) {
    const { when, asked, rate, seconds } = this.frame;
    const found = [];
    for (let i = 0; i < when.length; i++) {
      if (when[i] <= now) found.push({ asked: asked[i], rate: rate[i], ms: seconds[i] * 1000 });
    }
    return found.sort((a, b) => a.asked - b.asked);
  }

  draw(ctx, w, h, now) {
    const { style, frame } = this;
    const all = frame ? this.depths(Infinity) : [];
    if (!all.length) return words(ctx, "no read so far", w / 2, h / 2, style, { align: "center" });
    const found = this.depths(now);
    const { demand, slowest } = frame.meta;
    const top = style.font * 3.4;
    const boxes = [0, 1, 2].map((i) => {
      const box = plotBox(w / 3, h, style, { top, left: 5.5 });
      return { ...box, x: box.x + (i * w) / 3 };
    });
    const most = { rate: 1.2 * Math.max(...all.map((d) => d.rate)), ms: 1.2 * Math.max(...all.map((d) => d.ms)) };
    const reach = Math.max(2, ...all.map((d) => d.asked)) * 1.3;
    const scale = (box, high) => ({
      x: (n) => box.x + (Math.log2(n / 0.8) / Math.log2(reach / 0.8)) * box.w,
      y: (v) => box.y + box.h * (1 - v / high),
    });
    const rate = scale(boxes[0], most.rate);
    const time = scale(boxes[1], most.ms);
    if (demand) {
      this.bound(ctx, boxes[0], rate, reach, (n) => n / demand, [6, 4], "- -  nothing waits: N / D", 0);
      this.bound(ctx, boxes[0], rate, reach, () => 1 / slowest, [2, 3], "···  the slowest part: 1 / Dmax", 1);
      this.bound(ctx, boxes[1], time, reach, () => demand * 1000, [6, 4], "- -  nothing waits: D", 0);
      this.bound(ctx, boxes[1], time, reach, (n) => n * slowest * 1000, [2, 3], "···  in turn: N Dmax", 1);
    }
    this.curve(ctx, found.map((d) => [rate.x(d.asked), rate.y(d.rate)]));
    this.curve(ctx, found.map((d) => [time.x(d.asked), time.y(d.ms)]));
    const depth = { lo: Math.log2(0.8), span: Math.log2(reach / 0.8), label: "in flight (N)",
      ticks: all.map((d) => [Math.log2(d.asked), d.asked]) };
    axes(ctx, boxes[0], depth, this.rates(most.rate), style);
    axes(ctx, boxes[1], depth, this.times(most.ms), style);
    this.areas(ctx, boxes[2], found, most);
    return undefined;
  }
  rates(span, most = 4) {
    const [unit, name] = span >= 10000 ? [1000, "thousand "] : [1, ""];
    return { span, label: `${name}reads/s (X)`, ticks: ticks(0, span / unit, most).map((v) => [v * unit, v]) };
  }
  times(span) {
    return { span, label: "time of one read (R)", ticks: ticks(0, span, 4).map((v) => [v, milliseconds(v)]) };
  }
  bound(ctx, box, at, reach, value, dash, name, row) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.x, box.y, box.w, box.h);
    ctx.clip();
    ctx.strokeStyle = "#4d4d4d";
    ctx.lineWidth = this.style.line;
    ctx.setLineDash(dash);
    ctx.beginPath();
    for (let i = 0; i <= 80; i++) {
      const n = 0.8 * (reach / 0.8) ** (i / 80);
      ctx.lineTo(at.x(n), at.y(value(n)));
    }
    ctx.stroke();
    ctx.restore();
    words(ctx, name, box.x, this.style.font * (0.9 + 1.3 * row), this.style, { size: 0.92 });
  }
  curve(ctx, points) {
    ctx.strokeStyle = ctx.fillStyle = POINT;
    ctx.lineWidth = this.style.line * 1.4;
    ctx.beginPath();
    for (const [x, y] of points) ctx.lineTo(x, y);
    ctx.stroke();
    for (const [x, y] of points) {
      ctx.beginPath();
      ctx.arc(x, y, this.style.font * 0.33, 0, 7);
      ctx.fill();
    }
  }
  // The depth nearest to where the bounds meet, and the deepest so far: same numbers as areas.
  areas(ctx, box, found, most) {
    const { demand, slowest } = this.frame.meta;
    const knee = Math.log(demand ? demand / slowest : 1);
    const deep = found[found.length - 1];
    const away = (d) => Math.abs(Math.log(d.asked) - knee);
    const near = found.slice(0, -1).sort((a, b) => away(a) - away(b))[0];
    const shown = [[deep, DEEP], [near, POINT]].filter(([d]) => d);
    for (const [d, color] of shown.sort((a, b) => b[0].ms - a[0].ms)) {
      const wide = (d.rate / most.rate) * box.w;
      const tall = (d.ms / most.ms) * box.h;
      ctx.fillStyle = color;
      ctx.fillRect(box.x, box.y + box.h - tall, wide, tall);
      ctx.strokeStyle = this.style.ink;
      ctx.strokeRect(box.x, box.y + box.h - tall, wide, tall);
    }
    for (const [d] of shown) {  // the deepest is named at its top, the other one at its foot
      const y = d === deep ? box.h * (1 - d.ms / most.ms) + this.style.font : box.h - this.style.font;
      const area = number(Number(((d.rate * d.ms) / 1000).toPrecision(3)));
      tag(ctx, `N = X R = ${area}`, box.x + box.w * 0.4, box.y + y, this.style);
    }
    axes(ctx, box, this.rates(most.rate, 2), this.times(most.ms), this.style);
  }
}

export default {
  render({ model, el }) {
    return mount(model, el, new Queue());
  },
};
