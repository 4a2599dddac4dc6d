// Known causes of slow I/O as a table of text: found, not found, or can't be told.
import { mount, words } from "./common.js";

const LOOKS = [["#009e73", "\u2013"], ["#d55e00", "!"], ["#767676", "?"]];
const FOUND = 1;

class Verdicts {
  constructor() { this.wide = 800; }
  restyle(style) { this.style = style; }
  load(frame) { this.frame = frame; }
  append(frame) { this.frame = frame; }
  get shown() { return this.frame ? this.frame.meta.rows.length : 0; }
  height(style) {
    if (!this.shown) return Math.round(style.font * 6);
    const lines = this.lines(style).reduce((sum, told) => sum + told.length + 0.6, 0);
    return Math.round(style.font * (1 + 1.35 * lines));
  }
  // The lines of each verdict: evidence and, where it is found, advice.
  lines(style) {
    const most = Math.max(20, Math.floor((this.wide - 10.5 * style.font) / (style.font * 0.52)));
    return this.frame.meta.rows.map((row) => [
      ...wrap(row.text, most), ...(row.advice ? wrap(`To do: ${row.advice}`, most) : [])]);
  }
  draw(ctx, w) {
    const { style, frame } = this;
    this.wide = w;
    if (!this.shown) return words(ctx, this.waiting(), w / 2, style.font * 3, style, { align: "center" });
    let y = style.font;
    const told = this.lines(style);
    frame.meta.rows.forEach((row, i) => {
      const [color, sign] = LOOKS[frame.found[i]];
      ctx.fillStyle = color;
      ctx.fillRect(2, y - style.font * 0.7, style.font * 1.4, style.font * 1.4);
      words(ctx, sign, 2 + style.font * 0.7, y, { ...style, ink: "#ffffff" }, { align: "center", weight: 700 });
      words(ctx, row.name, style.font * 2, y, style, { weight: frame.found[i] === FOUND ? 700 : "" });
      for (const line of told[i]) {
        words(ctx, line, style.font * 9.8, y, style);
        y += style.font * 1.35;
      }
      y += style.font * 0.6 * 1.35;
    });
    return undefined;
  }
  waiting() {
    return this.frame && this.frame.meta.waits ? "too many calls to judge while they are made" : "waiting for the first transfer";
  }
}

function wrap(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last && last.length + word.length >= most) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return lines;
}

export default {
  render({ model, el }) {
    return mount(model, el, new Verdicts());
  },
};
