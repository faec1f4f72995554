package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/ha/doozerd/store"
)

// Limits of one answer.
const (
	// MaxRows bounds the rows of a directory in one answer.
	MaxRows = 200

	// MaxOpen bounds the rows of the directories that a page shows open at
	// first.
	MaxOpen = 60

	// MaxFound bounds the files that a search finds.
	MaxFound = 1000

	// MaxVersions bounds the versions in the history of a file.
	MaxVersions = 200

	// MaxLookBack bounds the revs that are looked through for them.
	MaxLookBack = 1 << 18
)

// A row is an entry of a directory, as pages are told of it. The names of
// fields are short because there are many.
type row struct {
	Name  string `json:"n"`
	Dir   bool   `json:"d,omitempty"`
	Count int    `json:"k,omitempty"` // entries of a directory
	Rev   int64  `json:"r,omitempty"` // of a file
	Size  int    `json:"s,omitempty"` // of its body, in bytes
	preview
}

// rowAt returns the row of what is at p, nil if nothing is.
func rowAt(snap *store.Snapshot, p, name string) *row {
	rev, n := snap.Stat(p)
	switch rev {
	case store.Missing:
		return nil
	case store.Dir:
		return &row{Name: name, Dir: true, Count: n}
	}
	body, _, err := snap.Get(p)
	if err != nil {
		return nil
	}
	return &row{Name: name, Rev: rev, Size: n, preview: show(body, MaxPreview, MaxHexPreview)}
}

// A listing is a part of a directory's entries, in their order.
type listing struct {
	Rev   int64  `json:"rev"` // as of which all this is so
	Dir   string `json:"dir"`
	Count int    `json:"count"` // of all entries; 0 of what is no directory
	First int    `json:"first"` // offset of the first one here
	Rows  []*row `json:"rows"`
}

func listAt(snap *store.Snapshot, dir string, first int) *listing {
	l := &listing{Rev: snap.Rev(), Dir: dir, First: first, Rows: []*row{}}
	if rev, n := snap.Stat(dir); rev == store.Dir {
		l.Count = n
	}
	for i := first; i < min(l.Count, first+MaxRows); i++ {
		name, err := snap.Entry(dir, i)
		if err != nil {
			break // the directory has as many entries as Stat said, so it does not happen
		}
		l.Rows = append(l.Rows, rowAt(snap, join(dir, name), name))
	}
	return l
}

// openAt returns the listing of dir and those of the directories in it, and in
// these, as long as there is room for all their entries: the upper ones first.
// The servers' own directory is not what people come for.
func openAt(snap *store.Snapshot, dir string) []*listing {
	lists := []*listing{listAt(snap, dir, 0)}
	room := MaxOpen - len(lists[0].Rows)
	for i := 0; i < len(lists); i++ {
		for _, r := range lists[i].Rows {
			p := join(lists[i].Dir, r.Name)
			if r.Dir && r.Count <= room && p != ctlDir {
				room -= r.Count
				lists = append(lists, listAt(snap, p, 0))
			}
		}
	}
	return lists
}

func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

// list answers with some rows of a directory. A live page would rather have them
// of another rev than not at all, if the one that it has is gone.
func (v *View) list(w http.ResponseWriter, r *http.Request) {
	if q := r.URL.Query(); q.Has("live") {
		if _, err := v.version(q.Get("rev")); err != nil {
			q.Del("rev")
			r.URL.RawQuery = q.Encode()
		}
	}
	snap, dir, ok := v.what(w, r, "dir")
	if !ok {
		return
	}
	first, err := strconv.ParseUint(cmp.Or(r.URL.Query().Get("first"), "0"), 10, 31)
	if err != nil {
		http.Error(w, "first must be a number that is not negative", http.StatusBadRequest)
		return
	}
	sendJSON(w, r, http.StatusOK, listAt(snap, dir, int(first)))
}

// what returns the version and the path that a request names; or it answers
// why there are none.
func (v *View) what(w http.ResponseWriter, r *http.Request, field string) (*store.Snapshot, string, bool) {
	args := r.URL.Query() // FormValue would read a body
	p := args.Get(field)
	if err := store.CheckPath(p); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, "", false
	}
	snap, err := v.version(args.Get("rev"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusGone)
		return nil, "", false
	}
	return snap, p, true
}

// errNoRev reports a rev that cannot be shown.
var errNoRev = errors.New("that rev is not, or no longer, in history")

// version returns the version of a rev, the newest if none is given.
func (v *View) version(rev string) (*store.Snapshot, error) {
	if rev == "" {
		return v.past.Snapshot(), nil
	}
	n, err := strconv.ParseInt(rev, 10, 64)
	if err != nil {
		return nil, errNoRev
	}
	if newest := v.past.Snapshot(); n == newest.Rev() {
		return newest, nil // even of a tree without history
	}
	snap, err := v.past.At(n)
	if err != nil {
		return nil, errNoRev
	}
	return snap, nil
}

// A fileView is what is shown of one file.
type fileView struct {
	Path    string `json:"path"`
	At      int64  `json:"at"`  // the version that this is of
	Rev     int64  `json:"rev"` // of the file; 0 if it is missing, -2 if it is a directory
	Size    int    `json:"size"`
	IsText  bool   `json:"text"`
	preview        // longer than in a row
}

