// The page: what stands where, which path and rev it shows, and how alive it is.
import {el, icon, renew, ask, hrefOf, parentOf, nameOf, join, number, clock, memory, note} from "./util.js";
import {Model, Dir} from "./model.js";
import {Stream} from "./stream.js";
import {Tree} from "./tree.js";
import {FilePanel, newFile} from "./file.js";
import {Finder} from "./find.js";
import {ClusterPage} from "./cluster.js";

const boot = JSON.parse(document.getElementById("boot").textContent);
const maxFolds = 2000; // directories whose state is remembered

// Folds are the directories that the reader opened or closed.
class Folds {
  constructor(key) {
    this.key = key;
    this.states = new Map(memory.get(key, []));
  }

  isOpen(path) { return this.states.get(path) === 1; }
  isClosed(path) { return this.states.get(path) === 0; }
  open(path) { this.put(path, 1); }
  close(path) { this.put(path, 0); }

  put(path, state) {
    this.states.delete(path);
    this.states.set(path, state);
    while (this.states.size > maxFolds) this.states.delete(this.states.keys().next().value);
    memory.set(this.key, [...this.states]);
  }
}

const folds = new Folds("folds " + boot.name);

// What is shown. rev is null for now.
const view = {
  page: boot.path === "" ? "cluster" : "tree",
  root: "/",
  file: null,
  rev: boot.at === "" || boot.gone ? null : Number(boot.at),
};
let model = null;
let shownModel = null; // the last one
let oldest = boot.oldest;

// The parts of the page.

const state = el("span", {id: "state", role: "status", "aria-live": "polite"});
const search = el("input", {type: "search", id: "search", placeholder: "Search: a word, or a glob like /app/**", "aria-label": "Search by path", autocomplete: "off", spellcheck: "false", enterkeyhint: "search"});
const treeLink = el("a", {href: "/", class: "tab"}, "Tree");
const clusterLink = el("a", {href: "/_/cluster", class: "tab"}, "Cluster");
const crumbs = el("nav", {class: "crumbs", "aria-label": "Path"});
const timeButton = el("button", {class: "quiet-button", id: "time-button", "aria-expanded": "false", title: "Go back in time"}, icon("clock"), el("span", {class: "wide"}, "Time"));
const newButton = boot.edit && boot.mayWrite && el("button", {class: "quiet-button", id: "new-file", title: "New file"}, icon("plus"), el("span", {class: "wide"}, "New file"));
const themeButton = el("button", {class: "quiet-button", id: "theme", "aria-label": "Colours"}, icon("theme"));
const banner = el("div", {id: "banner", hidden: true});

const tree = new Tree({onOpen: (path, isDir) => isDir ? go({root: path, file: null}) : go({file: path}), onDrawn: () => drawState(), hrefRev: () => view.rev});
const panel = new FilePanel({
  boot, rev: () => view.rev,
  onClose: () => {
    go({file: null});
    tree.box.focus({preventScroll: true});
  },
  onRev: (rev) => go({rev}),
});
const finder = new Finder({rev: () => view.rev, onOpen: (path) => go({file: path})});
const cluster = new ClusterPage();
const time = timeBar();
const main = el("main", {}, el("div", {class: "left"}, finder.element, tree.element), panel.element, cluster.element);

document.body.prepend(
  el("header", {class: "top"},
    el("a", {class: "brand", href: "/"}, el("img", {src: document.querySelector("link[rel=icon]").href, alt: "", width: 22, height: 22}), el("span", {}, boot.name)),
    el("nav", {class: "pages", "aria-label": "Pages"}, treeLink, clusterLink),
    el("label", {class: "search"}, icon("search"), search, el("kbd", {}, "/")),
    el("div", {class: "right"}, state, themeButton, boot.secrets && boot.mayWrite && signOut())),
  banner,
  el("div", {class: "bar"}, crumbs, el("div", {class: "tools"}, newButton, timeButton)),
  time.element, main,
  el("footer", {}, el("span", {}, "doozerd " + boot.version), el("span", {id: "node"}, boot.addr), el("span", {class: "id"}, boot.node)),
  el("p", {id: "note", role: "status"}));

