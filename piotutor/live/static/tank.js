// Written by the application, waiting in memory, arrived at the device: one clock for all three.
import { axes, byteAxis, mount, nowLine, plotBox, tag, timeAxis, words } from "./common.js";

const AMBER = "#e69f00";
const BLUE = "#0072b2";
const SKY = "#56b4e9";
const RED = "#d55e00";

class Tank {
  restyle(style) { this.style = style; }
  height(style) { return Math.round(style.font * 26); }
  load(frame) { this.frame = frame; }
  append(frame) { this.frame = frame; }
  get shown() { return this.frame ? this.frame.written.length + this.frame.read.length : 0; }

  draw(ctx, w, h, now) {
    const { style, frame } = this;
    if (!frame) return words(ctx, "waiting for the first bytes", w / 2, h / 2, style, { align: "center" });
    this.span = Math.max(frame.meta.span, 1);
    const names = this.names();
    const upper = plotBox(w, h * 0.68, style, { top: style.font * (1.1 + 1.3 * Math.ceil(names.length / 2)) });
    this.keys(ctx, upper, names);
    const lower = plotBox(w, h, style, { top: h * 0.68 + style.font * 0.9 });
    this.tank(ctx, upper, now);
    this.residency(ctx, lower, now);
    axes(ctx, upper, null, byteAxis(frame.meta.most, "bytes", 4), style);
    axes(ctx, lower, timeAxis(this.span), { span: 1.05, ticks: [[0, "0%"], [1, "100%"]], label: "file in memory" }, style);
    if (now < this.span) for (const box of [upper, lower]) nowLine(ctx, box, this.x(box, now), style);
    return undefined;
  }
  x(box, t) { return box.x + Math.max(0, t / this.span) * box.w; }

  // What is drawn, and why what is not: [words, colour or null].
  names() {
    const { frame, style } = this;
    const list = [];
    const why = [`at the device: ${frame.meta.why.device}`, null];
    if (frame.written.length) {
      list.push(["written by the application", style.ink]);
      list.push(frame.dirty.length ? ["only in memory (dirty)", AMBER] : [`dirty: ${this.noDirty()}`, null]);
      list.push(frame.to_device.length ? ["at the device", BLUE] : why);
    }
    if (frame.read.length) {
      list.push(["read by the application (dots)", style.ink]);
      if (frame.from_device.length) list.push(["read at the device (dashes)", RED]);
      else if (!frame.written.length) list.push(why);
    }
    return list;
  }
  tank(ctx, box, now) {
    const { frame, style } = this;
    const y = (v) => box.y + box.h - (v / frame.meta.most) * box.h;
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.x, box.y, box.w, box.h + 2);
    ctx.clip();
    if (frame.written.length) {
      this.area(ctx, box, "dirty_top", now, y, AMBER);
      this.area(ctx, box, "to_device", now, y, BLUE);
      this.line(ctx, box, "written", now, y, style.ink, []);
    }
    if (frame.read.length) {
      this.line(ctx, box, "read", now, y, style.ink, [3, 3]);
      this.line(ctx, box, "from_device", now, y, RED, [8, 4]);
    }
    ctx.restore();
    frame.meta.marks.forEach((mark, i) => this.mark(ctx, box, mark, i, now));
  }
  noDirty() {
    return this.frame.meta.why.residency.startsWith("unavailable") ? this.frame.meta.why.residency : "unavailable here";
  }
  // A sample holds until the next one (`steps`); between calls the lines are straight. Nothing is
  // drawn past `now`. Returns where the curve ends.
  path(ctx, box, name, now, y, steps) {
    const t = this.frame[`${name}_t`];
    const v = this.frame[name];
    const end = Math.min(now, this.span);
    let last = 0;
    for (let i = 0; i < t.length && t[i] <= end; i++) {
      last = i;
      if (!i) ctx.moveTo(this.x(box, t[i]), y(v[i]));
      else if (steps) ctx.lineTo(this.x(box, t[i]), y(v[i - 1]));
      ctx.lineTo(this.x(box, t[i]), y(v[i]));
    }
    let level = v[last];
    const more = !steps && last + 1 < t.length && t[last] <= end;
    if (more) level += (v[last + 1] - v[last]) * ((end - t[last]) / (t[last + 1] - t[last]));
    ctx.lineTo(this.x(box, end), y(level));
    return this.x(box, end);
  }
  area(ctx, box, name, now, y, color) {
    const t = this.frame[`${name}_t`];
    if (!t.length) return false;
    ctx.fillStyle = color;
    ctx.beginPath();
    const right = this.path(ctx, box, name, now, y, true);
    ctx.lineTo(right, y(0));
    ctx.lineTo(this.x(box, t[0]), y(0));
    ctx.fill();
    return true;
  }
  line(ctx, box, name, now, y, color, dash) {
    if (!this.frame[`${name}_t`].length) return false;
    ctx.save();
    ctx.strokeStyle = color;
    ctx.lineWidth = this.style.line * 1.3;
    ctx.setLineDash(dash);
    ctx.beginPath();
    this.path(ctx, box, name, now, y, name === "from_device");
    ctx.stroke();
    ctx.restore();
    return true;
  }
  // Two columns of names above the picture.
  keys(ctx, box, list) {
    const { style } = this;
    list.forEach(([name, color], i) => {
      const x = box.x + (i % 2) * box.w * 0.5;
      const y = style.font * (0.8 + 1.3 * Math.floor(i / 2));
      ctx.fillStyle = color || "#ffffff";
      ctx.fillRect(x, y - style.font * 0.4, style.font, style.font * 0.8);
      words(ctx, name, x + style.font * 1.4, y, style, { size: 0.92 });
    });
  }
  mark(ctx, box, mark, i, now) {
    if (mark.time > now) return;
    const { style } = this;
    const at = this.x(box, mark.time);
    nowLine(ctx, box, at, style);
    ctx.font = `${Math.round(style.font * 0.92)}px ${style.family}`;
    const half = ctx.measureText(mark.words).width / 2 + 8;
    const middle = at + half > box.x + box.w ? at - half : at + half;
    tag(ctx, mark.words, middle, box.y + style.font * (1 + 1.7 * i), style);
  }
  residency(ctx, box, now) {
    const { frame, style } = this;
    if (!frame.resident.length) {
      words(ctx, frame.meta.why.residency, box.x + box.w / 2, box.y + box.h / 2, style, { align: "center" });
      return;
    }
    const y = (v) => box.y + box.h - (Math.min(1, v / frame.meta.size) / 1.05) * box.h;
    this.area(ctx, box, "resident", now, y, SKY);
    const dirty = this.area(ctx, box, "dirty", now, y, AMBER);
    const said = dirty ? "amber: dirty, blue: clean, white: not in memory" : "blue: in memory (dirty or clean: unknown here), white: not in memory";
    words(ctx, said, box.x + 8, box.y - style.font * 0.2, style, { size: 0.9 });
  }
}

export default {
  render({ model, el }) {
    return mount(model, el, new Tank());
  },
};
