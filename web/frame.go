package web

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/ha/doozerd/store"
)

// Limits of a frame.
const (
	// MaxFrameFiles bounds the files that a frame has rows for. Beyond it the
	// frame names directories to be looked at again.
	MaxFrameFiles = 400

	// MaxFrameDirs bounds those. Beyond it everything is to be looked at again.
	MaxFrameDirs = 200
)

// A frame leads a page from the version From to the version To. It tells how
// things are at To, not all that happened in between, and does so in one of
// three ways, by how much changed:
//
//   - Rows: each entry that differs between the two, exactly;
//   - Dirs: the directories in which entries differ, of which a page has to ask
//     again for those that it shows;
//   - All: a page has to ask again for all that it shows.
type frame struct {
	From int64      `json:"from"`
	To   int64      `json:"to"`
	Rows []frameRow `json:"rows,omitempty"`
	Dirs []frameDir `json:"dirs,omitempty"`
	All  bool       `json:"all,omitempty"`

	data []byte // encoded
}

// A frameRow is an entry of a directory that differs.
type frameRow struct {
	Dir  string `json:"d"`
	Name string `json:"n"`
	Was  bool   `json:"was,omitempty"` // there was an entry of that name at From
	Now  *row   `json:"now,omitempty"` // the entry at To, nil if there is none
}

// A frameDir is a directory in which entries differ.
type frameDir struct {
	Path  string `json:"d"`
	Count int    `json:"k,omitempty"` // its entries; 0 if it is gone
}

// newFrame returns the frame between two versions that differ at no other files
// than those in paths.
func newFrame(from, to *store.Snapshot, paths map[string]bool) *frame {
	f := &frame{From: from.Rev(), To: to.Rev()}
	if len(paths) <= MaxFrameFiles {
		f.fillRows(from, to, paths)
	} else {
		f.fillDirs(from, to, paths)
	}
	return f.encoded()
}

// allFrame returns the frame between two revs of which nothing is known.
func allFrame(from, to int64) *frame {
	return (&frame{From: from, To: to, All: true}).encoded()
}

func (f *frame) encoded() *frame {
	f.data, _ = json.Marshal(f) // of plain values: cannot fail
	return f
}

func (f *frame) fillRows(from, to *store.Snapshot, paths map[string]bool) {
	done := make(map[string]bool)
	for p := range paths {
		changed(from, to, p, done, func(p string) {
			rev, _ := from.Stat(p)
			f.Rows = append(f.Rows, frameRow{
				Dir: parent(p), Name: base(p),
				Was: rev != store.Missing, Now: rowAt(to, p, base(p)),
			})
		})
	}
}

func (f *frame) fillDirs(from, to *store.Snapshot, paths map[string]bool) {
	done, dirs := make(map[string]bool), make(map[string]bool)
	for p := range paths {
		changed(from, to, p, done, func(p string) { dirs[parent(p)] = true })
	}
	if len(dirs) > MaxFrameDirs {
		f.All = true
		return
	}
	for d := range dirs {
		count := 0
		if rev, n := to.Stat(d); rev == store.Dir {
			count = n
		}
		f.Dirs = append(f.Dirs, frameDir{d, count})
	}
}

// changed calls visit with p, and with those directories above it that differ
// between the two versions: their numbers of entries do, or they are only in one.
func changed(from, to *store.Snapshot, p string, done map[string]bool, visit func(string)) {
	for ; p != "/" && !done[p]; p = parent(p) {
		rev1, n1 := from.Stat(p)
		rev2, n2 := to.Stat(p)
		if rev1 == rev2 && n1 == n2 {
			return
		}
		done[p] = true
		visit(p)
	}
}

// emptyTree is the version at rev 0, which no history has.
var emptyTree = store.New(1).Snapshot()

// frame returns the frame between a rev and a later version.
func (p past) frame(rev int64, to *store.Snapshot) *frame {
	from := emptyTree
	if rev > 0 {
		var err error
		if from, err = p.At(rev); err != nil {
			return allFrame(rev, to.Rev())
		}
	}
	paths := make(map[string]bool)
	for r := rev + 1; r <= to.Rev(); r++ {
		e, err := p.event(r)
		if err != nil {
			return allFrame(rev, to.Rev())
		}
		paths[e.Path] = true
	}
	return newFrame(from, to, paths)
}

// parent returns the directory that a path is in. Nothing is normalised: names
// may be . and .. here.
func parent(p string) string { return cmp.Or(p[:strings.LastIndexByte(p, '/')], "/") }

// base returns the last name of a path.
func base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }
