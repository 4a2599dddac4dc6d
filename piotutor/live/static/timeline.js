// What every rank was doing, when: open, write, read, sync, close, waiting at a barrier.
import { axes, mount, nowLine, plotBox, roomyTime, timeAxis, words } from "./common.js";
import { Events } from "./events.js";

const CALL_KINDS = { t0: "f4", t1: "f4", rank: "u2", kind: "u1" };

class Timeline {
  constructor() { this.events = new Events(CALL_KINDS); this.meta = {}; }
  restyle(style) { this.style = style; this.events.key = ""; }
  height(style) {
    const lanes = Math.min(32, this.meta.ranks || 4);
    return Math.round(style.font * (5.5 + Math.max(6, lanes * (lanes > 8 ? 0.8 : 1.5))));
  }
  load(frame) { this.meta = frame.meta; this.events.load(frame); }
  append(frame) { this.events.append(frame); }
  get shown() { return this.events.done; }

  draw(ctx, w, h, now, ratio) {
    const { style, meta } = this;
    if (!meta.kind) return words(ctx, "waiting for the first call", w / 2, h / 2, style, { align: "center" });
    this.legend(ctx);
    const box = plotBox(w, h, style, { top: style.font * 2 });
    const span = meta.span || roomyTime(this.events.end);
    const place = this.place(box, span);
    this.events.paint(box, ratio, [box.w, box.h, ratio, style.font].join(), span, now, place);
    this.events.show(ctx, box, now, meta.ranks, place);
    axes(ctx, box, timeAxis(span), this.rankAxis(), style);
    if (now < span) nowLine(ctx, box, box.x + (now / span) * box.w, style);
    return undefined;
  }
  legend(ctx) {
    const { style, meta } = this;
    let x = style.font * 5;
    meta.kinds.forEach((name, kind) => {
      ctx.fillStyle = meta.colors[kind];
      ctx.fillRect(x, style.font * 0.4, style.font, style.font);
      words(ctx, name, x + style.font * 1.3, style.font * 0.9, style, { size: 0.92 });
      x += style.font * 2.2 + ctx.measureText(name).width;
    });
  }
  place(box, span) {
    const { t0, t1, rank, kind } = this.events.columns;
    const lane = box.h / this.meta.ranks;
    const { colors } = this.meta;
    const gap = lane > 6 ? 1.5 : 0;
    return (pen, i, now) => {
      const wide = Math.max(0.75, ((Math.min(t1[i], now) - t0[i]) / span) * box.w);
      pen.fillStyle = colors[kind[i]];
      pen.fillRect((t0[i] / span) * box.w, rank[i] * lane + gap, wide, Math.max(1, lane - 2 * gap));
    };
  }
  rankAxis() {
    const { ranks } = this.meta;
    const list = [];
    for (let r = 0; r < ranks; r += Math.ceil(ranks / 8)) list.push([ranks - r - 0.5, String(r)]);
    return { span: ranks, ticks: list, label: "rank" };
  }
}

export default {
  render({ model, el }) {
    return mount(model, el, new Timeline());
  },
};
