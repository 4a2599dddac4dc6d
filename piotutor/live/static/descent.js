// The same bytes on every layer: a lane for each, over the offset in the file or over time.
import { axes, byteUnit, bytes, choice, hatched, mount, nowLine, rankColor, roomyTime, tag, ticks,
  timeAxis, words } from "./common.js";
import { Events } from "./events.js";
import { DOMAINS, Lanes, READ } from "./lanes.js";
import { Requests } from "./requests.js";

const ROW_KINDS = { lane: "u1", op: "u1", how: "u1", phase: "u2", t0: "f8", t1: "f8", low: "f8",
  high: "f8", rank: "i4", call: "i4", operations: "u4", bytes: "f8" };
const GREY = "#4d4d4d";
const UNDER_WAY = 512; // times 8: rows behind the last finished one that may have begun
const CHOICES = [["offset", "offset in the file"], ["time", "time"], ["request", "time, around one request"]];

class Descent {
  constructor(model) {
    this.model = model;
    this.traits = ["by"];
    this.events = new Events(ROW_KINDS);
    this.meta = {};
    this.lanes = new Lanes(this.events.columns);
    this.requests = new Requests(this.events.columns);
  }
  get shown() { return this.lanes.operations; }
  tools(model, parent) {
    this.choice = choice(model, parent, "show", "by", () => (this.meta.many ? CHOICES.slice(0, 1) : CHOICES));
    this.said = document.createElement("span");
    this.said.className = "pio-said";
    this.said.setAttribute("role", "status");
    parent.append(this.said);
  }
  restyle(style) { this.style = style; this.events.key = ""; this.fills = null; }
  height(style) { return Math.round(style.font * 4.4 + this.lanes.height(style) + this.notes().length * style.font * 1.3); }
  notes() { return (this.meta.absent || []).map((text) => `not captured here: ${text}`); }

  load(frame) {
    this.meta = frame.meta;
    this.events.load(frame);
    this.lanes.load(frame.meta);
    this.requests.load();
    if (this.choice) this.choice.fill();
  }
  append(frame) { this.lanes.survey(this.events.append(frame)); }

  // The phase at a moment; when nothing is replayed the first one, or the one under way.
  phaseAt(now) {
    const { phases, span, shown } = this.meta;
    if (now === Infinity) return span ? shown : this.lanes.last;
    let found = 0;
    (phases || []).forEach(({ start }, i) => { if (start <= now) found = i; });
    return found;
  }

  draw(ctx, w, h, now, ratio) {
    const { style, meta } = this;
    if (!meta.kind) return words(ctx, "waiting for the first call", w / 2, h / 2, style, { align: "center" });
    const phase = this.phaseAt(now);
    this.lanes.over(!meta.many && this.model.get("by") !== "offset");
    const left = style.font * 5;
    const top = style.font * 0.6;
    const box = { x: left, y: top, w: Math.max(40, w - left - 12), h: this.lanes.height(style) };
    this.lanes.count(now, phase);
    const request = this.requests.at(now, phase);
    const axis = this.axisAt(phase, request);
    this.paint(ctx, box, now, ratio, phase, axis, request);
    this.lanes.headings(ctx, box, style, meta.names);
    axes(ctx, { ...box, h: box.h + 2 }, axis, null, style);
    if (axis.time && now < Infinity) nowLine(ctx, box, box.x + ((now - axis.lo) / axis.span) * box.w, style);
    this.tell(phase, request);
    this.notes().forEach((text, i) => words(ctx, text, left, box.y + box.h + style.font * (3.8 + 1.3 * i), style, { size: 0.9, most: box.w }));
    return undefined;
  }
  // In words beside the choice: the phase, and the request that is looked at.
  tell(phase, request) {
    const { meta } = this;
    const name = (meta.phases || []).length > 1 ? `phase ${meta.phases[phase].name}` : "";
    const more = request ? this.requests.tell(request, meta.names) : this.lanes.both ? "filled: write, outlined: read" : "";
    const text = [name, more].filter(Boolean).join(": ");
    if (this.said.textContent !== text) this.said.textContent = text;
  }
  axisAt(phase, request) {
    const by = this.model.get("by");
    const { meta } = this;
    if (by === "offset" || meta.many) {
      const lo = meta.low || 0;
      const hi = Math.max(meta.high, this.lanes.high);
      const [size, name] = byteUnit(hi);
      const list = ticks(lo / size, hi / size).map((v) => [v * size, v]);
      return { lo, span: hi - lo || 1, label: `offset in ${meta.file} (${name})`, ticks: list };
    }
    if (by === "request" && request) {
      const extra = (request.t1 - request.t0) * 0.15 || 0.001;
      return { ...timeTicks(request.t0 - extra, request.t1 + extra), time: true };
    }
    const now = (meta.phases || [])[phase];
    if (meta.span && now) return { ...timeTicks(now.start, Math.max(now.end, this.lanes.end(phase))), time: true };
    return { ...timeAxis(meta.span || roomyTime(this.events.end)), lo: 0, time: true };
  }

