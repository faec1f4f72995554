// What is known of the tree: the directories that are shown open, each as far as it was looked at, all as of one rev.
// Frames lead from rev to rev; a part of a listing that was asked for at one rev is brought to the present one by the frames that
// came meanwhile. Nothing here draws.
import {ask, join, parentOf, nameOf} from "./util.js";

const news = 1500; // milliseconds; what changes more often is not marked each time

// lowerBound returns the index of the first row that is not before name.
function lowerBound(rows, name) {
  let low = 0, high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].n < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

const rowIn = (rows, name) => {
  const i = lowerBound(rows, name);
  return i < rows.length && rows[i].n === name ? i : -1;
};

// A Dir is the entries of a directory, of which it holds some: runs of rows, each beginning at an offset, with gaps between them.
export class Dir {
  constructor(path, total, parent) {
    this.path = path;
    this.parent = parent;
    this.count = total;
    this.runs = []; // {at, rows}, in order, never adjacent
    this.open = new Map(); // the directories in it that are shown open, by name
    this.valid = true; // false: rows may be out of date, and have to be loaded again
    this.loading = false;
    this.notBefore = 0; // it is not asked for again before that time
  }

  row(i) {
    let low = 0, high = this.runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const run = this.runs[middle];
      if (i < run.at) high = middle - 1;
      else if (i >= run.at + run.rows.length) low = middle + 1;
      else return run.rows[i - run.at];
    }
    return null;
  }

  // runFor returns the index of the last run that does not begin after name, -1 if all do.
  runFor(name) {
    let low = 0, high = this.runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.runs[middle].rows[0].n <= name) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  // indexOf returns the offset of an entry, -1 if it is not loaded.
  indexOf(name) {
    const run = this.runs[this.runFor(name)];
    const i = run ? rowIn(run.rows, name) : -1;
    return i < 0 ? -1 : run.at + i;
  }

  shift(from, by) {
    for (let i = from; i < this.runs.length; i++) this.runs[i].at += by;
  }

  insert(row) {
    const k = this.runFor(row.n);
    const run = this.runs[k];
    const next = this.runs[k + 1];
    const i = run ? lowerBound(run.rows, row.n) : 0;
    if (run && (i < run.rows.length || !next && run.at + run.rows.length === this.count)) {
      run.rows.splice(i, 0, row);
    } else if (!run && next && next.at === 0) {
      next.rows.unshift(row);
      this.shift(1, 1);
      this.count++;
      return;
    } else if (!run && !next && this.count === 0) {
      this.runs.push({at: 0, rows: [row]});
      this.count++;
      return;
    } // else it is in a gap, which grows
    this.shift(k + 1, 1);
    this.count++;
  }

  remove(name) {
    const k = this.runFor(name);
    const run = this.runs[k];
    const i = run ? rowIn(run.rows, name) : -1;
    if (i >= 0) run.rows.splice(i, 1); // else it is in a gap, which shrinks
    this.shift(k + 1, -1);
    this.count--;
    this.open.delete(name);
    this.join();
  }

  // join makes one run of those that have no gap between them.
  join() {
    const joined = [];
    for (const run of this.runs) {
      const last = joined[joined.length - 1];
      if (run.rows.length === 0) continue;
      if (last && last.at + last.rows.length === run.at) last.rows = last.rows.concat(run.rows);
      else joined.push(run);
    }
    this.runs = joined;
  }

  // place fills gaps with what was loaded.
  place(first, rows) {
    let fresh = null;
    for (let i = 0; i < rows.length; i++) {
      if (this.row(first + i)) {
        fresh = null;
        continue;
      }
      if (!fresh) this.runs.push(fresh = {at: first + i, rows: [], fresh: true});
      fresh.rows.push(rows[i]);
      if (fresh.rows.length === 1) this.runs.sort((a, b) => a.at - b.at);
    }
    this.join();
  }

  // sane reports whether the entries are in order and no more than there are.
  sane() {
    let last = "", end = 0;
    for (const run of this.runs) {
      if (run.at < end) return false;
      for (const row of run.rows) {
        if (row.n <= last) return false;
        last = row.n;
      }
      end = run.at + run.rows.length;
    }
    return end <= this.count;
  }

  // kids returns the directories shown open in it whose rows are loaded, in order, as {at, dir}.
  kids() {
    const kids = [];
    for (const [name, dir] of this.open) {
      const at = this.indexOf(name);
      if (at >= 0) kids.push({at, dir});
    }
    return kids.sort((a, b) => a.at - b.at);
  }

  // apply brings a row up to date; it reports false if that contradicts what is known.
  apply({n, was, now}, at) {
    const i = this.indexOf(n);
    const row = i < 0 ? null : this.row(i);
    if (row && !was) return false;
    if (!now) {
      if (was) this.remove(n);
      return true;
    }
    if (!was) {
      this.insert(mark({...now}, null, at));
      return true;
    }
    if (row) {
      const old = {...row};
      for (const key of Object.keys(row)) delete row[key];
      mark(Object.assign(row, now), old, at);
      if (!row.d) this.open.delete(n);
    }
    return true;
  }
}

