// The lanes of the descent: which there are, where their rows lie, and what they count.
import { bytes, words } from "./common.js";

const ORDER = [1, 2, 3, 100, 4, 5]; // application, HDF5, MPI-IO, file domains, system calls, block
export const READ = 2;
export const POSIX = 4;
export const DOMAINS = 100;
export const COLLECTIVE = 2; // of `how`
const FOR_WRITE = 1;
const ROWS = 32;
const CAPTIONS = 48;

class Lane {
  constructor(code) {
    Object.assign(this, { code, ranks: [], both: false, ops: [], captioned: [], top: 0 });
    this.reset();
  }
  reset() { Object.assign(this, { read: 0, back: 0, write: 0, moved: 0 }); }
  // Take a row into account; says whether the layout changes. Both: reads and writes in one phase.
  add(rank, op, phase) {
    const before = this.ranks.length + this.both;
    if (!this.ranks.includes(rank) && rank >= -1) this.ranks = [...this.ranks, rank].sort((a, b) => a - b);
    this.ops[phase] |= op === READ ? 1 : 2;
    this.both = this.both || (this.ops[phase] === 3 && this.code !== DOMAINS);
    return this.ranks.length + this.both !== before;
  }
  get rows() { return Math.min(this.ranks.length, ROWS); }
  get thick() { return Math.min(1.15 * (this.both ? 1.5 : 1), 9 / this.rows); }
  body(style) { return style.font * this.thick * this.rows; }
  rowOf(rank) {
    const at = this.ranks.indexOf(rank);
    return this.ranks.length > ROWS ? Math.floor((at * ROWS) / this.ranks.length) : at;
  }
  row(rank, read, style) {
    const each = style.font * this.thick;
    const gap = each > 5 ? 2 : 0;
    const half = this.both ? (each - gap) / 2 : each - gap;
    return { y: this.top + this.rowOf(rank) * each + gap / 2 + (this.both && !read ? half : 0), tall: half };
  }
  get calls() { return this.read + this.back + this.write; }
  words() {
    const count = (n, name) => (n ? [`${n.toLocaleString("en")} ${name}${n === 1 ? "" : "s"}`] : []);
    const kinds = [...count(this.read, "read"), ...count(this.back, "read").map((t) => `${t} to fill holes`), ...count(this.write, "write")];
    return `${kinds.join(" + ") || "nothing yet"}${this.moved ? `, ${bytes(this.moved)}` : ""}`;
  }
}

function times(ratio) {
  return `×${ratio >= 1 ? ratio.toFixed(ratio < 10 ? 2 : ratio < 100 ? 1 : 0) : Number(ratio.toPrecision(2))}`;
}

export class Lanes {
  constructor(columns) {
    this.columns = columns;
    this.version = 0;
    this.load({});
  }
  load() {
    this.all = new Map();
    this.high = 0;
    this.last = 0;
    this.until = [];
    this.begun = null;
    this.reset();
    this.version += 1;
    this.survey(0);
  }
  get list() {
    const shown = ORDER.filter((code) => this.all.has(code) && !(this.time && code === DOMAINS));
    return shown.map((code) => this.all.get(code));
  }
  // File domains have no place on an axis of time.
  over(time) {
    if (time !== this.time) this.version += 1;
    this.time = time;
  }
  get both() { return this.list.some((lane) => lane.both); }
  get operations() { return this.list.reduce((sum, lane) => sum + lane.calls, 0); }
  of(code) { return this.all.get(code); }
  end(phase) { return this.until[phase] || 0; }
  captioned() { return this.list.flatMap((lane) => (lane.captioned.length > CAPTIONS ? [] : lane.captioned)); }

  survey(from) {
    const { lane, rank, op, high, phase, t1, n } = this.columns;
    let changed = false;
    for (let i = from; i < n; i++) {
      if (!this.all.has(lane[i])) this.all.set(lane[i], new Lane(lane[i]));
      const found = this.all.get(lane[i]);
      if (found.add(rank[i], op[i], phase[i])) changed = true;
      this.high = Math.max(this.high, high[i]);
      this.last = Math.max(this.last, phase[i]);
      this.until[phase[i]] = Math.max(this.until[phase[i]] || 0, lane[i] === 5 ? 0 : t1[i]);
      if (lane[i] > 3 && high[i] >= 0 && found.captioned.length <= CAPTIONS) found.captioned.push(i);
    }
    if (changed) this.version += 1;
  }
  height(style) {
    let y = 0;
    for (const lane of this.list) {
      lane.top = y + style.font * 1.7;
      y = lane.top + lane.body(style) + style.font * 0.3;
    }
    return Math.max(y, style.font * 4);
  }
  reset() {
    for (const one of this.all.values()) one.reset();
    Object.assign(this, { ended: 0, started: 0, now: -Infinity });
  }
  // Count in one phase what was asked for by `now`, and which system calls and requests were over.
  count(now, phase) {
    const { t0, t1, lane, n } = this.columns;
    if (phase !== this.phase || now < this.now) this.reset();
    Object.assign(this, { phase, now });
    if (now < Infinity) this.begun = this.begun || this.byStart();
    const at = (k) => (this.begun ? this.begun[k] : k);
    for (; this.ended < n && t1[this.ended] <= now; this.ended++) if (lane[this.ended] >= POSIX) this.take(this.ended);
    for (; this.started < n && t0[at(this.started)] <= now; this.started++) if (lane[at(this.started)] < POSIX) this.take(at(this.started));
  }
  byStart() {
    const { t0, n } = this.columns;
    return Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => t0[a] - t0[b]);
  }
  take(i) {
    const { lane, op, how, phase, operations, bytes: moved } = this.columns;
    if (phase[i] !== this.phase || !operations[i]) return;
    const one = this.all.get(lane[i]);
    if (op[i] !== READ) one.write += operations[i];
    else if (how[i] & FOR_WRITE) one.back += operations[i];
    else one.read += operations[i];
    one.moved += moved[i];
  }
  // What each lane is and counts, how that compares with the lane above, and whose the rows are.
  headings(ctx, box, style, names) {
    let above = null;
    for (const lane of this.list) {
      const y = box.y + lane.top - style.font * 0.8;
      ctx.fillStyle = "rgba(120,120,120,0.5)";
      ctx.fillRect(box.x, y - style.font * 0.85, box.w, 1);
      const text = lane.code === DOMAINS ? "what each aggregator moves in a collective call" : lane.words();
      let room = box.w - 4;
      if (lane.code !== DOMAINS) {
        if (above && above.calls && lane.calls) {
          words(ctx, this.compare(above, lane), box.x + box.w, y, style, { align: "right", weight: 600 });
          room -= ctx.measureText(this.compare(above, lane)).width + style.font;
        }
        above = lane;
      }
      words(ctx, `${names[lane.code]}: ${text}`, box.x + 4, y, style, { most: room });
      this.rowNames(ctx, box, lane, style);
    }
  }
  compare(above, lane) {
    return `${times(lane.calls / above.calls)} operations, ${times(lane.moved / above.moved)} bytes`;
  }
  rowNames(ctx, box, lane, style) {
    if (lane.ranks[0] < 0) return;
    const each = style.font * lane.thick;
    const step = Math.max(1, Math.ceil((style.font * 1.05) / each));
    for (let row = 0; row < lane.rows; row += step) {
      const rank = lane.ranks.length > ROWS ? lane.ranks[Math.ceil((row * lane.ranks.length) / ROWS)] : lane.ranks[row];
      words(ctx, `rank ${rank}`, box.x - 6, box.y + lane.top + (row + 0.5) * each, style, { align: "right", size: 0.9 });
    }
  }
}
