// Who holds what of an object: granted extents as wide bars over time, and what the servers do.
import { axes, byteAxis, byteUnit, choice, hatched, mount, number, roomyTime, tag, timeAxis, words } from "./common.js";

const ROWS = 10; // servers
const AT_ONCE = 64; // transfers, a row each; in replay the last ones
const HERE = 1.9; // height of the strip of what is held now, in lines

class Locks {
  constructor(model) {
    this.model = model;
    this.traits = ["object", "by"];
    this.meta = { objects: [], clients: [], servers: [] };
    this.holds = null;
  }
  get shown() { return this.meta.grants || 0; }
  tools(model, parent) {
    this.select = choice(model, parent, "object", "object", () => [
      [-1, "with most callbacks"],
      ...this.meta.objects.map((one) => [one.object, `${one.object} (server ${one.target}, ${one.callbacks} callbacks)`]),
    ]);
    choice(model, parent, "rows", "by", [["transfer", "each transfer"], ["time", "time"]]);
  }
  restyle(style) { this.style = style; this.fills = {}; }
  height(style) { return Math.round(style.font * Math.max(24, 4 + 3 * Math.min(ROWS, this.meta.servers.length))); }

  load(frame) {
    this.meta = frame.meta;
    this.holds = frame;
    this.rows = {};
    const listed = this.meta.objects.map((one) => `${one.object}:${one.callbacks}`).join();
    if (this.select && listed !== this.listed && document.activeElement !== this.select.label.querySelector("select")) this.select.fill();
    this.listed = listed;
  }
  append(frame) { this.load(frame); }

