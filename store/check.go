package store

import "fmt"

// Check returns an error that names the first broken invariant it finds in the
// newest version, the history and the waits; nil if all is well. It looks at
// everything and keeps the writer waiting meanwhile: it is for tests.
func (s *Store) Check() error {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	newest := &s.history.newest.Load().snapshot
	if err := newest.check(); err != nil {
		return fmt.Errorf("rev %d: %w", newest.rev, err)
	}
	if err := s.history.check(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if err := s.waits.check(newest.rev); err != nil {
		return fmt.Errorf("waits: %w", err)
	}
	return nil
}

func (s *Snapshot) check() error { return s.root.checkDir("/", s.rev) }

// checkDir checks the directory e at path, which ends with a slash, and all in it.
func (e *entry) checkDir(path string, newest int64) error {
	if !e.isDir() || e.rev != Dir || e.body != nil {
		return fmt.Errorf("%s: is no directory", path)
	}
	if e.sub.entries == 0 && path != "/" {
		return fmt.Errorf("%s: an empty directory", path)
	}
	c := nodeCheck{path: path, newest: newest, height: e.sub.height()}
	return c.node(e.sub, 0)
}

func (e *entry) checkFile(path string, newest int64) error {
	if e.rev < 1 || e.rev > newest {
		return fmt.Errorf("%s: of rev %d", path, e.rev)
	}
	return CheckPath(path)
}

func (n *node) height() int {
	height := 0
	for ; !n.isLeaf(); n = n.kids[0] {
		height++
	}
	return height
}

// A nodeCheck goes through the nodes of one directory.
type nodeCheck struct {
	path   string
	newest int64
	height int    // of the tree
	last   string // name seen; names follow each other in order
	floor  string // that no further name is less than
}

func (c *nodeCheck) node(n *node, depth int) error {
	if err := c.shape(n, depth); err != nil {
		return fmt.Errorf("%s: node at depth %d: %w", c.path, depth, err)
	}
	entries, files := len(n.slots), 0
	for i, kid := range n.kids {
		if i > 0 {
			c.floor = string(n.names.at(i))
		}
		if i > 0 && c.floor <= c.last {
			return fmt.Errorf("%s: a kid at depth %d begins at %q, after %q", c.path, depth+1, c.floor, c.last)
		}
		if err := c.node(kid, depth+1); err != nil {
			return err
		}
		entries += kid.entries
		files += kid.files
	}
	for i, e := range n.slots {
		if err := c.entry(string(n.names.at(i)), e); err != nil {
			return err
		}
		files += e.files()
	}
	if n.entries != entries || n.files != files {
		return fmt.Errorf("%s: node at depth %d counts %d entries and %d files, has %d and %d",
			c.path, depth, n.entries, n.files, entries, files)
	}
	return nil
}

// shape checks what can be said about n without its contents.
func (c *nodeCheck) shape(n *node, depth int) error {
	switch {
	case n.names.len() != len(n.slots)+len(n.kids):
		return fmt.Errorf("%d names, %d slots, %d kids", n.names.len(), len(n.slots), len(n.kids))
	case n.isLeaf() != (depth == c.height):
		return fmt.Errorf("leaves at different depths, the first at %d", c.height)
	case n.size() > fanout:
		return fmt.Errorf("%d slots, more than %d", n.size(), fanout)
	case n.size() == 0 && depth > 0:
		return fmt.Errorf("no slots")
	case !n.isLeaf() && len(n.names.at(0)) > 0:
		return fmt.Errorf("the first kid begins at %q", n.names.at(0))
	case depth == 0 && len(n.kids) == 1:
		return fmt.Errorf("a root with one kid")
	}
	return nil
}

func (c *nodeCheck) entry(name string, e *entry) error {
	if name <= c.last || name < c.floor {
		return fmt.Errorf("%s: %q follows %q, in a node from %q", c.path, name, c.last, c.floor)
	}
	c.last = name
	if e.isDir() {
		return e.checkDir(c.path+name+"/", c.newest)
	}
	return e.checkFile(c.path+name, c.newest)
}

// check checks that the ring holds the last revs, as far as history goes back,
// and nothing else, and each of them its event.
func (h *history) check() error {
	newest := h.newest.Load()
	held, installed := 0, false
	for rev := newest.snapshot.rev; !installed && rev > 0 && held < len(h.ring); rev-- {
		v := h.slot(rev).Load()
		if v == nil || v.snapshot.rev != rev || v.hasEvent() && v.event.Rev != rev {
			return fmt.Errorf("rev %d is not in its slot", rev)
		}
		if err := v.check(); err != nil {
			return fmt.Errorf("rev %d: %w", rev, err)
		}
		held++
		installed = !v.hasEvent()
	}
	return h.checkSlots(held)
}

// checkSlots checks that only so many slots hold anything.
func (h *history) checkSlots(held int) error {
	for i := range h.ring {
		if h.ring[i].Load() != nil {
			held--
		}
	}
	if held != 0 {
		return fmt.Errorf("%d versions from before it", -held)
	}
	return nil
}

// check checks that the event of v is what its snapshot shows.
func (v *version) check() error {
	e := v.event
	body, rev, err := v.snapshot.Get(e.Path)
	switch {
	case !v.hasEvent() && (e.Op != 0 || e.Path != "" || e.Body != nil || e.Err != nil):
		return fmt.Errorf("an event without a rev")
	case !v.hasEvent():
		return nil // installed
	case e.Op == Set && (err != nil || rev != e.Rev || string(body) != string(e.Body)):
		return fmt.Errorf("set of %s, which is at rev %d, error %v", e.Path, rev, err)
	case e.Op == Del && (err != nil || rev != Missing):
		return fmt.Errorf("delete of %s, which is at rev %d, error %v", e.Path, rev, err)
	case e.Err != nil && (e.Op != Set || e.Path != ctlErr || string(e.Body) != e.Err.Error()):
		return fmt.Errorf("failure %v of %s as %q", e.Err, e.Path, e.Body)
	}
	return nil
}

// check checks that each wait is where it can be found, after rev newest.
func (s *waits) check(newest int64) error {
	count, err := s.early.check(newest)
	if err != nil {
		return err
	}
	for pattern, g := range s.groups {
		if err := g.check(pattern, newest); err != nil {
			return fmt.Errorf("glob %s: %w", pattern, err)
		}
		count += len(g.waiters)
	}
	if count != s.count {
		return fmt.Errorf("%d are counted, %d are there", s.count, count)
	}
	groups, err := s.heads.check(nil, "")
	if err == nil && groups != len(s.groups) {
		err = fmt.Errorf("%d globs, but %d below the heads", len(s.groups), groups)
	}
	return err
}

// check returns the number of waits in e.
func (e earlyWaits) check(newest int64) (count int, err error) {
	for i, w := range e {
		switch {
		case w.place != i || w.group != nil:
			return 0, fmt.Errorf("early wait %d says it is at %d", i, w.place)
		case w.rev <= newest:
			return 0, fmt.Errorf("early wait for rev %d", w.rev)
		case i > 0 && w.rev < e[(i-1)/2].rev:
			return 0, fmt.Errorf("early wait %d, for rev %d, is out of order", i, w.rev)
		}
	}
	return len(e), nil
}

func (g *group) check(pattern string, newest int64) error {
	if g.glob.pattern != pattern || g.place >= len(g.head.groups) || g.head.groups[g.place] != g {
		return fmt.Errorf("is not at its place, %d", g.place)
	}
	if len(g.waiters) == 0 {
		return fmt.Errorf("nobody waits")
	}
	for i, w := range g.waiters {
		if w.group != g || w.place != i || w.glob.pattern != pattern || w.rev > newest+1 {
			return fmt.Errorf("wait %d, for %s from rev %d, says it is at %d", i, w.glob, w.rev, w.place)
		}
	}
	return nil
}

// check returns the number of groups in h and below; path is the head of
// parent.
func (h *head) check(parent *head, path string) (groups int, err error) {
	path += h.label
	if h.parent != parent || parent != nil && (h.label == "" || len(h.groups) == 0 && len(h.kids) < 2) {
		return 0, fmt.Errorf("head %q has no reason to be", path)
	}
	for _, g := range h.groups {
		if g.head != h || g.glob.literal() != path {
			return 0, fmt.Errorf("glob %s is at head %q", g.glob, path)
		}
	}
	groups = len(h.groups)
	for i, kid := range h.kids {
		if i > 0 && kid.label[0] <= h.kids[i-1].label[0] {
			return 0, fmt.Errorf("head %q has kids out of order", path)
		}
		n, err := kid.check(h, path)
		if err != nil {
			return 0, err
		}
		groups += n
	}
	return groups, nil
}
