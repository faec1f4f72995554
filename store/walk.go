package store

import "strings"

// A file's rank is its place, from 0, among all files of a snapshot in
// directory order. The files whose paths begin alike have ranks without a gap.

// span returns the ranks, from one to before the other, outside of which no
// file matches g.
func (s *Snapshot) span(g *Glob) (from, to int) {
	beyond := "\xff" // greater than whatever may follow the head in a name
	if g.isLiteral() {
		beyond = "\x00"
	}
	dir, path := s.root, g.literal()[1:]
	for {
		name, below, more := strings.Cut(path, "/")
		if !more {
			return from + dir.sub.filesBefore(name), from + dir.sub.filesBefore(name+beyond)
		}
		from += dir.sub.filesBefore(name)
		dir = dir.sub.get(name)
		if dir == nil || !dir.isDir() {
			return from, from
		}
		path = below
	}
}

// scan calls visit with each file that matches g, as all do if it is nil, and has
// a rank of from to before to, which lie in the span of g, in order, until visit
// returns false.
func (s *Snapshot) scan(g *Glob, from, to int, visit func(rank int, e Event) bool) {
	c := scanner{glob: g, all: g == nil || g.matchesAll(), from: from, to: to, visit: visit, path: make([]byte, 0, usualPath)}
	c.path = append(c.path, '/')
	c.node(s.root.sub)
}

// usualPath is room for most paths, in bytes, so that a scan allocates once.
const usualPath = 128

// A scanner goes through a tree in directory order. Whatever lies before from
// costs it nothing but the way down.
type scanner struct {
	glob     *Glob
	from, to int
	visit    func(rank int, e Event) bool
	rank     int    // of the next file
	path     []byte // of the directory it is in, with a slash at the end
	all      bool   // glob matches all between from and to
}

// node scans n and reports whether to go on.
func (c *scanner) node(n *node) bool {
	if c.skip(n.files) {
		return true
	}
	for _, kid := range n.kids {
		if !c.node(kid) {
			return false
		}
	}
	for i, e := range n.slots {
		if !c.skip(e.files()) && !c.entry(n.names.at(i), e) {
			return false
		}
	}
	return true
}

// skip passes the next files without a look if they are all before from.
func (c *scanner) skip(files int) bool {
	if c.rank+files > c.from {
		return false
	}
	c.rank += files
	return true
}

func (c *scanner) entry(name []byte, e *entry) bool {
	if c.rank >= c.to {
		return false
	}
	dir := c.path
	c.path = append(c.path, name...)
	more := c.at(e)
	c.path = dir
	return more
}

// at scans e, which is at path.
func (c *scanner) at(e *entry) bool {
	if e.isDir() {
		c.path = append(c.path, '/')
		if c.all || c.glob.matchBelow(string(c.path)) {
			return c.node(e.sub)
		}
		c.rank += e.files()
		return true
	}
	c.rank++
	path := string(c.path)
	if c.all || c.glob.Match(path) {
		return c.visit(c.rank-1, Event{Rev: e.rev, Op: Set, Path: path, Body: e.body})
	}
	return true
}

// walkerPlaces is how many listings a Walker can keep apart.
const walkerPlaces = 8

// Walker does what Snapshot.Walk does and remembers where it was, so that a
// client that lists by counting the offset up pays for each file once, even if
// it has a few such listings under way. It belongs to one client of one store
// and one goroutine. It holds on to no snapshot. The zero Walker is ready.
type Walker struct {
	places [walkerPlaces]place
	oldest int // the place that is given up next
}

// A place is where a walk of glob at rev stands: match number offset is the
// first at or after rank.
type place struct {
	rev    int64
	glob   string
	offset int
	rank   int
}

// Walk returns the file at the given offset, from 0, among those of s that
// match g, in directory order. The error is ErrRange.
func (w *Walker) Walk(s *Snapshot, g *Glob, offset int) (Event, error) {
	from, to := s.span(g)
	switch {
	case offset < 0 || offset >= to-from:
		return Event{}, ErrRange
	case g.matchesAll():
		at := place{offset: offset, rank: from + offset}
		return at.advance(s, g, to, offset)
	}
	return w.nearest(s.rev, g, offset, from).advance(s, g, to, offset)
}

// nearest returns the last place known of this walk that is not after offset;
// a new one at the beginning if there is none.
func (w *Walker) nearest(rev int64, g *Glob, offset, from int) *place {
	var best *place
	for i := range w.places {
		p := &w.places[i]
		if p.rev == rev && p.glob == g.pattern && p.offset <= offset && (best == nil || p.offset > best.offset) {
			best = p
		}
	}
	if best == nil {
		best = &w.places[w.oldest]
		*best = place{rev: rev, glob: g.pattern, rank: from}
		w.oldest = (w.oldest + 1) % walkerPlaces
	}
	return best
}

// advance moves p to match number offset, which is not before it, and returns
// that; to is the end of the span of g.
func (p *place) advance(s *Snapshot, g *Glob, to, offset int) (Event, error) {
	var found Event
	from := p.rank
	p.rank = to
	s.scan(g, from, to, func(rank int, e Event) bool {
		if p.offset < offset {
			p.offset++
			return true
		}
		p.rank, found = rank, e
		return false
	})
	if found.Path == "" {
		return Event{}, ErrRange
	}
	return found, nil
}