// mark notes when a row changed, for it to be shown.
function mark(row, old, at) {
  row.changed = at;
  row.hot = old && at - old.changed < news ? old.hot : at;
  return row;
}

// A Model is the directories below a root.
export class Model {
  constructor({root, rev, frozen, folds, also, onChange}) {
    this.rev = rev;
    this.frozen = frozen; // at this rev for ever
    this.folds = folds;
    this.also = also; // paths that are to be open, as they were before
    this.onChange = onChange;
    this.root = new Dir(root, 0, null);
    this.root.valid = false;
    this.recent = []; // frames that came while something was loading
    this.under = 0; // loads under way
    this.totals = new Map(); // of rows by directory, until something changes
    this.sorted = new Map(); // what kids returns, in the same way
  }

  changed() {
    this.totals.clear();
    this.sorted.clear();
    this.onChange();
  }

  each(visit, dir = this.root) {
    visit(dir);
    for (const kid of dir.open.values()) this.each(visit, kid);
  }

  // find returns the Dir of a path, if it is shown open.
  find(path) {
    if (path === this.root.path) return this.root;
    const above = this.root.path === "/" ? "/" : this.root.path + "/";
    if (!path.startsWith(above)) return null;
    let dir = this.root;
    for (const name of path.slice(above.length).split("/")) {
      dir = dir.open.get(name);
      if (!dir) return null;
    }
    return dir;
  }

  // Rows, counted through all directories that are shown open.

  total(dir = this.root) {
    let total = this.totals.get(dir);
    if (total === undefined) {
      total = this.kids(dir).reduce((sum, kid) => sum + this.total(kid.dir), dir.count);
      this.totals.set(dir, total);
    }
    return total;
  }

  kids(dir) {
    let kids = this.sorted.get(dir);
    if (!kids) this.sorted.set(dir, kids = dir.kids());
    return kids;
  }

  // at returns what is in a row: {dir, i, row, depth}; row is null while it is not loaded.
  at(k, dir = this.root, depth = 0) {
    let done = 0;
    for (const kid of this.kids(dir)) {
      const own = kid.at - done + 1;
      if (k < own) break;
      k -= own;
      done = kid.at + 1;
      const total = this.total(kid.dir);
      if (k < total) return this.at(k, kid.dir, depth + 1);
      k -= total;
    }
    return {dir, i: done + k, row: dir.row(done + k), depth};
  }

  // placeOf returns in which row a path is, -1 if it is in none.
  placeOf(path) {
    if (path === this.root.path) return -1;
    const dir = this.find(parentOf(path));
    const i = dir ? dir.indexOf(nameOf(path)) : -1;
    if (i < 0) return -1;
    const above = dir === this.root ? 0 : this.placeOf(dir.path) + 1;
    if (dir !== this.root && above === 0) return -1;
    return this.kids(dir).reduce((sum, kid) => kid.at < i ? sum + this.total(kid.dir) : sum, above + i);
  }

  // Folding.

  unfold(dir, row) {
    if (!row.d || dir.open.has(row.n)) return;
    dir.open.set(row.n, new Dir(join(dir.path, row.n), row.k || 0, dir));
    this.changed();
  }

  fold(dir, name) {
    dir.open.delete(name);
    this.changed();
  }

  // unfoldKnown opens what is remembered as open.
  unfoldKnown(dir, rows) {
    for (const row of rows) {
      const path = join(dir.path, row.n);
      if (row.d && (this.folds.isOpen(path) || this.also.has(path) && !this.folds.isClosed(path)) && !dir.open.has(row.n)) dir.open.set(row.n, new Dir(path, row.k || 0, dir));
    }
  }

  // Loading.