function signOut() {
  return el("form", {method: "post", action: "/_/signout", class: "signout"}, el("button", {class: "quiet-button"}, "Sign out"));
}

// Where the reader is.

// go changes what is shown, and the address with it.
function go(change, how = "push") {
  const before = {...view};
  Object.assign(view, change, "page" in change ? {} : {page: "tree"});
  const url = view.page === "cluster" ? "/_/cluster" : hrefOf(view.file ?? view.root, view.rev);
  const entry = {...view};
  if (how === "push" && url !== location.pathname + location.search) history.pushState(entry, "", url);
  else history.replaceState(entry, "", url);
  show(before);
}

addEventListener("popstate", (event) => {
  if (!event.state) return location.reload();
  const before = {...view};
  Object.assign(view, event.state);
  show(before);
});

function show(before) {
  const isTree = view.page === "tree";
  document.title = (isTree ? view.file ?? view.root : "cluster") + " · " + boot.name + " · doozer";
  treeLink.setAttribute("aria-current", isTree ? "page" : "false");
  clusterLink.setAttribute("aria-current", isTree ? "false" : "page");
  document.body.classList.toggle("on-cluster", !isTree);
  document.body.classList.toggle("with-file", isTree && view.file !== null);
  document.body.classList.toggle("past", view.rev !== null);
  if (isTree) cluster.stop();
  else cluster.start();
  if (before.rev !== view.rev || before.root !== view.root || !model) begin([]);
  if (view.file === null) panel.hide();
  else if (before.file !== view.file || before.rev !== view.rev || panel.path !== view.file) panel.show(view.file);
  tree.shown = view.file;
  if (view.file !== null) tree.selected = view.file;
  drawCrumbs();
  time.draw();
  if (before.rev !== view.rev && finder.glob !== null) finder.search();
  drawState();
  tree.draw();
}

// begin makes a model of what is shown from now on.
function begin(lists) {
  const also = new Set(); // what is open stays so, at another rev or from another root
  if (shownModel) shownModel.each((dir) => also.add(dir.path));
  model = shownModel = new Model({
    root: view.root, rev: view.rev ?? stream.rev, frozen: view.rev !== null, folds, also,
    onChange: () => tree.draw(),
  });
  for (const list of lists) {
    openFor(list.dir);
    model.take(list);
  }
  tree.show(model);
}

// openFor opens the directory of a listing that came with the page, unless the reader closed it.
function openFor(path) {
  const above = path === view.root ? null : model.find(parentOf(path));
  const i = above ? above.indexOf(nameOf(path)) : -1;
  if (i >= 0 && !folds.isClosed(path) && !above.open.has(nameOf(path))) above.open.set(nameOf(path), new Dir(path, above.row(i).k, above));
}

function drawCrumbs() {
  const parts = [crumb("/", "/")];
  let path = "";
  for (const name of view.root.split("/").filter(Boolean)) {
    path = join(path || "/", name);
    parts.push(el("span", {class: "slash", "aria-hidden": "true"}, parts.length > 1 ? "/" : ""), crumb(path, name));
  }
  renew(crumbs, ...parts);
}

