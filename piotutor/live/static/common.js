// What every view shares: numbers arriving, one paint per animation frame, axes, words.
// Plain ES modules, no network. piotutor/live/wire.py joins a view with the modules it imports.

const ARRAYS = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, u2: Uint16Array,
  u4: Uint32Array, i4: Int32Array };

function typed(kind, view) {
  const from = view.byteOffset || 0;
  return new ARRAYS[kind]((view.buffer || view).slice(from, from + view.byteLength));
}

// {meta, columns: [[name, kind, bytes?], ...]} with the bytes inside or in `buffers`.
export function unpack(message, buffers) {
  const frame = { meta: message.meta || {} };
  (message.columns || []).forEach(([name, kind, bytes], i) => {
    frame[name] = typed(kind, bytes || buffers[i]);
  });
  return frame;
}

// Columns that grow by chunks: {t0: Float32Array, ...} of one length `n`.
export class Columns {
  constructor(kinds) {
    this.kinds = kinds;
    this.clear();
  }
  clear() {
    this.n = 0;
    this.room = 0;
    for (const name of Object.keys(this.kinds)) this[name] = new ARRAYS[this.kinds[name]](0);
  }
  append(chunk) {
    const first = Object.keys(this.kinds)[0];
    const more = chunk[first] ? chunk[first].length : 0;
    if (this.n + more > this.room) this.grow(Math.max(1024, 2 * (this.n + more)));
    for (const name of Object.keys(this.kinds)) if (more) this[name].set(chunk[name], this.n);
    this.n += more;
  }
  grow(room) {
    for (const name of Object.keys(this.kinds)) {
      const old = this[name];
      this[name] = new ARRAYS[this.kinds[name]](room);
      this[name].set(old.subarray(0, this.n));
    }
    this.room = room;
  }
}

const UNITS = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "bytes"]];

export function byteUnit(span) {
  return UNITS.find(([size]) => span >= 2 * size) || UNITS[3];
}

export function bytes(n) {
  const exact = UNITS.find(([size]) => n >= size && n % size === 0) || UNITS[3];
  return n && exact[0] > 1 ? `${(n / exact[0]).toLocaleString("en")} ${exact[1]}` : `${n.toLocaleString("en")} bytes`;
}

export function milliseconds(ms) {
  if (ms >= 2000) return `${(ms / 1000).toPrecision(3)} s`;
  return ms >= 1 || ms === 0 ? `${Number(ms.toPrecision(3))} ms` : `${Number((ms * 1000).toPrecision(3))} µs`;
}

export function ticks(lo, hi, most = 6) {
  const raw = (hi - lo) / most || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((m) => m * power >= raw) || 10);
  const found = [];
  for (let v = Math.ceil(lo / step) * step; v <= hi * (1 + 1e-9); v += step) found.push(v);
  return found;
}

// An axis in time: milliseconds or seconds, whichever reads better.
export function timeAxis(span) {
  const unit = span >= 2000 ? [1000, "seconds"] : [1, "milliseconds"];
  return { span, unit: unit[0], label: unit[1], ticks: ticks(0, span / unit[0]).map((v) => [v * unit[0], v]) };
}

export function byteAxis(span, label, most = 6) {
  const [size, name] = byteUnit(span);
  return { span, label: `${label} (${name})`, ticks: ticks(0, span / size, most).map((v) => [v * size, v]) };
}

// A time axis that grows by doubling, so that the layer is repainted seldom.
export function roomyTime(end) {
  let span = 10;
  while (span < end) span *= 2;
  return span;
}

export function axes(ctx, box, x, y, style) {
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = style.ink;
  ctx.lineWidth = style.line * 0.6;
  ctx.font = `${style.font}px ${style.family}`;
  ctx.beginPath();
  ctx.moveTo(box.x, box.y);
  ctx.lineTo(box.x, box.y + box.h);
  ctx.lineTo(box.x + box.w, box.y + box.h);
  if (x) horizontal(ctx, box, x, style);
  if (y) vertical(ctx, box, y, style);
  ctx.stroke();
  ctx.restore();
}

function horizontal(ctx, box, axis, style) {
  const bottom = box.y + box.h;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  let free = -Infinity;  // where the last number ended: one that would touch it is left out
  for (const [value, text] of axis.ticks) {
    const at = box.x + ((value - (axis.lo || 0)) / axis.span) * box.w;
    const half = ctx.measureText(number(text)).width / 2;
    ctx.moveTo(at, bottom);
    ctx.lineTo(at, bottom + 4);
    if (at - half < free) continue;
    ctx.fillText(number(text), at, bottom + 6);
    free = at + half + 4;
  }
  ctx.fillText(axis.label, box.x + box.w / 2, bottom + 8 + style.font);
}

