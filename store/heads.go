package store

import (
	"slices"
	"strings"
)

// A head is a branch of the index of waits: a radix tree over the literal
// heads of globs, byte by byte. An event visits the heads that its path begins
// with and no others.
type head struct {
	label  string // what it adds to its parent
	parent *head
	kids   []*head // in the order of their first bytes, which differ
	groups []*group
}

// A group is the waits for one glob.
type group struct {
	glob    *Glob
	head    *head
	place   int // in head.groups
	waiters []*Waiter
}

// kid returns where among its kids the one is, or would have to be inserted,
// whose label begins with c.
func (h *head) kid(c byte) (i int, found bool) {
	return slices.BinarySearchFunc(h.kids, c, func(k *head, c byte) int {
		return int(k.label[0]) - int(c)
	})
}

// at returns the branch at literal below h; it is made if it is missing.
func (h *head) at(literal string) *head {
	for literal != "" {
		i, found := h.kid(literal[0])
		if !found {
			h.kids = slices.Insert(h.kids, i, &head{label: literal, parent: h})
			return h.kids[i]
		}
		shared := sharedPrefix(h.kids[i].label, literal)
		if shared < len(h.kids[i].label) {
			h.split(i, shared)
		}
		h, literal = h.kids[i], literal[shared:]
	}
	return h
}

// split puts a branch between h and its i-th kid, after n bytes of its label.
func (h *head) split(i, n int) {
	kid := h.kids[i]
	between := &head{label: kid.label[:n], parent: h, kids: []*head{kid}}
	kid.label, kid.parent = kid.label[n:], between
	h.kids[i] = between
}

// prune removes h, and what it was the last reason for, once nothing is there.
func (h *head) prune() {
	if h.parent == nil || len(h.groups) > 0 || len(h.kids) > 1 {
		return
	}
	i, _ := h.parent.kid(h.label[0])
	if len(h.kids) == 1 {
		kid := h.kids[0]
		kid.label, kid.parent = h.label+kid.label, h.parent
		h.parent.kids[i] = kid
		return
	}
	h.parent.kids = slices.Delete(h.parent.kids, i, i+1)
	h.parent.prune()
}

// add puts g into the index.
func (h *head) add(g *group) {
	h = h.at(g.glob.literal())
	g.head, g.place = h, len(h.groups)
	h.groups = append(h.groups, g)
}

// remove takes g out of the index.
func (g *group) remove() {
	h := g.head
	last := len(h.groups) - 1
	h.groups[g.place] = h.groups[last]
	h.groups[g.place].place = g.place
	h.groups[last] = nil
	h.groups = h.groups[:last]
	h.prune()
}

// matching returns the groups below h whose globs match path.
func (h *head) matching(path string) []*group {
	var found []*group
	for rest := path; ; {
		for _, g := range h.groups {
			if g.glob.Match(path) {
				found = append(found, g)
			}
		}
		if rest == "" {
			return found
		}
		i, ok := h.kid(rest[0])
		if !ok || !strings.HasPrefix(rest, h.kids[i].label) {
			return found
		}
		h, rest = h.kids[i], rest[len(h.kids[i].label):]
	}
}

// all appends the groups below h, always in the same order, to groups.
func (h *head) all(groups []*group) []*group {
	groups = append(groups, h.groups...)
	for _, kid := range h.kids {
		groups = kid.all(groups)
	}
	return groups
}

func sharedPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
