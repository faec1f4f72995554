// The rows of the tree. Only those in sight are elements; all others are height.
import {el, icon, join, hrefOf, number, count, bytes} from "./util.js";

const around = 6; // rows beyond the edges
const hotFor = 2600; // milliseconds that a change stays marked
const tallest = 12e6; // pixels; browsers give up somewhat above

export class Tree {
  constructor({onOpen, onDrawn, hrefRev}) {
    this.onOpen = onOpen;
    this.onDrawn = onDrawn;
    this.hrefRev = hrefRev;
    this.model = null;
    this.selected = null; // path
    this.shown = null; // path of the file that is shown beside
    this.lines = new Map(); // the elements of the rows in sight, by key
    this.inSight = [];
    this.head = el("div", {class: "row head", "aria-hidden": "true"},
      el("span", {class: "name"}, "Name"), el("span", {class: "value"}, "Value"), el("span", {class: "size"}, "Size"), el("span", {class: "rev"}, "Rev"));
    this.sizer = el("div", {class: "sizer", role: "presentation"});
    this.empty = el("p", {class: "nothing"}, "Nothing here.");
    this.box = el("div", {class: "rows", role: "tree", tabindex: "0", "aria-label": "Tree", "aria-multiselectable": "false"}, this.sizer, this.empty);
    this.element = el("section", {class: "tree"}, this.head, this.box);
    this.box.addEventListener("scroll", () => this.draw(), {passive: true});
    this.box.addEventListener("keydown", (e) => this.key(e));
    this.box.addEventListener("click", (e) => this.click(e));
    this.box.addEventListener("focus", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  show(model) {
    this.model = model;
    this.drawn = null;
    this.draw();
  }

  // rowHeight is what the style says: it differs between a mouse and a finger.
  rowHeight() {
    return parseFloat(getComputedStyle(this.box).getPropertyValue("--row")) || 28;
  }

  draw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.drawNow();
      this.onDrawn();
    });
  }

  // measure returns what is in sight. Where the whole is taller than a browser can scroll, a pixel stands for more than one.
  measure() {
    const height = this.rowHeight();
    const total = this.model.total();
    const seen = this.box.clientHeight;
    const full = total * height;
    const tall = Math.min(full, tallest);
    const scroll = this.box.scrollTop;
    const top = full === tall || tall <= seen ? scroll : scroll / (tall - seen) * (full - seen);
    const first = Math.max(0, Math.floor(top / height) - around);
    const last = Math.min(total - 1, Math.ceil((top + seen) / height) + around);
    return {height, total, tall, first, last, offset: scroll - top};
  }

  drawNow() {
    if (!this.model || !this.box.isConnected) return;
    const m = this.measure();
    this.sizer.style.height = m.tall + "px";
    this.empty.hidden = m.total > 0 || !this.model.root.valid;
    const now = Date.now();
    const wanted = new Map();
    const places = [];
    for (let k = m.first; k <= m.last; k++) {
      const place = this.model.at(k);
      places.push(place);
      const range = wanted.get(place.dir);
      if (range) range[1] = place.i;
      else wanted.set(place.dir, [place.i, place.i]);
    }
    let hot = false, active = null;
    this.linesFor(places).forEach((line, n) => {
      line.element.style.transform = `translateY(${(m.first + n) * m.height + m.offset}px)`;
      this.fill(line, places[n], now);
      hot ||= line.hot;
      if (line.path !== null && line.path === this.selected) active = line.element;
    });
    if (active) this.box.setAttribute("aria-activedescendant", active.id);
    else this.box.removeAttribute("aria-activedescendant");
    if (!this.model.root.valid && !wanted.has(this.model.root)) wanted.set(this.model.root, [0, 0]);
    this.inSight = [...wanted.keys()];
    for (const [dir, [from, to]] of wanted) this.model.want(dir, from, to);
    if (hot && !this.cooling) {
      this.cooling = setTimeout(() => {
        this.cooling = 0;
        this.draw();
      }, hotFor);
    }
  }

  // behind reports whether something in sight waits to be brought up to date.
  behind() { return this.inSight.some((dir) => !dir.valid); }

  // linesFor returns the elements of rows. An entry keeps its element for as long as it is in sight, wherever it moves: a click
  // that began on it must not end on another.
  linesFor(places) {
    const keys = places.map(keyOf);
    const kept = new Map(keys.map((key) => [key, this.lines.get(key)]));
    const free = [];
    for (const [key, line] of this.lines) {
      if (kept.has(key)) continue;
      line.element.remove();
      line.heated = null;
      free.push(line);
    }
    this.lines = new Map(keys.map((key) => [key, kept.get(key) ?? free.pop() ?? this.makeLine()]));
    const lines = keys.map((key) => this.lines.get(key));
    let at = this.sizer.firstChild;
    for (const {element} of lines) { // in the order that they are read
      if (element === at) at = at.nextSibling;
      else this.sizer.insertBefore(element, at);
    }
    return lines;
  }

  makeLine() {
    const line = {
      path: null,
      indent: el("span", {class: "indent"}),
      twist: el("span", {class: "twist"}, icon("chevron")),
      link: el("a", {class: "label", tabindex: "-1"}),
      value: el("span", {class: "value"}),
      size: el("span", {class: "size"}),
      rev: el("span", {class: "rev"}),
    };
    line.element = el("div", {class: "row", role: "treeitem", id: "row" + ++this.made}, el("span", {class: "name"}, line.indent, line.twist, line.link), line.value, line.size, line.rev);
    return line;
  }

  made = 0;

  fill(line, {dir, i, row, depth}, now) {
    const e = line.element;
    e.classList.toggle("waiting", !row);
    e.classList.toggle("behind", !dir.valid);
    e.style.setProperty("--depth", depth);
    e.setAttribute("aria-level", depth + 1);
    e.setAttribute("aria-posinset", i + 1);
    e.setAttribute("aria-setsize", dir.count);
    line.path = row ? join(dir.path, row.n) : null;
    line.place = {dir, i, row};
    if (!row) {
      line.link.textContent = "";
      line.value.textContent = line.size.textContent = line.rev.textContent = "";
      line.hot = false;
      e.classList.remove("hot", "dir", "open", "selected", "shown");
      return;
    }
    e.dataset.path = line.path;
    const open = row.d && dir.open.has(row.n);
    e.classList.toggle("dir", !!row.d);
    e.classList.toggle("open", open);
    e.classList.toggle("selected", line.path === this.selected);
    e.classList.toggle("shown", line.path === this.shown);
    e.setAttribute("aria-selected", line.path === this.selected);
    if (row.d) e.setAttribute("aria-expanded", open);
    else e.removeAttribute("aria-expanded");
    set(line.link, row.n);
    line.link.href = hrefOf(line.path, this.hrefRev());
    this.fillCells(line, row);
    this.heat(line, row, now);
  }

  fillCells(line, row) {
    const text = row.d ? count(row.k || 0, "entry", "entries") : oneLine(row);
    set(line.value, text);
    line.value.className = "value" + (row.x ? " hex" : "") + (!row.d && !row.s ? " none" : "");
    set(line.size, row.d ? "" : bytes(row.s || 0));
    set(line.rev, row.d ? "" : number(row.r));
  }

  // heat marks a row that has just changed. The animation goes on where it was if the row is drawn by another element.
  heat(line, row, now) {
    const age = now - row.hot;
    line.hot = age < hotFor;
    const e = line.element;
    if (!line.hot) {
      e.classList.remove("hot");
      line.heated = null;
      return;
    }
    const key = line.path + " " + row.hot;
    if (line.heated === key) return;
    line.heated = key;
    e.classList.remove("hot");
    void e.offsetWidth; // so that the animation begins anew
    e.style.animationDelay = -age + "ms";
    e.classList.add("hot");
  }

  // What a reader does.

  click(event) {
    const e = event.target.closest(".row");
    const line = [...this.lines.values()].find((l) => l.element === e);
    if (!line || !line.place.row || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.selected = line.path;
    const {dir, row} = line.place;
    if (!row.d) this.onOpen(line.path);
    else this.toggle(dir, row);
    this.box.focus({preventScroll: true});
    this.draw();
  }

  toggle(dir, row) {
    const path = join(dir.path, row.n);
    if (dir.open.has(row.n)) {
      this.model.folds.close(path);
      this.model.fold(dir, row.n);
    } else {
      this.model.folds.open(path);
      this.model.unfold(dir, row);
    }
  }

  // reveal scrolls a row into sight.
  reveal(k) {
    const height = this.rowHeight();
    const total = this.model.total();
    const full = total * height, tall = Math.min(full, tallest), seen = this.box.clientHeight;
    const scale = full === tall || tall <= seen ? 1 : (tall - seen) / (full - seen);
    const top = this.box.scrollTop / scale;
    if (k * height < top) this.box.scrollTop = k * height * scale;
    else if ((k + 1) * height > top + seen) this.box.scrollTop = ((k + 1) * height - seen) * scale;
  }

  current() {
    const k = this.selected === null ? -1 : this.model.placeOf(this.selected);
    return k < 0 ? null : {k, ...this.model.at(k)};
  }

  move(k) {
    k = Math.max(0, Math.min(this.model.total() - 1, k));
    this.reveal(k);
    const {dir, row} = this.model.at(k);
    if (row) this.selected = join(dir.path, row.n);
    this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const now = this.current();
    const k = now ? now.k : -1;
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.rowHeight()) - 1);
    const moves = {
      ArrowDown: k + 1, j: k + 1, ArrowUp: k - 1, k: k - 1, PageDown: k + page, PageUp: k - page, Home: 0, End: Infinity,
    };
    if (event.key in moves) this.move(moves[event.key]);
    else if (!now || !this.act(event.key, now)) return;
    event.preventDefault();
  }

  // act does what a key means for the selected row, if anything.
  act(key, {k, dir, row}) {
    const open = row.d && dir.open.has(row.n);
    switch (key) {
      case "ArrowRight": case "l":
        if (open) this.move(k + 1);
        else if (row.d) this.toggle(dir, row);
        return true;
      case "ArrowLeft": case "h":
        if (open) this.toggle(dir, row);
        else if (dir.parent) this.move(this.model.placeOf(dir.path));
        return true;
      case "Enter": case " ":
        if (row.d && key === "Enter") this.onOpen(join(dir.path, row.n), true);
        else if (row.d) this.toggle(dir, row);
        else this.onOpen(join(dir.path, row.n));
        return true;
    }
    return false;
  }
}

const keyOf = ({dir, i, row}) => row ? join(dir.path, row.n) : dir.path + " " + i;

const set = (e, text) => {
  if (e.textContent !== text) e.textContent = text;
};

// oneLine returns what a row shows of a value.
export function oneLine(row) {
  if (!row.s) return "empty";
  const more = row.c ? " …" : "";
  if (row.x) return row.t.replace(/../g, "$& ").trim() + more;
  return row.t.replace(/\s+/g, " ").trim() + more;
}
