package store

import "slices"

// fanout is how many slots a node has at most. With fewer, a large directory
// has more levels to go down; with more, a change copies more and each rev in
// history is larger. See BenchmarkApply and BenchmarkMemory.
const fanout = 32

// mergeAt is how many slots two neighbours may have together for them to
// become one node after a removal.
const mergeAt = fanout / 2

// A node is an immutable B+tree that holds the entries of one directory in
// the order of their names. Each change copies the nodes from the root to one
// leaf and shares all others.
//
// A node without an entry is the root of an empty directory and nothing else.
// A node is merged with a neighbour only when both are small, not as soon as it
// is half full: removals are followed by insertions sooner or later, and the
// tree stays nearly as short (Johnson and Shasha, B-trees with inserts and
// deletes: why free-at-empty is better than merge-at-half, 1993).
type node struct {
	// names of the entries; or, where there are kids, for each kid a name that
	// is not greater than those in it but greater than all those before it. For
	// the first kid, which takes whatever is less than the second, that is "".
	names names
	slots []*entry // of a leaf
	kids  []*node  // of other nodes

	entries int // in this node and below: what GETDIR counts
	files   int // in the subtrees of these entries: what WALK counts
}

// An entry is what a name in a directory stands for: a file, or a directory
// if sub is set. It is immutable.
type entry struct {
	rev  int64
	body []byte
	sub  *node
}

func (e *entry) isDir() bool { return e.sub != nil }

// files returns how many files a walk finds in e.
func (e *entry) files() int {
	if e.isDir() {
		return e.sub.files
	}
	return 1
}

func emptyNode() *node { return &node{names: packNames()} }

// leafOf returns the leaf of the given slots.
func leafOf(names names, slots []*entry) *node {
	n := &node{names: names, slots: slots, entries: len(slots)}
	for _, e := range slots {
		n.files += e.files()
	}
	return n
}

// parentOf returns the node of the given kids.
func parentOf(names names, kids []*node) *node {
	n := &node{names: names, kids: kids}
	for _, kid := range kids {
		n.entries += kid.entries
		n.files += kid.files
	}
	return n
}

func (n *node) isLeaf() bool { return n.kids == nil }

func (n *node) size() int { return n.names.len() }

// kidFor returns which kid has name, if any has it.
func (n *node) kidFor(name string) int {
	i, found := n.names.search(name)
	if found {
		return i
	}
	return max(i-1, 0)
}

// get returns the entry called name, nil if there is none.
func (n *node) get(name string) *entry {
	for !n.isLeaf() {
		n = n.kids[n.kidFor(name)]
	}
	if i, found := n.names.search(name); found {
		return n.slots[i]
	}
	return nil
}

// nth returns the entry at place i of the listing and its name. There must be
// one.
func (n *node) nth(i int) (name string, e *entry) {
	for !n.isLeaf() {
		k := 0
		for i >= n.kids[k].entries {
			i -= n.kids[k].entries
			k++
		}
		n = n.kids[k]
	}
	return string(n.names.at(i)), n.slots[i]
}

// filesBefore returns how many files are in the entries whose names are less
// than name.
func (n *node) filesBefore(name string) int {
	sum := 0
	for !n.isLeaf() {
		k := n.kidFor(name)
		for _, kid := range n.kids[:k] {
			sum += kid.files
		}
		n = n.kids[k]
	}
	i, _ := n.names.search(name)
	for _, e := range n.slots[:i] {
		sum += e.files()
	}
	return sum
}

// edit returns the tree n after change was asked what shall become of the entry
// called name: it is given the entry, nil if there is none, and returns the one
// to be there instead, nil for none. If that is the same, so is the tree.
func (n *node) edit(name string, change func(old *entry) *entry) *node {
	root := n.edited(name, change)
	if root.size() > fanout {
		left, bound, right := root.split(name)
		return parentOf(packNames("", bound), []*node{left, right})
	}
	for len(root.kids) == 1 {
		root = root.kids[0]
	}
	if root.entries == 0 {
		return emptyNode()
	}
	return root
}