function vertical(ctx, box, axis, style) {
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  let widest = 0;
  for (const [value, text] of axis.ticks) {
    const at = box.y + box.h - ((value - (axis.lo || 0)) / axis.span) * box.h;
    ctx.moveTo(box.x - 4, at);
    ctx.lineTo(box.x, at);
    ctx.fillText(number(text), box.x - 6, at);
    widest = Math.max(widest, ctx.measureText(number(text)).width);
  }
  const away = Math.max(style.font * 4.2, widest + 8 + style.font * 0.6);  // clear of the numbers
  ctx.save();
  ctx.translate(Math.max(box.x - away, style.font * 0.6), box.y + box.h / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.textAlign = "center";
  ctx.fillText(axis.label, 0, 0);
  ctx.restore();
}

export function number(value) {
  return typeof value === "number" ? Number(value.toPrecision(6)).toLocaleString("en") : value;
}

// The plot area inside a canvas of w x h: room for an axis on the left and below.
export function plotBox(w, h, style, { right = 12, top = 8, left = 5 } = {}) {
  const x = style.font * left;
  return { x, y: top, w: Math.max(20, w - x - right), h: Math.max(20, h - top - style.font * 2.8) };
}

// Text that would be wider than `most` is squeezed into it.
export function words(ctx, text, x, y, style, { align = "left", size = 1, weight = "", most } = {}) {
  ctx.font = `${weight} ${Math.round(style.font * size)}px ${style.family}`;
  ctx.fillStyle = style.ink;
  ctx.textAlign = align;
  ctx.textBaseline = "middle";
  ctx.fillText(text, x, y, most);
}

export function tag(ctx, text, x, y, style) {
  ctx.font = `${Math.round(style.font * 0.92)}px ${style.family}`;
  const width = ctx.measureText(text).width + 8;
  ctx.fillStyle = "rgba(255,255,255,0.88)";
  ctx.fillRect(x - width / 2, y - style.font * 0.75, width, style.font * 1.5);
  words(ctx, text, x, y, style, { align: "center", size: 0.92 });
}

const HATCHES = {
  "/": ["0 8 8 0"], "\\": ["0 0 8 8"], x: ["0 8 8 0", "0 0 8 8"], "-": ["0 4 8 4"],
  "|": ["4 0 4 8"], "+": ["0 4 8 4", "4 0 4 8"], ".": ["3 4 5 4"], o: ["2 2 5 2", "5 2 5 5", "5 5 2 5", "2 5 2 2"],
};

// The fill of one rank: its colour with its hatch, the same in every view.
export function hatched(ctx, color, hatch) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = color;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = "rgba(255,255,255,0.85)";
  pen.lineWidth = hatch[0] === "." ? 2 : 1;
  for (const line of HATCHES[hatch[0]] || []) {
    const [x0, y0, x1, y1] = line.split(" ").map(Number);
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
  }
  return ctx.createPattern(tile, "repeat");
}

export function rankColor(style, rank) {
  return style.colors[Math.min(rank, style.colors.length - 1)];
}

// Swatches "rank 0", "rank 1" ... in one row; past eight ranks the two ends of the scale.
export function legend(ctx, x, y, style) {
  const all = style.colors.length;
  const shown = all <= 8 ? style.colors.map((_, rank) => rank) : [0, all >> 1, all - 1];
  const size = style.font;
  for (const rank of shown) {
    ctx.fillStyle = hatched(ctx, style.colors[rank], style.hatches[rank] || " ");
    ctx.fillRect(x, y - size / 2, size * 1.5, size);
    words(ctx, `rank ${rank}`, x + size * 1.8, y, style, { size: 0.92 });
    x += size * 1.8 + ctx.measureText(`rank ${rank}`).width + size;
  }
}

// Above a plot, the scale of heat's colours between its ends.
export function heatScale(ctx, box, style, least, most) {
  const y = box.y - style.font * 1.1;
  words(ctx, least, box.x, y, style, { size: 0.92 });
  const x = box.x + ctx.measureText(least).width + 6;
  for (let i = 0; i < 64; i++) {
    ctx.fillStyle = `rgb(${style.heat[i * 4].join()})`;
    ctx.fillRect(x + i * 2, y - style.font / 2, 2, style.font);
  }
  words(ctx, most, x + 134, y, style, { size: 0.92 });
}

// The head "|" of replayed time.
export function nowLine(ctx, box, x, style) {
  ctx.save();
  ctx.strokeStyle = style.ink;
  ctx.setLineDash([4, 4]);
  ctx.beginPath();
  ctx.moveTo(x, box.y);
  ctx.lineTo(x, box.y + box.h);
  ctx.stroke();
  ctx.restore();
}