function crumb(path, text) {
  return el("a", {href: hrefOf(path, view.rev), "aria-current": path === view.root ? "location" : false, onclick: (e) => {
    if (e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    go({root: path, file: null});
  }}, text);
}

for (const [link, change] of [[treeLink, {page: "tree"}], [clusterLink, {page: "cluster"}]]) {
  link.addEventListener("click", (e) => {
    if (e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    go(change);
  });
}

// Time.

// timeBar is the slider over the revs in history, and what happened at the one that is shown.
function timeBar() {
  const slider = el("input", {type: "range", class: "slider", "aria-label": "Rev", step: "1"});
  const field = el("input", {type: "number", class: "rev-field", "aria-label": "Rev", min: "1", step: "1"});
  const what = el("span", {class: "happened"});
  const first = el("span", {class: "edge"}), last = el("span", {class: "edge"});
  const older = el("button", {class: "quiet-button", title: "One rev back ([)", "aria-label": "One rev back"}, icon("older"));
  const newer = el("button", {class: "quiet-button", title: "One rev on (])", "aria-label": "One rev on"}, icon("newer"));
  const live = el("button", {class: "action", id: "live-button"}, "Back to now");
  const element = el("div", {class: "time", hidden: true, role: "group", "aria-label": "Time"},
    el("div", {class: "time-line"}, first, slider, last), el("div", {class: "time-line"}, older, el("label", {}, "rev ", field), newer, what, live));
  let timer = 0;
  const to = (rev) => {
    const newest = stream.rev;
    rev = Math.max(oldest, Math.min(newest, Math.round(rev)));
    clearTimeout(timer);
    field.value = slider.value = rev;
    timer = setTimeout(() => go({rev}, view.rev === null ? "push" : "replace"), 60);
  };
  const now = () => view.rev ?? stream.rev;
  slider.addEventListener("input", () => to(slider.valueAsNumber));
  field.addEventListener("change", () => field.value && to(field.valueAsNumber));
  older.addEventListener("click", () => to(now() - 1));
  newer.addEventListener("click", () => to(now() + 1));
  live.addEventListener("click", () => {
    element.hidden = true;
    go({rev: null});
  });
  timeButton.addEventListener("click", () => {
    element.hidden = !element.hidden;
    if (element.hidden && view.rev !== null) go({rev: null});
    drawTime();
    if (!element.hidden) slider.focus();
  });
  let told = null;
  async function tell(rev) {
    if (told === rev) return;
    told = rev;
    what.textContent = "";
    if (rev === null) return;
    try {
      const e = await ask("/_/event", {rev});
      if (told !== rev) return;
      const did = e.error ? "a change failed: " + e.error : (e.del ? "deleted " : "set ");
      what.replaceChildren(did, e.error ? "" : el("a", {href: hrefOf(e.path, rev), onclick: (click) => {
        click.preventDefault();
        go({file: e.path});
      }}, e.path));
    } catch {
      what.textContent = "";
    }
  }
  function drawTime() {
    if (view.rev !== null) element.hidden = false;
    timeButton.setAttribute("aria-expanded", String(!element.hidden));
    if (element.hidden) return;
    slider.min = oldest;
    slider.max = stream.rev;
    if (document.activeElement !== slider || view.rev === null) slider.value = now();
    if (document.activeElement !== field) field.value = now();
    first.textContent = number(oldest);
    last.textContent = number(stream.rev);
    live.disabled = view.rev === null;
    tell(view.rev);
  }
  return {element, draw: drawTime, step: (by) => to(now() + by)};
}

// How alive it is. Of a rev it is told when the rows are drawn, not before.

const states = {
  opening: () => ["busy", "connecting…"],
  live: () => ["live", "live at rev " + number(stream.rev)],
  lost: () => ["lost", "reconnecting since " + clock(stream.since)],
  asleep: () => ["lost", "asleep since " + clock(stream.since)],
  refused: () => ["lost", "signed out"],
};

function drawState() {
  let [kind, text] = states[stream.state]();
  if (kind === "live" && view.rev !== null) [kind, text] = ["past", "rev " + number(view.rev) + " of " + number(stream.rev)];
  else if (kind === "live" && stream.cut) [kind, text] = ["lost", "no majority since " + clock(stream.cut)];
  else if (kind === "live" && view.page === "tree" && tree.behind()) [kind, text] = ["busy", "catching up to rev " + number(stream.rev)];
  if (state.textContent !== text) state.textContent = text;
  state.className = kind;
  state.dataset.rev = view.rev ?? stream.rev;
  const stale = kind === "lost" && view.rev === null;
  document.body.classList.toggle("stale", stale);
  drawBanner(stale);
}

function drawBanner(stale) {
  let parts = [];
  if (stream.state === "refused") parts = ["This page is signed out. ", el("a", {href: location.pathname + location.search}, "Sign in"), " to go on."];
  else if (stale && stream.state === "live") parts = ["This node has heard no majority since " + clock(stream.cut) + ". Nothing can be written here, and this is rev " + number(stream.rev) + ", which may be out of date."];
  else if (stale) parts = ["Not connected since " + clock(stream.since) + ". This is rev " + number(stream.rev) + ", and may be out of date."];
  else if (boot.gone) parts = ["Rev " + boot.at + " is not, or no longer, in history, which begins with rev " + number(oldest) + ". This is the tree now."];
  else if (boot.bad) parts = ["There is no such path: " + boot.bad + "."];
  banner.hidden = parts.length === 0;
  const text = parts.map((p) => p.textContent ?? p).join("");
  if (banner.textContent !== text) banner.replaceChildren(...parts);
  banner.classList.toggle("bad", stale || stream.state === "refused");
}

const stream = new Stream({
  cluster: boot.clusterID, rev: boot.rev,
  onFrame: (frame) => {
    stream.rev = frame.to;
    if (view.rev === null && model) model.apply(frame);
    panel.follow(frame);
    finder.follow(frame);
    time.draw();
    tree.draw(); // and then what is said of it
  },
  onHello: (hello, other) => {
    oldest = hello.oldest;
    document.getElementById("node").textContent = hello.addr;
    document.querySelector("footer .id").textContent = hello.node;
    if (!other) return;
    note("This is another cluster than before: its revs count anew.");
    boot.clusterID = hello.cluster;
    const before = {...view};
    view.rev = null;
    model = null;
    history.replaceState({...view}, "", view.page === "cluster" ? "/_/cluster" : hrefOf(view.file ?? view.root));
    show(before);
    if (view.file !== null) panel.show(view.file);
    if (finder.glob !== null) finder.search();
  },
  onState: () => {
    oldest = Math.max(oldest, stream.oldest);
    time.draw();
    if (stream.state === "live") tree.draw();
    else drawState();
  },
});

// Search, keys, colours.

let typing = 0;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(look, 180);
});
search.addEventListener("keydown", (e) => {
  if (e.key === "Enter") look();
  if (e.key === "Escape") {
    search.value = "";
    look();
    tree.box.focus();
  }
  e.stopPropagation();
});

