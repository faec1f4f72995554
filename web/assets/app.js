// Keeps the page as the tree is. All HTML comes from the server, which has
// escaped it; this script puts it into its place and asks for more of it.
const retryAfter = 1000; // milliseconds before a stream that failed is opened anew, at first
const retryAtMost = 30000;
const deadAfter = 30000; // the server says something every ten seconds
const newsAfter = 5000; // what changes more often than that is no news

let tree = document.getElementById("tree");
const status = document.getElementById("status");
const shownRev = document.getElementById("rev");
const blankDir = document.getElementById("dir");

const opened = new Set(); // directories that the reader has open
let during = null; // changes that came while a list was on its way
let loading = 0;
let seen = ""; // id of the newest change
let stream, watchdog, opening, retry = retryAfter;

// Places in the page.

function listOf(dir) {
  return tree.querySelector(`.list[data-dir="${dir}"]`);
}

function parentOf(path) {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function nameOf(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

function pathOf(row) {
  const dir = row.closest(".list").dataset.dir;
  return (dir === "/" ? "" : dir) + "/" + row.dataset.name;
}

// position returns the index of the first row of a list that is not before name.
function position(rows, name) {
  let low = 0, high = rows.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (rows[mid].dataset.name < name) low = mid + 1;
    else high = mid;
  }
  return low;
}

function rowOf(path) {
  const list = listOf(parentOf(path));
  const rows = list ? list.querySelector("ul").children : [];
  const row = rows[position(rows, nameOf(path))];
  return row && row.dataset.name === nameOf(path) ? row : null;
}

// put inserts a row where it belongs, or replaces the one of its name. It does
// not if that place is on a part of the list that is not loaded.
function put(list, row) {
  const rows = list.querySelector("ul").children;
  const at = position(rows, row.dataset.name);
  const there = rows[at];
  if (there && there.dataset.name === row.dataset.name) {
    there.replaceWith(row);
    return true;
  }
  const beyond = at === rows.length && list.querySelector(":scope > .more");
  const before = at === 0 && list.dataset.first !== "0";
  if (beyond || before) return false;
  list.querySelector("ul").insertBefore(row, there || null);
  return true;
}

// Changes.

function apply(change, visibly) {
  for (const dir of change.dirs) applyDir(dir);
  for (const file of change.files) applyFile(file, visibly);
  for (const dir of change.dirs) countRest(dir);
  shownRev.textContent = change.rev;
  tree.dataset.rev = change.rev;
}

function applyDir({path, count}) {
  if (path === "/") return;
  const row = rowOf(path);
  if (row && row.matches(".dir")) {
    if (count === 0) row.remove();
    else row.querySelector(".count").textContent = count;
    return;
  }
  const list = listOf(parentOf(path));
  if (count === 0 || !list) return;
  const made = blankDir.content.firstElementChild.cloneNode(true);
  made.dataset.name = nameOf(path);
  made.querySelector(".name").textContent = nameOf(path);
  made.querySelector(".count").textContent = count;
  const link = made.querySelector(".load");
  link.href = "/tree" + path;
  link.textContent = "list " + path;
  put(list, made);
}

function applyFile({path, html}, visibly) {
  const there = rowOf(path);
  if (html === "") {
    if (there && there.matches(".file")) there.remove();
    if (visibly) highlight(parentOf(path));
    return;
  }
  const list = listOf(parentOf(path));
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const row = holder.content.firstElementChild;
  if (!list || !put(list, row)) {
    if (visibly) highlight(parentOf(path));
    return;
  }
  row.changedAt = there ? there.changedAt : undefined;
  if (visibly) mark(row, row);
}

// countRest corrects how many entries of a directory are beyond its list.
function countRest({path, count}) {
  const list = listOf(path);
  const rest = list && list.querySelector(":scope > .more .rest");
  if (rest) rest.textContent = count - nextOffset(list);
}

function nextOffset(list) {
  return Number(list.dataset.first) + list.querySelector("ul").children.length;
}

// highlight marks the innermost directory on the page that holds a change.
function highlight(dir) {
  while (dir !== "/" && !rowOf(dir)) dir = parentOf(dir);
  if (dir !== "/") mark(rowOf(dir), rowOf(dir).querySelector("summary"));
}

// mark makes part of a row show for a moment that the row has changed, unless
// it changes all the time.
function mark(row, part) {
  const news = !(Date.now() - row.changedAt < newsAfter);
  row.changedAt = Date.now();
  if (!news) return;
  part.classList.remove("changed");
  void part.offsetWidth; // so that the animation begins anew
  part.classList.add("changed");
}

// Lists.

// load replaces a link with the list that it leads to, as of the rev shown.
async function load(link) {
  if (link.hasAttribute("aria-busy")) return;
  link.setAttribute("aria-busy", "true");
  const url = new URL(link.href);
  url.searchParams.set("part", "list");
  url.searchParams.set("rev", tree.dataset.rev);
  if (link.matches(".more")) url.searchParams.set("offset", nextOffset(link.closest(".list")));
  if (loading++ === 0) during = [];
  try {
    const answer = await fetch(url);
    if (answer.status === 410) return reload();
    if (!answer.ok) throw new Error(answer.statusText);
    place(link, await answer.text());
    for (const change of during) apply(change, false);
  } catch {
    link.removeAttribute("aria-busy"); // it can be asked for again
  } finally {
    if (--loading === 0) during = null;
  }
}

function place(link, html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const list = holder.content.querySelector(".list");
  if (link.matches(".load")) {
    link.replaceWith(list);
    return reopen(list);
  }
  const above = link.closest(".list");
  const first = above.querySelector("ul").children.length;
  above.querySelector("ul").append(...list.querySelector("ul").children);
  const more = list.querySelector(".more");
  if (more) link.replaceWith(more);
  else link.remove();
  const row = above.querySelector("ul").children[first];
  const target = row && row.querySelector("a, summary");
  if (target) target.focus({preventScroll: true});
  reopen(above);
}

function reopen(list) {
  for (const details of list.querySelectorAll("details:not([open])")) {
    if (opened.has(pathOf(details.parentElement))) details.open = true;
  }
}

// The stream.

function say(text, kind) {
  if (status.textContent !== text) status.textContent = text;
  status.className = kind;
}

function followIn(milliseconds) {
  clearTimeout(opening);
  opening = setTimeout(follow, milliseconds);
}

function follow() {
  stream = new EventSource("/events?after=" + encodeURIComponent(seen));
  stream.addEventListener("ping", heard);
  stream.addEventListener("change", (message) => {
    heard();
    seen = message.lastEventId;
    const change = JSON.parse(message.data);
    if (during) during.push(change);
    apply(change, true);
  });
  stream.addEventListener("reset", reload);
  stream.addEventListener("error", lost);
  expectSign();
}

function heard() {
  retry = retryAfter;
  say("live", "live");
  expectSign();
}

function expectSign() {
  clearTimeout(watchdog);
  watchdog = setTimeout(lost, deadAfter);
}

function lost() {
  stream.close();
  clearTimeout(watchdog);
  say("not connected, trying again", "lost");
  followIn(retry);
  retry = Math.min(2 * retry, retryAtMost);
}

// reload takes the whole tree anew: what the page shows cannot be continued.
async function reload() {
  stream.close();
  clearTimeout(watchdog);
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    tree.replaceWith(fresh.getElementById("tree"));
    begin();
    followIn(retryAfter);
  } catch {
    lost();
  }
}

function begin() {
  tree = document.getElementById("tree");
  if (during) during = []; // what came before is older than this tree
  seen = tree.dataset.node + "." + tree.dataset.rev;
  shownRev.textContent = tree.dataset.rev;
  document.querySelector(".id").textContent = tree.dataset.node;
  reopen(tree);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest(".more, .load");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  load(link);
});

// Toggling does not bubble, so it is caught on its way down.
document.addEventListener("toggle", (event) => {
  const details = event.target;
  if (!details.matches(".dir > details")) return;
  const path = pathOf(details.parentElement);
  if (!details.open) {
    opened.delete(path);
    return;
  }
  opened.add(path);
  const link = details.querySelector(":scope > .load");
  if (link) load(link);
}, true);

begin();
follow();
