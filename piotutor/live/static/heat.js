// A heat map ranks x stripes: how often each rank touched each stripe of the file.
import { axes, byteAxis, Columns, heatScale } from "./common.js";

const HEAT_KINDS = { heat_t: "f4", cell: "u4", hits: "u4" };

export class Heat {
  constructor() {
    this.columns = new Columns(HEAT_KINDS);
    this.picture = document.createElement("canvas");
    this.restart();
  }
  restart() {
    this.done = 0;
    this.total = 0;
    this.stale = true;
  }
  load(frame) {
    this.columns.clear();
    this.rows = frame.meta.rows || 1;
    this.stripes = frame.meta.stripes || 1;
    this.counts = new Uint32Array(this.rows * this.stripes);
    this.most = 1;
    this.restart();
    this.append(frame);
  }
  append(frame) { if (frame.cell) this.columns.append(frame); }

  // Count what happened by `now`; returns the cells that changed.
  advance(now) {
    const { heat_t: when, cell, hits } = this.columns;
    if (this.done && when[this.done - 1] > now) {
      this.counts.fill(0);
      this.restart();
    }
    const from = this.done;
    while (this.done < this.columns.n && when[this.done] <= now) {
      const i = this.done++;
      this.counts[cell[i]] += hits[i];
      this.total += hits[i];
      if (this.counts[cell[i]] > this.most) { this.most = 2 * this.most; this.stale = true; }
    }
    return from;
  }
  shade(pixels, at, table) {
    const n = this.counts[at];
    const level = n ? 1 + Math.round((254 * Math.log2(n)) / Math.max(1, Math.log2(this.most))) : 0;
    const [r, g, b] = n ? table[Math.min(255, level)] : [240, 240, 240];
    pixels[4 * at] = r;
    pixels[4 * at + 1] = g;
    pixels[4 * at + 2] = b;
    pixels[4 * at + 3] = 255;
  }
  refresh(now, style) {
    const from = this.advance(now);
    if (this.stale || !this.image) {
      this.picture.width = this.stripes;
      this.picture.height = this.rows;
      this.image = new ImageData(this.stripes, this.rows);
      for (let at = 0; at < this.counts.length; at++) this.shade(this.image.data, at, style.heat);
      this.stale = false;
    } else {
      for (let i = from; i < this.done; i++) this.shade(this.image.data, this.columns.cell[i], style.heat);
    }
    this.picture.getContext("2d").putImageData(this.image, 0, 0);
  }
  draw(ctx, box, now, ratio, style, meta) {
    this.refresh(now, style);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(this.picture, box.x, box.y, box.w, box.h);
    axes(ctx, box, byteAxis(meta.size, `offset in the file, columns of ${meta.stripe_words}`), this.rowAxis(meta), style);
    heatScale(ctx, box, style, "transfers in a cell: 1", `${this.most} (white: none)`);
  }
  rowAxis(meta) {
    const each = meta.ranks / this.rows;
    const step = Math.ceil(this.rows / 8);
    const list = [];
    for (let row = 0; row < this.rows; row += step) list.push([this.rows - row - 0.5, String(Math.round(row * each))]);
    return { span: this.rows, ticks: list, label: "rank" };
  }
}