// edited does what edit does, but may return a node with one slot too many, or
// none.
//
// It copies slots and kids before it knows which of them changes, if any does:
// in a large directory these and the names are in no cache, and this way are
// fetched side by side. Searched first, sets there take a quarter longer.
func (n *node) edited(name string, change func(old *entry) *entry) *node {
	if n.isLeaf() {
		return n.withEntry(copied(n.slots), name, change)
	}
	kids := copied(n.kids)
	i := n.kidFor(name)
	if kid := kids[i].edited(name, change); kid != kids[i] {
		return n.withKid(kids, i, kid, name)
	}
	return n
}

// withEntry returns the leaf n with the entry called name changed; slots is a
// copy of its own to use for that.
func (n *node) withEntry(slots []*entry, name string, change func(old *entry) *entry) *node {
	var old *entry
	i, found := n.names.search(name)
	if found {
		old = slots[i]
	}
	switch e := change(old); {
	case e == old:
		return n
	case e == nil:
		return &node{names: n.names.remove(i), slots: slices.Delete(slots, i, i+1), entries: n.entries - 1, files: n.files - old.files()}
	case old == nil:
		return &node{names: n.names.insert(i, name), slots: inserted(slots, i, e), entries: n.entries + 1, files: n.files + e.files()}
	default:
		slots[i] = e
		return &node{names: n.names, slots: slots, entries: n.entries, files: n.files - old.files() + e.files()}
	}
}

// withKid returns n with kid as its i-th, in which name was changed; kids is a
// copy of its own to use for that.
func (n *node) withKid(kids []*node, i int, kid *node, name string) *node {
	old := kids[i]
	kids[i] = kid
	m := &node{names: n.names, kids: kids, entries: n.entries - old.entries + kid.entries, files: n.files - old.files + kid.files}
	switch {
	case kid.size() > fanout:
		left, bound, right := kid.split(name)
		m.names = n.names.insert(i+1, bound)
		m.kids[i] = left
		m.kids = inserted(m.kids, i+1, right)
	case kid.size() == 0:
		m.names = n.names.remove(i)
		if i == 0 && len(kids) > 1 {
			m.names = n.names.remove(1) // the second becomes the first
		}
		m.kids = slices.Delete(m.kids, i, i+1)
	case kid.size() < old.size():
		m.mergeAround(i)
	}
	return m
}

// split returns n as two nodes, and a bound between them: the least name of the
// right one, or less. Usually they get half each; but if name, which made n too
// large, went to the end, then only the last slot moves, for names that come in
// order would leave half-filled nodes behind.
func (n *node) split(name string) (left *node, bound string, right *node) {
	list := n.names.unpack()
	cut := len(list) / 2
	if list[len(list)-1] <= name {
		cut = len(list) - 1
	}
	bound = list[cut]
	if n.isLeaf() {
		left = leafOf(packNames(list[:cut]...), slices.Clone(n.slots[:cut]))
		return left, bound, leafOf(packNames(list[cut:]...), slices.Clone(n.slots[cut:]))
	}
	left = parentOf(packNames(list[:cut]...), slices.Clone(n.kids[:cut]))
	list[cut] = "" // the bound of a first kid
	return left, bound, parentOf(packNames(list[cut:]...), slices.Clone(n.kids[cut:]))
}

// mergeAround merges the i-th kid, which lost a slot, with a neighbour if they
// are small enough. n must not be shared yet, here and in merge.
func (n *node) mergeAround(i int) {
	switch {
	case i > 0 && n.fits(i-1):
		n.merge(i - 1)
	case i+1 < len(n.kids) && n.fits(i):
		n.merge(i)
	}
}

// fits reports whether the i-th kid and the next are small enough to be one.
func (n *node) fits(i int) bool { return n.kids[i].size()+n.kids[i+1].size() <= mergeAt }

// merge makes one of the i-th kid and the next.
func (n *node) merge(i int) {
	left, right := n.kids[i], n.kids[i+1]
	list := right.names.unpack()
	if left.isLeaf() {
		left = leafOf(packNames(slices.Concat(left.names.unpack(), list)...), slices.Concat(left.slots, right.slots))
	} else {
		list[0] = string(n.names.at(i + 1)) // is the first no more
		left = parentOf(packNames(slices.Concat(left.names.unpack(), list)...), slices.Concat(left.kids, right.kids))
	}
	n.names = n.names.remove(i + 1)
	n.kids[i] = left
	n.kids = slices.Delete(n.kids, i+1, i+2)
}