func fileAt(snap *store.Snapshot, p string) *fileView {
	rev, n := snap.Stat(p)
	f := &fileView{Path: p, At: snap.Rev(), Rev: rev, Size: n}
	if body, _, err := snap.Get(p); err == nil {
		f.preview = show(body, MaxShown, MaxHexShown)
		f.IsText = !f.Hex
	}
	return f
}

// file answers with one file.
func (v *View) file(w http.ResponseWriter, r *http.Request) {
	if snap, p, ok := v.what(w, r, "path"); ok {
		sendJSON(w, r, http.StatusOK, fileAt(snap, p))
	}
}

// raw answers with the body of a file, and never as anything that a browser
// would run.
func (v *View) raw(w http.ResponseWriter, r *http.Request) {
	snap, p, ok := v.what(w, r, "path")
	if !ok {
		return
	}
	body, rev, err := snap.Get(p)
	if err != nil || rev == store.Missing {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	kind := "application/octet-stream"
	if isText(body) {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Doozer-Rev", strconv.FormatInt(rev, 10))
	send(w, r, http.StatusOK, kind, body)
}

// A version is what one event made of a file.
type version struct {
	Rev  int64 `json:"rev"`
	Del  bool  `json:"del,omitempty"`
	Base bool  `json:"base,omitempty"` // it is from before the history
	Size int   `json:"size"`
	preview
}

// A fileHistory is the versions of a file, the newest first.
type fileHistory struct {
	Path     string    `json:"path"`
	At       int64     `json:"at"`     // the newest rev that was looked at
	Oldest   int64     `json:"oldest"` // and the oldest one
	More     bool      `json:"more"`   // there are older ones, too many to tell
	Versions []version `json:"versions"`
}

// fileHistory answers with the versions of a file.
func (v *View) fileHistory(w http.ResponseWriter, r *http.Request) {
	snap, p, ok := v.what(w, r, "path")
	if !ok {
		return
	}
	h := fileHistory{Path: p, At: snap.Rev()}
	h.Oldest = max(v.past.oldest(), h.At-MaxLookBack)
	h.Versions, h.More = v.versions(p, h.Oldest, h.At)
	sendJSON(w, r, http.StatusOK, h)
}

// versions returns the last versions of a file between two revs, and whether
// there are more.
func (v *View) versions(p string, oldest, newest int64) (found []version, more bool) {
	g, err := store.ParseGlob(p)
	if err != nil {
		return nil, false // not for a path that was checked
	}
	found = v.base(p, oldest)
	v.past.matching(g, oldest, newest, func(e store.Event) bool {
		if len(found) > 0 && found[len(found)-1].Rev == e.Rev {
			found = found[:len(found)-1] // the base is in the history after all
		}
		found = append(found, version{
			Rev: e.Rev, Del: e.Op == store.Del, Size: len(e.Body),
			preview: show(e.Body, MaxShown, MaxHexShown),
		})
		if len(found) > MaxVersions {
			found, more = found[1:], true
		}
		return true
	})
	slices.Reverse(found)
	return found, more
}

// base returns the version of a file that the oldest rev has.
func (v *View) base(p string, oldest int64) []version {
	snap, err := v.past.At(oldest)
	if err != nil {
		return []version{}
	}
	body, rev, err := snap.Get(p)
	if err != nil || rev == store.Missing {
		return []version{}
	}
	return []version{{Rev: rev, Base: true, Size: len(body), preview: show(body, MaxShown, MaxHexShown)}}
}

// An eventView is what happened at one rev.
type eventView struct {
	Rev   int64  `json:"rev"`
	Path  string `json:"path"`
	Del   bool   `json:"del,omitempty"`
	Error string `json:"error,omitempty"` // why the mutation of this rev failed
}

// eventAt answers with what happened at a rev.
func (v *View) eventAt(w http.ResponseWriter, r *http.Request) {
	rev, err := strconv.ParseInt(r.URL.Query().Get("rev"), 10, 64)
	if err != nil || rev < 1 || rev > v.past.Snapshot().Rev() {
		http.Error(w, errNoRev.Error(), http.StatusGone)
		return
	}
	e, err := v.past.event(rev)
	if err != nil {
		http.Error(w, errNoRev.Error(), http.StatusGone)
		return
	}
	view := eventView{Rev: e.Rev, Path: e.Path, Del: e.Op == store.Del}
	if e.Err != nil {
		view.Error = e.Err.Error()
	}
	sendJSON(w, r, http.StatusOK, view)
}

// A finding is the files that match a glob.
type finding struct {
	Rev   int64  `json:"rev"`
	Glob  string `json:"glob"`
	More  bool   `json:"more"` // there are more than these
	Files []*row `json:"files"`
}

// find answers with the files that match a glob; a name is its path.
func (v *View) find(w http.ResponseWriter, r *http.Request) {
	args := r.URL.Query()
	g, err := store.ParseGlob(args.Get("glob"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	snap, err := v.version(args.Get("rev"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusGone)
		return
	}
	f := finding{Rev: snap.Rev(), Glob: g.String(), Files: []*row{}}
	for e := range snap.All(g) {
		if len(f.Files) == MaxFound {
			f.More = true
			break
		}
		f.Files = append(f.Files, rowOf(e))
	}
	sendJSON(w, r, http.StatusOK, f)
}

func rowOf(e store.Event) *row {
	return &row{Name: e.Path, Rev: e.Rev, Size: len(e.Body), preview: show(e.Body, MaxPreview, MaxHexPreview)}
}
