// The file that is shown beside the tree: its value, its history, and, where that is allowed, what changes it.
import {el, icon, renew, ask, Failure, number, bytes, hrefOf, parentOf, nameOf, copyText, note} from "./util.js";
import {valueBox, layout, hexLines} from "./value.js";
import {diff, folded} from "./diff.js";

const roomFor16 = 600; // pixels

export class FilePanel {
  constructor({boot, rev, onClose, onRev}) {
    Object.assign(this, {boot, rev, onClose, onRev});
    this.path = null;
    this.tab = "value";
    this.raw = false;
    this.each = 16;
    this.drafts = new Map(); // what is being written, by path: nobody who looks at another file loses it
    this.element = el("aside", {class: "panel", "aria-label": "File", tabindex: "-1", hidden: true});
    this.element.addEventListener("keydown", (e) => {
      if (e.key !== "Escape") return;
      e.stopPropagation();
      if (!this.editing) this.onClose();
    });
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  // fit shows as many bytes in a line as there is room for.
  fit() {
    const each = this.element.clientWidth < roomFor16 ? 8 : 16;
    if (this.path === null || each === this.each) return;
    this.each = each;
    this.draw();
  }

  show(path, given = null) {
    this.path = path;
    this.element.hidden = false;
    this.editing = this.rev() === null ? this.drafts.get(path) ?? null : null;
    this.file = this.problem = this.turn = null;
    this.history = this.historyTurn = null;
    this.historyDue = true;
    this.whole = new Set(); // the long values that the reader unfolded
    if (given && given.path === path) {
      this.file = given;
      this.draw();
    } else {
      this.draw(); // nothing of the file before may be clicked on any more
      this.load();
    }
  }

  hide() {
    this.path = this.turn = this.historyTurn = null;
    this.element.hidden = true;
  }

  // follow looks again if a frame may be about this file.
  follow(frame) {
    if (this.path === null || this.rev() !== null) return;
    const dir = parentOf(this.path), name = nameOf(this.path);
    const touched = frame.all || (frame.dirs || []).some(({d}) => d === dir) || (frame.rows || []).some(({d, n}) => d === dir && n === name);
    if (touched) this.loadSoon();
  }

  // loadSoon loads again, but not before a load under way has ended.
  loadSoon() {
    if (this.turn) this.again = true;
    else this.load();
  }

  // load gets the file. Of two loads under way, the later one counts.
  async load() {
    const path = this.path, rev = this.rev();
    const turn = this.turn = {};
    this.again = false;
    await this.loadAt(path, rev, turn);
    if (this.turn !== turn) return;
    this.turn = null;
    if (this.again) setTimeout(() => this.path === path && !this.turn && this.load(), 100);
  }

  async loadAt(path, rev, turn) {
    try {
      const query = rev === null ? {path} : {path, rev};
      const file = await ask("/_/file", query);
      if (this.turn !== turn) return;
      const changed = this.file && this.file.rev !== file.rev;
      this.file = file;
      this.problem = null;
      if (changed) this.historyDue = true;
    } catch (e) {
      if (this.turn !== turn) return;
      this.problem = e instanceof Failure ? e.message : "The server cannot be reached.";
      if (!(e instanceof Failure)) setTimeout(() => this.path === path && !this.turn && this.load(), 2000);
    }
    this.draw();
  }

  async loadHistory() {
    const path = this.path, rev = this.rev();
    const turn = this.historyTurn = {};
    this.historyDue = false;
    try {
      const history = await ask("/_/history", rev === null ? {path} : {path, rev});
      if (this.historyTurn !== turn) return;
      this.history = history;
      this.draw();
    } catch (e) {
      if (this.historyTurn !== turn) return;
      if (e instanceof Failure) note(e.message);
      else setTimeout(() => this.historyTurn === turn && this.loadHistory(), 2000);
    }
  }

  draw() {
    const focused = this.element.contains(document.activeElement);
    const {file} = this;
    const parts = [this.top()];
    if (this.problem) parts.push(el("p", {class: "problem"}, this.problem));
    if (file && this.editing) parts.push(this.form());
    else if (file) parts.push(...this.body(file));
    renew(this.element, ...parts);
    if (focused && !this.element.contains(document.activeElement)) this.element.focus({preventScroll: true});
  }

  top() {
    const up = parentOf(this.path);
    return el("header", {class: "panel-top"},
      el("button", {class: "quiet-button close", "data-key": "close", title: "Close (Esc)", "aria-label": "Close", onclick: () => this.onClose()}, icon("close")),
      el("h2", {}, el("span", {class: "above"}, up === "/" ? "/" : up + "/"), nameOf(this.path)));
  }

  body(file) {
    if (file.rev === 0) return this.missing(file);
    if (file.rev === -2) return [el("p", {class: "none"}, "This is a directory now.")];
    const tabs = el("div", {class: "tabs", role: "tablist"}, this.tabButton("value", "Value"), this.tabButton("history", "History"));
    return [this.facts(file), tabs, this.tab === "value" ? this.value(file) : this.past()];
  }

  missing(file) {
    const create = this.boot.edit && this.boot.mayWrite && this.rev() === null;
    return [
      el("p", {class: "none missing"}, "There is no such file at rev " + number(file.at) + "."),
      create && el("div", {class: "actions"}, this.action("create", "Create it", () => this.edit(0, ""))),
      el("div", {class: "tabs"}, el("h3", {}, "History")), this.past(),
    ].filter(Boolean);
  }

  facts(file) {
    const kind = file.size === 0 ? "empty" : !file.text ? "binary" : !file.c && layout(file.t) !== null ? "JSON" : "text";
    return el("p", {class: "facts"},
      el("span", {class: "fact rev"}, "rev ", el("b", {}, number(file.rev))),
      el("span", {class: "fact"}, bytes(file.size)), el("span", {class: "fact"}, kind));
  }

  tabButton(name, label) {
    const chosen = this.tab === name;
    return el("button", {role: "tab", "aria-selected": String(chosen), "data-key": "tab-" + name, class: chosen ? "chosen" : "", onclick: () => {
      this.tab = name;
      this.draw();
    }}, label);
  }

  action(key, label, onclick, picture = null, kind = "") {
    return el("button", {type: "button", "data-key": key, class: "action " + kind, onclick}, picture && icon(picture), label);
  }

  value(file) {
    const json = file.text && !file.c && layout(file.t) !== null && layout(file.t) !== file.t;
    const link = this.linkOf("/_/raw", file);
    const permalink = hrefOf(this.path, file.at);
    const actions = el("div", {class: "actions"},
      this.action("copy", "Copy value", () => this.copyValue(file), "copy"),
      el("a", {class: "action", "data-key": "permalink", href: permalink, title: "This path at this rev, for as long as that is in history"}, "Permalink"),
      el("a", {class: "action", "data-key": "raw", href: link}, "Raw"),
      json && this.action("layout", this.raw ? "Lay out" : "As stored", () => {
        this.raw = !this.raw;
        this.draw();
      }),
      ...this.changers(file));
    const cut = file.c && el("p", {class: "cut"}, "Only the beginning is shown. ", el("a", {href: link}, "All " + bytes(file.size)));
    return el("div", {class: "value-tab", role: "tabpanel"}, actions, this.box("value", file, this.raw), cut);
  }

  // box shows a value; of which of the panel's values it is, key says.
  box(key, v, raw = false) {
    return valueBox(v, {raw, each: this.each, whole: this.whole.has(key), onWhole: () => {
      this.whole.add(key);
      this.draw();
    }});
  }

  linkOf(path, file) {
    return path + "?" + new URLSearchParams({path: this.path, rev: file.at});
  }

  // changers are the buttons that change the file, where that is allowed.
  changers(file) {
    if (!this.boot.edit || this.rev() !== null) return [];
    if (!this.boot.mayWrite) {
      return [el("a", {class: "action", href: "/_/signin?" + new URLSearchParams({next: location.pathname + location.search})}, icon("key"), "Sign in to edit")];
    }
    const editable = file.text && !file.c && !file.t.includes("\r"); // what a text area would change, it must not touch
    return [
      editable && this.action("edit", "Edit", () => this.edit(file.rev, file.t)),
      this.action("delete", "Delete", () => this.confirmDelete(file), null, "danger"),
    ].filter(Boolean);
  }

  async copyValue(file) {
    try {
      let text = file.t || "";
      if (!file.text) text = hexLines(file.t).join("\n");
      else if (file.c) text = await (await fetch(this.linkOf("/_/raw", file))).text();
      await copyText(text);
      note(file.text ? "Copied the value." : "Copied the bytes that are shown.");
    } catch {
      note("The browser did not let it be copied.");
    }
  }

  // History.

  past() {
    if (this.historyDue) this.loadHistory();
    if (!this.history) return el("p", {class: "none"}, "…");
    const {versions, oldest, more, at} = this.history;
    const list = versions.map((v, i) => this.version(v, versions[i + 1], i));
    const end = more ? "Older versions are not shown." : "History is kept from rev " + number(oldest) + " on.";
    if (versions.length === 0) list.push(el("li", {class: "none"}, "Nothing happened to it up to rev " + number(at) + "."));
    return el("div", {class: "history-tab", role: "tabpanel"}, el("ol", {class: "versions"}, ...list), el("p", {class: "cut"}, end));
  }

  version(v, older, i) {
    const what = v.base ? "set before the history" : v.del ? "deleted" : "set";
    const title = el("div", {class: "version-top"},
      el("b", {}, "rev " + number(v.rev)), el("span", {class: v.del ? "what del" : "what"}, what), el("span", {class: "quiet"}, v.del ? "" : bytes(v.size)),
      !v.base && el("button", {class: "link", "data-key": "at-" + v.rev, onclick: () => this.onRev(v.rev)}, "tree at this rev"));
    const details = el("details", {open: i < 3}, el("summary", {}, older && !older.del && !v.del ? "changes" : "value"), this.difference(v, older));
    return el("li", {class: "version", "data-key": "version-" + v.rev}, title, !v.del && details);
  }

  difference(v, older) {
    if (!older || older.del || v.del || v.x || older.x || v.c || older.c || !v.size) return this.box(v.rev, v);
    const [before, after] = [older.t || "", v.t || ""].map((t) => layout(t) ?? t);
    const lines = diff(before, after);
    if (!lines) return this.box(v.rev, v);
    if (lines.every(({kind}) => kind === " ")) return el("p", {class: "none"}, older.t === v.t ? "The same value again." : "The same, laid out differently.");
    return el("div", {class: "diff"}, ...folded(lines).map(({kind, text}) =>
      el("div", {class: {"+": "added", "-": "removed", "…": "equal"}[kind] || ""}, el("span", {class: "sign"}, kind === "…" ? "" : kind), text)));
  }

  // Editing. The guard is the rev that was on the page: who was faster wins.

  edit(guard, text) {
    this.editing = {guard, text, saving: false};
    this.drafts.set(this.path, this.editing);
    this.draw();
    this.element.querySelector("textarea").focus();
  }

  form() {
    const e = this.editing;
    const area = el("textarea", {"data-key": "area", spellcheck: "false", "aria-label": "Value", rows: "14", oninput: (event) => e.text = event.target.value});
    area.value = e.text;
    return el("form", {class: "edit", onsubmit: (event) => {
      event.preventDefault();
      this.save(e);
    }}, this.overtaken(e), e.problem && el("p", {class: "problem", "data-key": "problem", role: "alert"}, e.problem), area, el("div", {class: "actions"},
      el("button", {class: "action main", "data-key": "save"}, "Save"),
      this.action("cancel", "Cancel", () => {
        this.stopEditing(this.path);
        this.draw();
      }),
      el("span", {class: "quiet"}, e.guard ? "if it is still at rev " + number(e.guard) : "if there is still none")));
  }

  stopEditing(path) {
    this.drafts.delete(path);
    if (this.path === path) this.editing = null;
  }

  // overtaken says what became of the file while it is edited.
  overtaken({guard, saving}) {
    const {rev} = this.file;
    if (rev === guard || saving) return null;
    const text = rev > 0 ? "It was changed at rev " + number(rev) + " meanwhile: saving will be refused." :
      rev < 0 ? "It is a directory now: saving will be refused." : "It was deleted meanwhile: saving makes it anew.";
    return el("p", {class: "problem", "data-key": "overtaken", role: "alert"}, text);
  }

  async save(e) {
    if (e.saving) return;
    const {path} = this;
    e.saving = true;
    const failed = await change({op: "set", path, rev: e.guard, value: e.text});
    e.saving = false;
    if (failed) e.problem = failed;
    else this.stopEditing(path);
    note(failed ? "Not saved." : "Saved.");
    if (this.path !== path) return;
    if (failed) this.draw();
    else this.load();
  }

  confirmDelete(file) {
    const dialog = el("dialog", {class: "ask"},
      el("h2", {}, "Delete this file?"), el("p", {class: "path"}, this.path),
      el("p", {class: "quiet"}, "It is at rev " + number(file.rev) + ". If it changes before, it is not deleted."),
      el("div", {class: "actions"},
        el("button", {class: "action danger main", "data-key": "confirm", onclick: async () => {
          dialog.close();
          const failed = await change({op: "del", path: this.path, rev: file.rev});
          if (failed) note(failed);
          else note("Deleted.");
          this.load();
        }}, "Delete"),
        el("button", {class: "action", autofocus: true, onclick: () => dialog.close()}, "Keep")));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }
}

// change asks the server for a change, and returns why it did not happen, if it did not.
export async function change(request) {
  try {
    const answer = await fetch("/_/edit", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(request)});
    const {error} = await answer.json();
    if (!error) return null;
    return error === "rev mismatch" ? "Somebody was faster: it is not at the rev that was shown. Nothing was changed." : sentence(error);
  } catch {
    return "The server cannot be reached; nobody knows whether it happened.";
  }
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + ".";

// newFile asks for a path and opens its file.
export function newFile(dir, onPath) {
  const path = el("input", {name: "path", required: true, autocomplete: "off", spellcheck: "false", pattern: "(/[A-Za-z0-9.\\-]+)+", title: "Names of letters, digits, dots and hyphens, each after a slash"});
  path.value = dir === "/" ? "/" : dir + "/";
  const dialog = el("dialog", {class: "ask"}, el("h2", {}, "New file"), el("form", {method: "dialog", onsubmit: () => onPath(path.value)},
    el("label", {}, "Path", path),
    el("div", {class: "actions"}, el("button", {class: "action main"}, "Go on"), el("button", {class: "action", type: "button", onclick: () => dialog.close()}, "Cancel"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  path.setSelectionRange(path.value.length, path.value.length);
}
