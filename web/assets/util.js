// Small things that several scripts need.

// el makes an element. Text is text: nothing here becomes markup.
export function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) e[name] = value;
    else if (name === "class") e.className = value;
    else e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

// renew gives an element new children, but leaves in place those that are still what they were: a reader may be writing in one,
// about to click on it, or copying from it.
export function renew(e, ...children) {
  let at = e.firstChild;
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    const fresh = child instanceof Node ? child : document.createTextNode(child);
    let old = at;
    while (old && !same(old, fresh)) old = old.nextSibling;
    if (!old) {
      e.insertBefore(fresh, at);
      continue;
    }
    at = removeTo(at, old).nextSibling;
    become(old, fresh);
  }
  while (at) at = removeTo(at, at.nextSibling);
}

// removeTo removes what comes before a sibling, and returns that.
function removeTo(at, end) {
  while (at !== end) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
  return end;
}

// What an element is, is said by its key, or else by the first of its classes.
const keyOf = (e) => e.getAttribute("data-key") ?? (e.getAttribute("class") || "").split(" ")[0];
const same = (a, b) => a.nodeName === b.nodeName && (a.nodeType !== Node.ELEMENT_NODE || keyOf(a) === keyOf(b));

function become(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const {name} of [...old.attributes]) if (!fresh.hasAttribute(name) && !isReaders(old, name)) old.removeAttribute(name);
  for (const {name, value} of fresh.attributes) if (old.getAttribute(name) !== value && !isReaders(old, name)) old.setAttribute(name, value);
  for (const handler of ["onclick", "oninput", "onsubmit"]) old[handler] = fresh[handler];
  if (old.nodeName === "TEXTAREA" && old.value !== fresh.value) old.value = fresh.value;
  renew(old, ...fresh.childNodes);
}

// isReaders reports whether an attribute is the reader's to change.
const isReaders = (e, name) => e.nodeName === "DETAILS" && name === "open";

const svgNS = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const e = document.createElementNS(svgNS, tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

// icon draws one of a few pictures of 16 by 16.
export function icon(name) {
  const paths = {
    chevron: "M6 4l4 4-4 4",
    close: "M4 4l8 8M12 4l-8 8",
    copy: "M6 6h7v7H6zM3 10V3h7",
    clock: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11M8 5v3.2l2 1.3",
    plus: "M8 3v10M3 8h10",
    search: "M7 3a4 4 0 1 0 0 8a4 4 0 0 0 0-8M10 10l3.5 3.5",
    older: "M10 4l-4 4 4 4",
    newer: "M6 4l4 4-4 4",
    theme: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11",
    key: "M10 3a3 3 0 1 0 0 6a3 3 0 0 0 0-6M8 8l-5 5M5 11l1.5 1.5",
    back: "M13 8H3M7 4L3 8l4 4",
  };
  return svg("svg", {viewBox: "0 0 16 16", width: 16, height: 16, class: "icon", "aria-hidden": "true"},
    svg("path", {d: paths[name], fill: "none", stroke: "currentColor", "stroke-width": 1.5, "stroke-linecap": "round", "stroke-linejoin": "round"}));
}

export const parentOf = (path) => path.slice(0, path.lastIndexOf("/")) || "/";
export const nameOf = (path) => path.slice(path.lastIndexOf("/") + 1);
export const join = (dir, name) => (dir === "/" ? "" : dir) + "/" + name;

// What is at these paths is for machines, so the pages of such files are elsewhere.
const taken = /^\/(events|metrics|livez|readyz|debug\/pprof(\/.*)?)$/;

// hrefOf returns where the page of a path is. A browser would change a path with . or .. in it, but leaves a query alone.
export function hrefOf(path, rev = null) {
  const changed = path.split("/").some((name) => name === "." || name === "..");
  const query = new URLSearchParams();
  if (rev !== null) query.set("rev", rev);
  let base = path;
  if (changed || taken.test(path)) {
    base = "/";
    query.set("path", path);
  }
  const text = query.toString().replaceAll("%2F", "/");
  return text ? base + "?" + text : base;
}

const grouped = new Intl.NumberFormat("en");
export const number = (n) => grouped.format(n);
export const count = (n, one, many) => number(n) + " " + (n === 1 ? one : many);

export function bytes(n) {
  if (n < 1000) return n + " B";
  for (const unit of ["kB", "MB", "GB"]) {
    n /= 1000;
    if (n < 999.5) return (n < 9.95 ? n.toFixed(1) : Math.round(n)) + " " + unit;
  }
  return Math.round(n) + " GB";
}

export const clock = (date) => date.toLocaleTimeString("en-GB");

// A store of what this browser remembers; it may be unable to.
export const memory = {
  get(key, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(key)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
    } catch {
      // then it is forgotten
    }
  },
};

export class Failure extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

// ask gets an answer from the server: an object, or the text if it is none.
export async function ask(path, query) {
  const answer = await fetch(path + "?" + new URLSearchParams(query), {headers: {Accept: "application/json"}});
  if (!answer.ok) throw new Failure(answer.status, (await answer.text()).trim());
  return answer.json();
}

export async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = el("textarea", {class: "offscreen"}); // without TLS there is no other way
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

let noteTimer;

// note shows a sentence for a moment.
export function note(text) {
  const box = document.getElementById("note");
  box.textContent = text;
  box.classList.add("shown");
  clearTimeout(noteTimer);
  noteTimer = setTimeout(() => box.classList.remove("shown"), 3500);
}
