package store

import (
	"fmt"
	"slices"
	"strings"
)

// maxRev is the largest rev that a snapshot may have: a store goes on counting
// from there, and will not reach the end.
const maxRev = 1 << 62

// Builder makes a version of the tree from the list of its files, which came
// from another store by Snapshot.Files, and which Store.Install installs. It
// checks all that it is given: what it has taken is a tree that mutations could
// have made. It belongs to one goroutine.
//
// It never looks back at what it has added, so that each file costs the same,
// however many there are.
type Builder struct {
	rev   int64
	files int
	last  string     // path added
	open  []*openDir // the root, and the directories on the way to last
	root  *entry     // once it is complete
	err   error      // why it was refused
}

// NewBuilder returns a builder of the version of rev, without files so far.
func NewBuilder(rev int64) *Builder {
	b := &Builder{rev: rev, open: []*openDir{newOpenDir("")}}
	if rev < 1 || rev > maxRev {
		b.err = fmt.Errorf("%w: rev %d", ErrBadSnapshot, rev)
	}
	return b
}

// Len returns how many files were added.
func (b *Builder) Len() int { return b.files }

// Add adds the file e.Path with e.Rev and e.Body, which is copied; nothing else
// of e counts. Files must come in directory order. An error wraps
// ErrBadSnapshot: the file cannot be in a tree of this rev, or not there. From
// then on the whole is bad: each further Add, and Install, returns that error.
func (b *Builder) Add(e Event) error {
	if b.err == nil {
		if why := b.refusal(e); why != "" {
			b.err = fmt.Errorf("%w: file %d: %s", ErrBadSnapshot, b.files, why)
		}
	}
	if b.err != nil {
		return b.err
	}
	b.enter(e.Path).add(e.Path[strings.LastIndexByte(e.Path, '/')+1:], &entry{rev: e.Rev, body: append([]byte{}, e.Body...)})
	b.last = e.Path
	b.files++
	return nil
}

// refusal says why e cannot come next; "" if it can. Only a good path is
// quoted, for a bad one may be anything.
func (b *Builder) refusal(e Event) string {
	if err := CheckPath(e.Path); err != nil {
		return err.Error()
	}
	switch {
	case b.root != nil:
		return "after the last"
	case e.Path == "/" || e.Path == ctlDir:
		return e.Path + " is a directory"
	case strings.HasPrefix(e.Path, ctlErr+"/"):
		return e.Path + " is below a file"
	case e.Rev < 1 || e.Rev > b.rev:
		return fmt.Sprintf("%s of rev %d, in a tree of rev %d", e.Path, e.Rev, b.rev)
	case len(e.Body) > MaxBody:
		return fmt.Sprintf("%s has a body of %d bytes, more than %d", e.Path, len(e.Body), MaxBody)
	}
	return misplaced(b.last, e.Path)
}

// misplaced says why path cannot be the next file after last, the first if that
// is ""; "" if it can.
func misplaced(last, path string) string {
	shared := sharedPrefix(last, path)
	switch {
	case shared == len(path):
		return path + " is not after " + last
	case last == "":
		return ""
	case shared == len(last):
		if path[shared] == '/' {
			return path + " is below a file"
		}
		return ""
	case path[shared] == '/' || last[shared] != '/' && last[shared] > path[shared]: // a slash is the least
		return path + " is not after " + last
	}
	return ""
}

// enter returns the directory of path, open, and closes those that path is not
// in: nothing more can come there.
func (b *Builder) enter(path string) *openDir {
	depth, rest := 0, path[1:]
	for {
		name, below, more := strings.Cut(rest, "/")
		if !more {
			b.closeBelow(depth)
			return b.open[depth]
		}
		depth++
		if depth == len(b.open) || b.open[depth].name != name {
			b.closeBelow(depth - 1)
			b.open = append(b.open, newOpenDir(name))
		}
		rest = below
	}
}

// closeBelow closes the directories that are deeper than depth.
func (b *Builder) closeBelow(depth int) {
	for last := len(b.open) - 1; last > depth; last-- {
		d := b.open[last]
		b.open[last] = nil
		b.open = b.open[:last]
		b.open[last-1].add(d.name, &entry{rev: Dir, sub: d.tree()})
	}
}

// version returns the version that was built; nothing can be added any more.
func (b *Builder) version() (*version, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.root == nil {
		b.closeBelow(0)
		b.root = &entry{rev: Dir, sub: b.open[0].tree()}
		b.open = nil
	}
	return &version{snapshot: Snapshot{rev: b.rev, root: b.root}}, nil
}

// An openDir is a directory whose entries come in order. Its tree grows from
// the leaves up: a row that is full becomes a node in the row above.
type openDir struct {
	name string
	rows []row // the first is that of the leaves
}

// A row is what the next node on its level will hold.
type row struct {
	names []string
	slots []*entry // of a leaf
	kids  []*node  // of other nodes
}

func newOpenDir(name string) *openDir { return &openDir{name: name, rows: make([]row, 1)} }

// add adds e, whose name is greater than all before.
func (d *openDir) add(name string, e *entry) {
	d.room(0)
	r := &d.rows[0]
	r.names = append(r.names, name)
	r.slots = append(r.slots, e)
}

// room makes room for one more in row i.
func (d *openDir) room(i int) {
	if len(d.rows[i].names) == fanout {
		d.rise(i)
	}
}

// rise empties row i, which is not empty, by a node in the row above.
func (d *openDir) rise(i int) {
	if i+1 == len(d.rows) {
		d.rows = append(d.rows, row{})
	}
	d.room(i + 1)
	first := d.rows[i].names[0]
	kid := d.rows[i].node()
	above := &d.rows[i+1]
	above.names = append(above.names, first)
	above.kids = append(above.kids, kid)
}

// tree returns the tree of the directory, to which nothing can be added any
// more.
func (d *openDir) tree() *node {
	for i := 0; i+1 < len(d.rows); i++ { // a full row makes another one above
		d.rise(i)
	}
	return d.rows[len(d.rows)-1].node()
}

// node returns the node of what r holds, and empties r.
func (r *row) node() *node {
	var n *node
	if r.kids == nil {
		n = leafOf(packNames(r.names...), slices.Clone(r.slots))
	} else {
		r.names[0] = "" // the bound of a first kid
		n = parentOf(packNames(r.names...), slices.Clone(r.kids))
	}
	r.names, r.slots, r.kids = r.names[:0], r.slots[:0], r.kids[:0]
	return n
}
