// One request of the uppermost layer at a time, and all that it caused in the layers below.
import { bytes } from "./common.js";
import { COLLECTIVE, DOMAINS, POSIX, READ } from "./lanes.js";

const FAR = 20000; // rows looked through for what other ranks did of it

export class Requests {
  constructor(columns) {
    this.columns = columns;
    this.load();
  }
  load() {
    const { lane, operations, call, n } = this.columns;
    this.top = lane.subarray(0, n).reduce((least, code) => Math.min(least, code), 255);
    this.list = [];
    this.inside = new Map();
    for (let i = 0; i < n; i++) {
      if (lane[i] === this.top && operations[i] && call[i] >= 0) this.list.push(i);
      if (call[i] < 0) continue;
      if (!this.inside.has(call[i])) this.inside.set(call[i], []);
      this.inside.get(call[i]).push(i);
    }
    this.found = null;
  }
  // The request that ended last by `now`, in the phase; null when nothing is replayed.
  at(now, phase) {
    if (now === Infinity) return null;
    const { t1 } = this.columns;
    let lo = 0;
    let hi = this.list.length;
    while (lo < hi) {
      const middle = (lo + hi) >> 1;
      if (t1[this.list[middle]] <= now) lo = middle + 1;
      else hi = middle;
    }
    const last = lo ? this.list[lo - 1] : -1;
    if (last < 0 || this.columns.phase[last] !== phase) return null;
    if (!this.found || this.found.row !== last) this.found = this.look(last);
    return this.found;
  }
  look(row) {
    const { t0, t1, how, lane } = this.columns;
    const own = this.inside.get(row) || [];
    const collective = own.some((i) => how[i] & COLLECTIVE);
    const others = collective ? this.others(row, own) : [];
    const below = [...own, ...others];
    return { row, t0: t0[row], t1: t1[row], own, others, all: below.sort((a, b) => (lane[a] === DOMAINS) - (lane[b] === DOMAINS)) };
  }
  // In collective I/O another rank's system calls may carry this request's bytes, meanwhile.
  others(row, own) {
    const { lane, t0, t1, low, high, call, n } = this.columns;
    const mine = own.filter((i) => lane[i] === this.top && low[i] >= 0);
    const found = [];
    let i = this.first(t0[row]);
    for (const last = Math.min(n, i + FAR); i < last; i++) {
      const lower = lane[i] === POSIX && call[i] !== row;
      if (!lower || t0[i] > t1[row] || low[i] < 0) continue;
      if (mine.some((k) => low[k] < high[i] && high[k] > low[i])) found.push(i);
    }
    return found;
  }
  // The first row that ended at `time` or later.
  first(time) {
    const { t1 } = this.columns;
    let lo = 0;
    let hi = this.columns.n;
    while (lo < hi) {
      const middle = (lo + hi) >> 1;
      if (t1[middle] < time) lo = middle + 1;
      else hi = middle;
    }
    return lo;
  }
  // In words: whose request it is, and what became of it on each layer.
  tell({ row, own, others }, names) {
    const { lane, rank, op, operations, bytes: moved } = this.columns;
    const parts = [`rank ${rank[row]} ${op[row] === READ ? "reads" : "writes"} ${bytes(moved[row])}`];
    for (const code of [2, 3, POSIX].filter((one) => one > this.top)) {
      const count = own.filter((i) => lane[i] === code && operations[i]).length;
      if (count) parts.push(`${count} ${code === POSIX ? "system" : names[code]} call${count === 1 ? "" : "s"}`);
    }
    if (others.length) {
      const ranks = [...new Set(others.map((i) => rank[i]))].sort((a, b) => a - b);
      const part = own.some((i) => lane[i] === POSIX) ? "part of " : "";
      parts.push(`${part}its bytes ${op[row] === READ ? "read" : "written"} by rank${ranks.length > 1 ? "s" : ""} ${ranks.join(" and ")}`);
    }
    return parts.join(" → ");
  }
}