  get chosen() {
    const { objects } = this.meta;
    const asked = this.model.get("object");
    const most = objects.reduce((a, b) => (a && a.callbacks >= b.callbacks ? a : b), null);
    return objects.find((one) => one.object === asked) || most;
  }
  draw(ctx, w, h, now) {
    const { style, meta } = this;
    const one = this.chosen;
    if (!one) return words(ctx, meta.over ? "no server told of locks" : "waiting for the first lock", w / 2, h / 2, style, { align: "center" });
    const wide = w * 0.64 - style.font * 5;
    const top = style.font * (2.4 + HERE + 0.8);
    const box = { x: style.font * 5, y: top, w: wide, h: h - top - style.font * 2.8 };
    const span = meta.over ? Math.max(meta.reached, 1e-3) : roomyTime(meta.reached);
    const until = Math.min(now, meta.reached);
    this.legend(ctx, box.x, style.font * 0.9);
    this.strip(ctx, { ...box, y: style.font * 2.4, h: style.font * HERE }, one, until);
    const place = byteAxis(one.size, meta.whole ? "offset in the file" : `offset in object ${one.object}, on server ${one.target}`);
    const rows = this.model.get("by") === "transfer" ? this.rowsOf(one) : [];
    if (rows.length) {
      const passed = rows.filter((row) => row.at <= until).length;
      const from = now === Infinity ? 0 : Math.max(0, passed - AT_ONCE);
      const some = rows.slice(from, from + AT_ONCE);
      this.transfers(ctx, box, one, some, until);
      const few = some.length < one.transfers ? `${from + 1} to ${from + some.length}` : "each";
      axes(ctx, box, place, { span: 1, ticks: [], label: `time (${few} of ${number(one.transfers)} ${meta.word})` }, style);
    } else {
      this.bars(ctx, box, one, span, until);
      const time = timeAxis(span);
      time.ticks = time.ticks.map(([value, text]) => [span - value, text]);
      axes(ctx, box, place, time, style);
      this.line(ctx, box, box.y + (until / span) * box.h);
    }
    this.count(ctx, one, until, w * 0.64 + style.font * 1.5, style.font * 0.9);
    this.servers(ctx, { x: w * 0.64 + style.font * 1.5, y: style.font * 2.4, w: w * 0.36 - style.font * 2.5, h: h - style.font * 3.4 }, until);
    return undefined;
  }
  fill(ctx, client) {
    const { style } = this;
    const at = Math.min(client, style.colors.length - 1);
    this.fills[at] = this.fills[at] || hatched(ctx, style.colors[at], style.hatches[at] || " ");
    return this.fills[at];
  }
  legend(ctx, x, y) {
    const { style, meta } = this;
    const many = meta.clients.length > 6;
    const shown = many ? [meta.clients[0], meta.clients[meta.clients.length - 1]] : meta.clients;
    for (const client of shown) {
      ctx.fillStyle = this.fill(ctx, client);
      ctx.fillRect(x, y - style.font / 2, style.font * 1.5, style.font);
      const text = `client ${client}${many && client === shown[0] ? " to" : ""}`;
      words(ctx, text, x + style.font * 1.8, y, style, { size: 0.92 });
      x += style.font * 2.8 + ctx.measureText(text).width;
    }
  }
  // How often locks of this object were called back by then.
  count(ctx, one, until, x, y) {
    const { called, released } = this.holds;
    let n = 0;
    this.each(one, until, (i) => { if (called[i] && released[i] <= until) n += 1; });
    const more = this.meta.left && !this.meta.over ? one.callbacks : n;
    words(ctx, `${number(more)} callback${more === 1 ? "" : "s"} of ${number(one.callbacks)}`, x, y, this.style, { weight: 600 });
  }
  // The locks of one object that were granted by `until`, in the order of their grants.
  each(one, until, act) {
    const { object, granted } = this.holds;
    for (let i = 0; i < object.length; i++) if (object[i] === one.object && granted[i] <= until) act(i);
  }
  // Shared locks lie over each other: each client's has its part of the height.
  part(i, y, tall) {
    const { clients } = this.meta;
    if (!this.holds.shared[i] || clients.length < 2) return [y, tall];
    const each = tall / clients.length;
    return [y + clients.indexOf(this.holds.client[i]) * each, each];
  }
  // One object's transfers in the order in which they had their lock, each with the locks held then.
  rowsOf(one) {
    if (this.rows[one.object]) return this.rows[one.object];
    const { used, at, granted, released, object } = this.holds;
    const rows = [];
    for (let use = 0; use < used.length; use++) if (used[use] === one.object) rows.push({ use, at: at[use], held: [] });
    for (let i = 0; i < object.length; i++) {
      if (object[i] !== one.object) continue;
      for (const row of rows) if (granted[i] <= row.at && released[i] > row.at) row.held.push(i);
    }
    this.rows[one.object] = rows;
    return rows;
  }
  transfers(ctx, box, one, rows, until) {
    const { style } = this;
    const { low, high, client, first, end } = this.holds;
    const across = (value) => box.x + (Math.min(value, one.size) / one.size) * box.w;
    const tall = box.h / rows.length;
    const gap = tall > 6 ? 1 : 0;
    rows.forEach((row, k) => {
      if (row.at > until) return;
      const [top, height] = [box.y + k * tall + gap, tall - 2 * gap];
      for (const i of row.held) {
        const [y, part] = this.part(i, top, height);
        ctx.fillStyle = this.fill(ctx, client[i]);
        ctx.fillRect(across(low[i]), y, Math.max(1, across(high[i]) - across(low[i])), part);
      }
      ctx.strokeStyle = style.ink;
      ctx.lineWidth = style.line;
      ctx.strokeRect(across(first[row.use]), top, Math.max(2, across(end[row.use]) - across(first[row.use])), height);
    });
  }
  strip(ctx, box, one, until) {
    const { style } = this;
    const { low, high, released, client } = this.holds;
    const held = new Set();
    this.each(one, until, (i) => {
      if (released[i] <= until) return;
      held.add(client[i]);
      const [y, tall] = this.part(i, box.y, box.h);
      ctx.fillStyle = this.fill(ctx, client[i]);
      ctx.fillRect(box.x + (low[i] / one.size) * box.w, y, Math.max(1, ((Math.min(high[i], one.size) - low[i]) / one.size) * box.w), tall);
    });
    ctx.strokeStyle = style.ink;
    ctx.lineWidth = style.line;
    ctx.strokeRect(box.x, box.y, box.w, box.h);
    const whose = [...held].sort((a, b) => a - b);
    words(ctx, "now", box.x - 8, box.y + box.h / 2, style, { align: "right", weight: 600 });
    if (!whose.length) tag(ctx, "nobody holds a lock", box.x + box.w / 2, box.y + box.h / 2, style);
  }
  bars(ctx, box, one, span, until) {
    const { low, high, granted, released, client, shared } = this.holds;
    const across = (value) => box.x + (Math.min(value, one.size) / one.size) * box.w;
    const down = (time) => box.y + (Math.max(0, Math.min(time, until)) / span) * box.h;
    ctx.save();
    this.each(one, until, (i) => {
      ctx.globalAlpha = shared[i] ? 0.45 : 1;
      ctx.fillStyle = this.fill(ctx, client[i]);
      const [x, y] = [across(low[i]), down(granted[i])];
      ctx.fillRect(x, y, Math.max(1, across(high[i]) - x), Math.max(1, down(released[i]) - y - 0.5));
    });
    ctx.restore();
  }
  line(ctx, box, y) {
    const { style } = this;
    ctx.save();
    ctx.strokeStyle = style.ink;
    ctx.lineWidth = style.line * 0.6;
    ctx.setLineDash([4, 4]);
    ctx.beginPath();
    ctx.moveTo(box.x, y);
    ctx.lineTo(box.x + box.w, y);
    ctx.stroke();
    ctx.restore();
  }
  // Each server's queue as blocks, and its bytes so far as a bar.
  servers(ctx, box, until) {
    const { style, meta } = this;
    const { queue, done, moved } = this.holds;
    const rows = meta.servers.length;
    const n = meta.moments;
    const at = n < 2 ? 0 : Math.max(0, Math.min(n - 1, Math.floor((until / meta.reached) * (n - 1) + 1e-9)));
    const shown = Math.min(rows, ROWS);
    const tall = Math.min(style.font * 4, (box.h + style.font * 0.4) / Math.max(1, shown));
    const all = Array.from(moved).reduce((a, b) => Math.max(a, b), 1);
    const longest = queue.reduce((a, b) => Math.max(a, b), 8);
    for (let row = 0; row < shown; row++) {
      const i = row * n + at;
      const y = box.y + row * tall;
      words(ctx, `${meta.servers[row]}: ${number(queue[i])} in the queue`, box.x, y + tall * 0.16, style, { size: 0.92 });
      this.blocks(ctx, { x: box.x, y: y + tall * 0.34, w: box.w, h: tall * 0.14 }, queue[i], longest);
      ctx.fillStyle = "#56B4E9";
      ctx.fillRect(box.x, y + tall * 0.54, Math.max(1, (moved[i] / all) * box.w), tall * 0.34);
      const [size, unit] = byteUnit(moved[i]);
      words(ctx, `${number(Number((moved[i] / size).toPrecision(3)))} ${unit} in ${number(done[i])} requests`, box.x + 4, y + tall * 0.71, style, { size: 0.85 });
    }
    if (rows > shown) words(ctx, `and ${rows - shown} more`, box.x, box.y + shown * tall + style.font * 0.6, style, { size: 0.92 });
  }
  blocks(ctx, box, count, longest) {
    const wide = Math.min(this.style.font, box.w / Math.max(longest, 8));
    ctx.fillStyle = "#D55E00";
    for (let k = 0; k < count; k++) ctx.fillRect(box.x + k * wide, box.y, Math.max(0.5, wide - (wide > 3 ? 1.5 : 0)), box.h);
    ctx.strokeStyle = this.style.ink;
    ctx.lineWidth = 0.5;
    ctx.strokeRect(box.x, box.y, Math.max(longest, 8) * wide, box.h);
  }
}

export default {
  render({ model, el }) {
    return mount(model, el, new Locks(model));
  },
};
