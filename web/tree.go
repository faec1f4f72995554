package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/ha/doozerd/store"
)

// A page is what the page template shows.
type page struct {
	Cluster, Addr, Version, Node string

	Rev    int64
	Crumbs []crumb
	Tree   *listing
}

// A crumb is one step from the root to the directory that a page shows.
type crumb struct{ Name, Path string }

// A listing is a part of a directory's entries, in their order.
type listing struct {
	Dir     string
	First   int // offset of the first one here
	Total   int // entries of the directory
	Entries []*entry
}

// Next returns the offset of the first entry beyond the listing.
func (l *listing) Next() int { return l.First + len(l.Entries) }

// Rest returns how many entries there are beyond it.
func (l *listing) Rest() int { return l.Total - l.Next() }

// An entry is a file or a directory.
type entry struct {
	Name, Path string

	IsDir bool
	Count int      // entries of a directory
	List  *listing // of a directory that is shown open

	Rev  int64 // of a file
	Size int   // of its body, in bytes
	Body preview
}

// tree answers with a page, or, for the script, with one list of it.
func (h *handler) tree(w http.ResponseWriter, r *http.Request) {
	dir := treePath(r)
	if dir != "/" && store.CheckPath(dir) != nil {
		http.Error(w, "no such path", http.StatusNotFound)
		return
	}
	args := r.URL.Query() // FormValue would read a body, onto the disk if it is large
	snap, err := h.version(args.Get("rev"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusGone)
		return
	}
	first, err := offset(args.Get("offset"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if args.Get("part") == "list" {
		h.render(w, "list", list(snap, dir, first))
		return
	}
	h.render(w, "page", page{
		Cluster: h.Cluster, Addr: h.Addr, Version: h.Version, Node: h.Node.ID(),
		Rev:    snap.Rev(),
		Crumbs: crumbs(dir),
		Tree:   open(snap, list(snap, dir, first)),
	})
}

// errGone reports a rev that cannot be shown any more.
var errGone = errors.New("that version of the tree is gone: load the page again")

// version returns the version of the tree that a request asks for: the newest
// unless it names a rev.
func (h *handler) version(rev string) (*store.Snapshot, error) {
	if rev == "" {
		return h.Node.Store().Snapshot(), nil
	}
	n, err := strconv.ParseInt(rev, 10, 64)
	if err != nil {
		return nil, errGone
	}
	snap, err := h.Node.Store().At(n)
	if err != nil {
		return nil, errGone
	}
	return snap, nil
}

func offset(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, errors.New("offset must be a number that is not negative")
	}
	return int(n), nil
}

// list returns up to MaxEntries entries of dir, from the offset first on. What
// is not a directory is listed as an empty one.
func list(snap *store.Snapshot, dir string, first int) *listing {
	l := &listing{Dir: dir, First: first}
	if rev, n := snap.Stat(dir); rev == store.Dir {
		l.Total = n
	}
	for i := first; i < min(l.Total, first+MaxEntries); i++ {
		name, err := snap.Entry(dir, i)
		if err != nil {
			break // the directory has as many entries as Stat said, so it does not happen
		}
		l.Entries = append(l.Entries, lookup(snap, join(dir, name), name))
	}
	return l
}

// lookup returns what there is at path, nil if nothing.
func lookup(snap *store.Snapshot, path, name string) *entry {
	rev, n := snap.Stat(path)
	switch rev {
	case store.Missing:
		return nil
	case store.Dir:
		return &entry{Name: name, Path: path, IsDir: true, Count: n}
	}
	body, _, err := snap.Get(path)
	if err != nil {
		return nil
	}
	return &entry{Name: name, Path: path, Rev: rev, Size: n, Body: show(body)}
}

// open opens the directories in l, and those in them, as long as the page has
// room for all their entries: the upper ones first.
func open(snap *store.Snapshot, l *listing) *listing {
	room := MaxEntries - len(l.Entries)
	for queue := []*listing{l}; len(queue) > 0; queue = queue[1:] {
		for _, e := range queue[0].Entries {
			if !e.IsDir || e.Count > room {
				continue
			}
			room -= e.Count
			e.List = list(snap, e.Path, 0)
			queue = append(queue, e.List)
		}
	}
	return l
}

func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

// crumbs returns the steps to dir, the root first.
func crumbs(dir string) []crumb {
	steps := []crumb{{Name: "/", Path: "/"}}
	if dir == "/" {
		return steps
	}
	start := 1
	for i := 1; i <= len(dir); i++ {
		if i == len(dir) || dir[i] == '/' {
			steps = append(steps, crumb{Name: dir[start:i], Path: dir[:i]})
			start = i + 1
		}
	}
	return steps
}

func (h *handler) render(w http.ResponseWriter, name string, data any) {
	if err := h.pages.ExecuteTemplate(w, name, data); err != nil {
		h.Logger.Debug("page not sent", "err", err)
	}
}

// raw answers with the body of a file, and never as anything that a browser
// would run.
func (h *handler) raw(w http.ResponseWriter, r *http.Request) {
	body, rev, err := h.Node.Store().Snapshot().Get(treePath(r))
	if err != nil || rev == store.Missing {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	kind := "application/octet-stream"
	if isText(body) {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}
