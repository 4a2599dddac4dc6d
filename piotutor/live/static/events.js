// Many small rectangles: kept painted on a layer, so that a frame costs only what is new.
import { Columns } from "./common.js";

const EVENT_KINDS = { t0: "f4", t1: "f4", offset: "f8", length: "u4", rank: "u2", file: "u2", op: "u1" };

const MANY = 20000; // more take too long to paint again in one frame

// Events ordered by their end, and the layer they are painted on.
export class Events {
  constructor(kinds = EVENT_KINDS) {
    this.columns = new Columns(kinds);
    this.layer = document.createElement("canvas");
    this.done = 0;
    this.key = "";
  }
  load(frame) {
    this.columns.clear();
    this.key = "";
    this.append(frame);
  }
  append(frame) {
    const from = this.columns.n;
    this.columns.append(frame);
    return from;
  }
  get n() { return this.columns.n; }
  get end() { return this.n ? this.columns.t1[this.n - 1] : 0; }

  // Paint what ended by `now`; `key` names the geometry: another one starts afresh.
  paint(box, ratio, key, span, now, draw) {
    const back = this.done && this.columns.t1[this.done - 1] > now;
    if (key === this.key && span > this.span && this.done > MANY && !back) this.shrink(this.span / span);
    else if (key !== this.key || span !== this.span || back) this.restart(box, ratio);
    this.key = key;
    this.span = span;
    const pen = this.layer.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    while (this.done < this.n && this.columns.t1[this.done] <= now) draw(pen, this.done++, Infinity);
  }
  restart(box, ratio) {
    this.layer.width = Math.round(box.w * ratio);
    this.layer.height = Math.round(box.h * ratio);
    this.done = 0;
  }
  // The time axis grew: squeeze what is painted instead of painting very many again.
  shrink(factor) {
    const { layer } = this;
    const copy = document.createElement("canvas");
    copy.width = Math.max(1, Math.round(layer.width * factor));
    copy.height = layer.height;
    copy.getContext("2d").drawImage(layer, 0, 0, copy.width, copy.height);
    layer.width = layer.width;
    layer.getContext("2d").drawImage(copy, 0, 0);
  }

  // The layer, and over it what is under way at `now` (few: at most some for each rank).
  show(ctx, box, now, ranks, draw) {
    if (this.layer.width) ctx.drawImage(this.layer, box.x, box.y, box.w, box.h);
    if (now === Infinity) return;
    ctx.save();
    ctx.translate(box.x, box.y);
    const last = Math.min(this.n, this.done + 8 * ranks);
    for (let i = this.done; i < last; i++) if (this.columns.t0[i] <= now) draw(ctx, i, now);
    ctx.restore();
  }
}