function look() {
  clearTimeout(typing);
  if (view.page !== "tree") go({page: "tree"});
  document.body.classList.toggle("finding", search.value.trim() !== "");
  finder.look(search.value.trim());
}

addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName) || document.querySelector("dialog[open]")) return;
  if (e.key === "/") search.focus();
  else if (e.key === "[") time.step(-1);
  else if (e.key === "]" && view.rev !== null) time.step(1);
  else if (e.key === "Escape" && view.file !== null) go({file: null});
  else return;
  e.preventDefault();
});

const themes = ["auto", "light", "dark"];

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  themeButton.title = "Colours: " + theme;
  memory.set("theme", theme);
}

themeButton.addEventListener("click", () => setTheme(themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length]));
setTheme(memory.get("theme", "auto"));
if (newButton) newButton.addEventListener("click", () => newFile(view.root, (path) => {
  go({rev: null, file: path});
}));

// Begin with what came with the page.

if (boot.path !== "" && boot.bad === "") {
  view.root = boot.file ? parentOf(boot.path) : boot.path;
  view.file = boot.file ? boot.path : null;
  const kept = history.state;
  if (kept && kept.file === view.file && view.file !== null && kept.root) view.root = kept.root;
}
begin(boot.lists && boot.lists.length && boot.lists[0].dir === view.root ? boot.lists : []);
if (view.file !== null) panel.show(view.file, boot.file);
go({page: view.page}, "replace");
