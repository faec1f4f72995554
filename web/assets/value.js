// How a value is shown: as text, as JSON laid out, or as bytes.
import {el, count} from "./util.js";

const foldAt = 60; // lines

// layout returns JSON laid out, or null if the text is none, or is a bare word that needs no layout.
export function layout(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

// hexLines returns bytes, given in hex, some to a line with their offsets and what they are in ASCII.
export function hexLines(hex, each = 16) {
  const lines = [], digits = hex.length > 2 * 0x10000 ? 8 : 4;
  for (let i = 0; i < hex.length; i += 2 * each) {
    const part = hex.slice(i, i + 2 * each).match(/../g);
    const ascii = part.map((b) => parseInt(b, 16)).map((c) => c > 31 && c < 127 ? String.fromCharCode(c) : "·").join("");
    const bytes = [...part, ...Array(each - part.length).fill("  ")];
    if (each > 8) bytes.splice(8, 0, "");
    lines.push((i / 2).toString(16).padStart(digits, "0") + "  " + bytes.join(" ") + "  " + ascii);
  }
  return lines;
}

// valueBox shows v: {t, x, c, size}; what is long, only if whole; else the reader can ask for that. Each is how many bytes are a line.
export function valueBox(v, {raw, whole, onWhole, each}) {
  if (!v.size) return el("p", {class: "none"}, "Empty.");
  const json = v.x || v.c ? null : layout(v.t);
  const text = v.x ? hexLines(v.t, each).join("\n") : json !== null && !raw ? json : v.t;
  return foldable(text, v.x ? "bytes" : "text", whole, onWhole);
}

function foldable(text, kind, whole, onWhole) {
  const lines = text.split("\n");
  const long = !whole && lines.length > foldAt + 5;
  return el("div", {class: "value-box"},
    el("pre", {class: "body " + kind, tabindex: "0"}, long ? lines.slice(0, foldAt).join("\n") : text),
    long && el("button", {class: "more", type: "button", onclick: onWhole}, "Show " + count(lines.length - foldAt, "more line", "more lines")));
}