  // take puts a listing into its place, which was made at rev.
  take(list) {
    const dir = this.find(list.dir);
    if (!dir) return;
    const missed = this.frozen ? [] : this.recent.filter((f) => f.to > list.rev);
    const page = {first: list.first, count: list.count, rows: list.rows, fits: true};
    for (const frame of missed) bring(page, list, frame);
    if (!dir.valid) {
      dir.runs = [];
      dir.count = page.count;
    }
    dir.valid = page.fits && page.count === dir.count;
    dir.place(page.first, page.rows);
    if (!dir.sane()) {
      dir.runs = [];
      dir.valid = false;
    }
    for (const name of dir.open.keys()) {
      const i = dir.indexOf(name);
      if (i >= 0 && !dir.row(i).d) dir.open.delete(name);
    }
    for (const kid of dir.kids()) if (kid.dir.count !== (dir.row(kid.at).k || 0)) kid.dir.valid = false;
    this.unfoldKnown(dir, page.rows);
    if (!dir.valid) this.pause(dir, 150); // it changes faster than it can be looked at
    this.changed();
  }

  pause(dir, milliseconds) {
    dir.notBefore = Date.now() + milliseconds;
    setTimeout(() => this.changed(), milliseconds + 1);
  }

  // want sees to it that the rows of a directory from one offset to another are there.
  async want(dir, from, to) {
    if (dir.loading || Date.now() < dir.notBefore) return;
    let first = from;
    if (dir.valid) {
      while (first <= to && dir.row(first)) first++;
      if (first > to) return;
    }
    // Some rows before, for scrolling up, but none that are there.
    for (let back = 0; back < 50 && first > 0 && !(dir.valid && dir.row(first - 1)); back++) first--;
    await this.load(dir, first);
  }

  async load(dir, first) {
    dir.loading = true;
    this.under++;
    try {
      const rev = this.rev;
      const query = {dir: dir.path, first, rev};
      if (!this.frozen) query.live = 1;
      const list = await ask("/_/list", query);
      if (list.rev !== rev) dir.valid = false; // history is shorter than the way here: begin anew
      dir.loading = false;
      this.take(list);
    } catch {
      this.pause(dir, 1000);
    } finally {
      dir.loading = false;
      if (--this.under === 0) this.recent = [];
    }
  }

  // Frames.

  // apply goes on to a later rev, and returns the paths that changed.
  apply(frame) {
    const at = Date.now();
    const fits = frame.from === this.rev && !frame.all;
    if (this.under > 0) this.recent.push(fits ? frame : {...frame, all: true});
    this.rev = frame.to;
    if (!fits) this.each((dir) => dir.valid = false);
    for (const {d, k} of frame.dirs || []) {
      const dir = this.find(d);
      if (dir) dir.valid = false;
      this.warm(d, at);
    }
    for (const row of fits ? frame.rows || [] : []) this.applyRow(row, at);
    this.changed();
  }

  applyRow(row, at) {
    const dir = this.find(row.d);
    if (!dir) {
      if (!row.now || !row.now.d) this.warm(row.d, at);
      return;
    }
    if (!dir.valid) return; // it is loaded again anyway
    if (!dir.apply(row, at)) dir.valid = false;
    if (row.now && row.now.d) {
      const kid = dir.open.get(row.n);
      const i = dir.indexOf(row.n);
      if (i >= 0) {
        const r = dir.row(i);
        if (kid && row.was) r.hot = 0; // a number of entries is no news where they are shown
        if (!kid && !row.was) this.unfoldKnown(dir, [r]);
      }
      if (kid && !row.was) kid.valid = false;
    } else if (!row.now && dir !== this.root) {
      this.warm(dir.path, at);
    }
  }

  // warm marks the innermost directory on the page that holds a change.
  warm(path, at) {
    for (; path !== this.root.path && path !== "/"; path = parentOf(path)) {
      const dir = this.find(parentOf(path));
      const i = dir ? dir.indexOf(nameOf(path)) : -1;
      if (i >= 0) {
        const row = dir.row(i);
        mark(row, {...row}, at);
        return;
      }
    }
  }
}

// bring leads a part of a listing from one rev to the next. It does not fit where that cannot be known.
function bring(page, list, frame) {
  const touched = (frame.dirs || []).some(({d}) => d === list.dir);
  if (frame.all || touched || frame.from < list.rev) page.fits = false;
  for (const {d, n, was, now} of frame.rows || []) {
    if (d !== list.dir) continue;
    page.count += (now ? 1 : 0) - (was ? 1 : 0);
    const {rows} = page;
    if (rows.length === 0 || n > rows[rows.length - 1].n) continue;
    if (n < rows[0].n) {
      page.first += (now ? 1 : 0) - (was ? 1 : 0);
      continue;
    }
    const i = lowerBound(rows, n);
    const there = rows[i].n === n;
    if (there && now) rows[i] = {...now};
    else if (there) rows.splice(i, 1);
    else if (now) rows.splice(i, 0, {...now});
  }
}