  // All that is over by `now`; when it is replayed, what the request at hand caused stands out.
  paint(ctx, box, now, ratio, phase, axis, request) {
    const { events } = this;
    const place = this.place(box, axis, phase);
    const key = [axis.time, axis.lo, axis.span, box.w, box.h, ratio, phase, this.lanes.version].join();
    events.paint(box, ratio, key, 0, now, place);
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.x, box.y, box.w, box.h);
    ctx.clip();
    ctx.globalAlpha = request ? 0.35 : 1;
    events.show(ctx, box, now, UNDER_WAY, place);
    ctx.globalAlpha = 1;
    if (request) {
      ctx.translate(box.x, box.y);
      for (const i of request.all) if (events.columns.t0[i] <= now) place(ctx, i, now, true);
      ctx.translate(-box.x, -box.y);
    }
    this.captions(ctx, box, axis, now, phase);
    ctx.restore();
  }
  // Where a row is drawn: [x, y, width, height], or null.
  spot(i, box, axis, phase, now) {
    const c = this.events.columns;
    const lane = this.lanes.of(c.lane[i]);
    if (c.phase[i] !== phase || !lane) return null;
    const [from, to] = axis.time ? [c.t0[i], Math.min(c.t1[i], now)] : [c.low[i], c.high[i]];
    if (axis.time ? !c.operations[i] || c.rank[i] < -1 : from < 0) return null;
    const { y, tall } = lane.row(c.rank[i], c.op[i] === READ, this.style);
    const scale = box.w / axis.span;
    return [(from - axis.lo) * scale, y, Math.max(1, (to - from) * scale), tall];
  }
  place(box, axis, phase) {
    const { lane, op, rank, t0, t1 } = this.events.columns;
    const { style } = this;
    const pen0 = this.events.layer.getContext("2d");
    this.fills = this.fills || style.colors.map((c, r) => hatched(pen0, c, style.hatches[r] || " "));
    return (pen, i, now, strong) => {
      const spot = this.spot(i, box, axis, phase, now);
      if (!spot) return;
      const [x, y, wide, tall] = spot;
      const color = rank[i] < 0 ? GREY : rankColor(style, rank[i]);
      const alpha = pen.globalAlpha;
      if (lane[i] === DOMAINS) pen.globalAlpha = alpha * 0.35;
      const outlined = op[i] === READ && lane[i] !== DOMAINS && wide > 4 && tall > 4;
      pen.fillStyle = outlined ? style.ground : rank[i] < 0 || wide < 5 || tall < 5 ? color : this.fills[rank[i]] || color;
      pen.fillRect(x, y, wide, tall);
      pen.globalAlpha = alpha;
      pen.strokeStyle = strong ? style.ink : color;
      pen.lineWidth = strong ? style.line * 1.2 : style.line * 0.8;
      if (outlined || (strong && wide > 6) || lane[i] === DOMAINS) pen.strokeRect(x + 0.5, y + 0.5, Math.max(0.5, wide - 1), tall - 1);
      else if (wide > 6 && t1[i] > t0[i]) { pen.fillStyle = style.ground; pen.fillRect(x + wide - 1, y, 1, tall); }
    };
  }
  // What the large rectangles of the lower lanes are.
  captions(ctx, box, axis, now, phase) {
    const { style } = this;
    const { lane, op, low, high, rank, t1 } = this.events.columns;
    const taken = {}; // how far each row has captions
    for (const i of this.lanes.captioned()) {
      const spot = t1[i] <= now && this.spot(i, box, axis, phase, now);
      if (!spot || spot[2] < style.font * 10 || spot[3] < style.font * 0.8 || spot[0] < taken[spot[1]]) continue;
      taken[spot[1]] = spot[0] + spot[2];
      const name = op[i] === READ ? "read" : "write";
      const text = lane[i] === DOMAINS ? `aggregator = rank ${rank[i]}` : axis.time ? name : `${name} ${bytes(high[i] - low[i])}`;
      const middle = box.x + Math.min(box.w, spot[0] + spot[2]) / 2 + Math.max(0, spot[0]) / 2;
      tag(ctx, text, middle, box.y + spot[1] + spot[3] / 2, { ...style, font: Math.min(style.font, spot[3] * 0.9) });
    }
  }
}

// A time axis from lo to hi (ms), labelled from 0 in a unit that fits.
function timeTicks(lo, hi) {
  const span = hi - lo;
  const [unit, label] = span >= 2000 ? [1000, "seconds"] : span >= 2 ? [1, "milliseconds"] : [0.001, "microseconds"];
  return { lo, span, label, ticks: ticks(lo / unit, hi / unit).map((v) => [v * unit, v]) };
}

export default {
  render({ model, el }) {
    return mount(model, el, new Descent(model));
  },
};
