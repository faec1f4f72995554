// Search by glob, which the server answers.
import {el, ask, number, count, bytes, hrefOf} from "./util.js";
import {oneLine} from "./tree.js";

// globOf returns the glob that a reader means: a word alone is looked for anywhere in a path, and a path that ends with a slash, as
// every one does while it is typed, means all below it.
export const globOf = (text) => !text.startsWith("/") ? "/**" + text + "**" : text.endsWith("/") ? text + "**" : text;

// matcher returns a function that tells whether a path matches.
function matcher(glob) {
  const pattern = glob.replace(/\*{1,2}|[?.]/g, (w) => ({"**": ".*", "*": "[^/]*", "?": "[^/]", ".": "\\."})[w]);
  const expression = new RegExp("^" + pattern + "$");
  return (path) => expression.test(path);
}

const restFor = 700; // milliseconds between two searches because of changes

export class Finder {
  constructor({rev, onOpen}) {
    Object.assign(this, {rev, onOpen});
    this.glob = null;
    this.list = el("ol", {class: "found"});
    this.title = el("p", {class: "found-title", role: "status"});
    this.element = el("section", {class: "finder", "aria-label": "Found", hidden: true}, this.title, this.list);
  }

  async look(text) {
    this.glob = text ? globOf(text.trim()) : null;
    this.element.hidden = this.glob === null;
    if (this.glob !== null) await this.search();
  }

  async search() {
    const glob = this.glob;
    clearTimeout(this.timer);
    this.timer = 0;
    try {
      const query = this.rev() === null ? {glob} : {glob, rev: this.rev()};
      const found = await ask("/_/find", query);
      if (glob === this.glob) this.draw(found);
    } catch (e) {
      if (glob !== this.glob) return;
      this.title.textContent = e.status === 400 ? "Not a glob: " + e.message : "Not answered: " + e.message;
      this.list.replaceChildren();
    }
  }

  // follow searches again if a frame may have changed what was found.
  follow(frame) {
    if (this.glob === null || this.timer || this.rev() !== null) return;
    const matches = matcher(this.glob);
    const touched = !frame.rows || frame.rows.some(({d, n, now}) => !(now && now.d) && matches((d === "/" ? "" : d) + "/" + n));
    if (touched) this.timer = setTimeout(() => this.search(), restFor);
  }

  draw({rev, glob, more, files}) {
    this.title.replaceChildren(el("b", {}, (more ? "More than " : "") + count(files.length, "file", "files")), " match ", el("code", {}, glob), " at rev " + number(rev),
      more ? ". The first are shown." : "");
    this.update(files);
  }

  // update leaves in place what was found before: a reader may be about to click on it.
  update(files) {
    const items = new Map([...this.list.children].map((item) => [item.path, item]));
    const wanted = new Set(files.map((f) => f.n));
    for (const [path, item] of items) if (!wanted.has(path)) item.remove();
    files.forEach((f, i) => {
      const item = items.get(f.n) ?? this.makeItem(f.n);
      if (this.list.children[i] !== item) this.list.insertBefore(item, this.list.children[i] ?? null);
      item.fill(f);
    });
  }

  makeItem(path) {
    const link = el("a", {onclick: (e) => {
      if (e.ctrlKey || e.metaKey || e.shiftKey) return;
      e.preventDefault();
      this.onOpen(path);
    }}, path);
    const value = el("span"), size = el("span", {class: "size"}), rev = el("span", {class: "rev"});
    const item = el("li", {}, link, value, size, rev);
    item.path = path;
    item.fill = (f) => {
      link.href = hrefOf(path, this.rev());
      value.className = "value" + (f.x ? " hex" : "") + (f.s ? "" : " none");
      value.textContent = oneLine(f);
      size.textContent = bytes(f.s || 0);
      rev.textContent = number(f.r);
    };
    return item;
  }
}