function element(tagName, name, parent, text) {
  const made = document.createElement(tagName);
  made.className = name;
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

// A native choice, bound to a trait: reachable by keyboard, read by screen readers.
export function choice(model, parent, text, trait, options) {
  const label = element("label", "pio-choice", parent, `${text} `);
  const select = element("select", "", label);
  const fill = () => {
    const list = typeof options === "function" ? options() : options;
    select.replaceChildren(...list.map(([value, name]) => new Option(name, value)));
    select.value = String(model.get(trait));
  };
  select.addEventListener("change", () => {
    const old = model.get(trait);
    model.set(trait, typeof old === "number" ? Number(select.value) : select.value);
    model.save_changes();
  });
  model.on(`change:${trait}`, () => { select.value = String(model.get(trait)); });
  fill();
  return { label, fill };
}

export function toggle(model, parent, text, trait) {
  const label = element("label", "pio-choice", parent);
  const box = element("input", "", label);
  box.type = "checkbox";
  box.checked = model.get(trait);
  label.append(` ${text}`);
  box.addEventListener("change", () => { model.set(trait, box.checked); model.save_changes(); });
  model.on(`change:${trait}`, () => { box.checked = model.get(trait); });
}

// Arrows, Home, Space are for the controls in `root`, not for the notebook around it.
export function keepKeys(root) {
  root.dataset.lmSuppressShortcuts = "true";
  root.addEventListener("keydown", (event) => event.stopPropagation());
}

function texts(model, parts) {
  parts.title.textContent = model.get("title");
  parts.canvas.setAttribute("aria-label", model.get("alt") || model.get("title"));
  const dropped = model.get("dropped");
  parts.badge.textContent = model.get("badge");
  parts.dropped.textContent = dropped ? `${dropped.toLocaleString("en")} events dropped: not all is shown` : "";
}

function skeleton(model, el) {
  const root = element("div", "pio-view", el);
  keepKeys(root);
  const parts = { root, title: element("div", "pio-title", root), tools: element("div", "pio-tools", root) };
  parts.canvas = element("canvas", "pio-canvas", root);
  parts.canvas.setAttribute("role", "img");
  parts.canvas.tabIndex = 0;
  const foot = element("div", "pio-foot", root);
  parts.badge = element("span", "pio-badge", foot);
  parts.slow = element("span", "pio-slow", foot);
  parts.dropped = element("span", "pio-dropped", foot);
  return parts;
}

function fit(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(280, canvas.parentElement.clientWidth || 800);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  return { ratio, width, height };
}

// Shows `painter` in `el`: paints at most once per animation frame, and only when asked.
class Stage {
  constructor(model, el, painter) {
    Object.assign(this, { model, painter, now: Infinity, asked: false, painted: 0, oldest: Infinity });
    this.parts = skeleton(model, el);
    if (painter.tools) painter.tools(model, this.parts.tools);
    this.restyle();
    this.load();
    this.texts();
  }
  ask() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.paint(); });
  }
  restyle() {
    const style = this.model.get("look");
    this.parts.root.style.cssText = `--pio-font:${style.font}px;--pio-ink:${style.ink};--pio-ground:${style.ground}`;
    this.painter.restyle(style);
    this.ask();
  }
  texts() { texts(this.model, this.parts); }
  load() {
    const frame = unpack(this.model.get("frame") || {});
    if (frame.meta.kind) this.painter.load(frame);
    this.ask();
  }
  message(content, buffers) {
    const chunk = unpack(content, buffers);
    if (chunk.meta.kind === "append") this.painter.append(chunk);
    else this.painter.load(chunk);
    if (chunk.meta.at) this.oldest = Math.min(this.oldest, chunk.meta.at);
    this.ask();
  }
  clock(detail) {
    if (detail.clock !== this.model.get("clock")) return;
    this.now = detail.now;
    this.parts.slow.textContent = detail.words;
    this.ask();
  }
  paint() {
    const { canvas } = this.parts;
    if (!canvas.isConnected) return;
    const { ratio, width, height } = fit(canvas, this.painter.height(this.model.get("look")));
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = this.model.get("look").ground;
    ctx.fillRect(0, 0, width, height);
    this.painter.draw(ctx, width, height, this.now, ratio);
    this.report(canvas);
  }
  report(canvas) {
    this.painted += 1;
    canvas.dataset.paints = this.painted;
    canvas.dataset.events = this.painter.shown;
    if (this.oldest < Infinity) canvas.dataset.lag = Date.now() - this.oldest;
    this.oldest = Infinity;
  }
}

export function mount(model, el, painter) {
  const stage = new Stage(model, el, painter);
  const onClock = (event) => stage.clock(event.detail);
  const onMessage = (content, buffers) => stage.message(content, buffers);
  model.on("change:frame", () => stage.load());
  model.on("change:look", () => stage.restyle());
  model.on("msg:custom", onMessage);
  model.send("ready");
  for (const name of ["title", "alt", "badge", "dropped"]) model.on(`change:${name}`, () => stage.texts());
  for (const name of painter.traits || []) model.on(`change:${name}`, () => stage.ask());
  window.addEventListener("piotutor-clock", onClock);
  const watcher = new ResizeObserver(() => stage.ask());
  watcher.observe(stage.parts.root);
  return () => {
    window.removeEventListener("piotutor-clock", onClock);
    model.off("msg:custom", onMessage);
    watcher.disconnect();
  };
}

// While the widget lives here its still pictures, in the same output, are hidden.
export function hideTwin(clock) {
  const rule = document.createElement("style");
  rule.textContent = `@media screen { .pio-twin-${clock} { display: none; } }`;
  document.head.append(rule);
  return () => rule.remove();
}
