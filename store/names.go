package store

import (
	"sort"
	"strings"
)

// names is an immutable list of names, packed into one string: a node of the
// tree holds them with two pointers instead of one per name, in the few cache
// lines that a search needs.
type names struct {
	text string   // all names, one after the other
	ends []uint32 // where each ends
}

func (k *names) len() int { return len(k.ends) }

func (k *names) at(i int) string { return k.text[k.start(i):k.ends[i]] }

func (k *names) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return k.ends[i-1]
}

// search returns the place of name in sorted names, or the place where it
// would have to be inserted.
func (k *names) search(name string) (i int, found bool) {
	return sort.Find(k.len(), func(i int) int {
		switch at := k.at(i); {
		case name < at:
			return -1
		case name > at:
			return 1
		}
		return 0
	})
}

// insert returns the names with name put in before the i-th.
func (k *names) insert(i int, name string) *names {
	start := k.start(i)
	ends := inserted(k.ends, i, start)
	shift(ends[i:], uint32(len(name)))
	return &names{text: k.text[:start] + name + k.text[start:], ends: ends}
}

// remove returns the names without the i-th.
func (k *names) remove(i int) *names {
	start, end := k.start(i), k.ends[i]
	ends := removed(k.ends, i)
	shift(ends[i:], start-end)
	return &names{text: k.text[:start] + k.text[end:], ends: ends}
}

// slice returns the names from the i-th to before the j-th.
func (k *names) slice(i, j int) *names {
	start, end := k.start(i), k.start(j)
	ends := make([]uint32, j-i)
	copy(ends, k.ends[i:j])
	shift(ends, -start)
	return &names{text: strings.Clone(k.text[start:end]), ends: ends}
}

// join returns the names followed by those of o.
func (k *names) join(o *names) *names {
	ends := make([]uint32, k.len()+o.len())
	copy(ends, k.ends)
	copy(ends[k.len():], o.ends)
	shift(ends[k.len():], uint32(len(k.text)))
	return &names{text: k.text + o.text, ends: ends}
}

// shift adds by, modulo 2^32, to each of ends.
func shift(ends []uint32, by uint32) {
	for i := range ends {
		ends[i] += by
	}
}

// inserted returns a copy of s with v before the i-th element.
func inserted[T any](s []T, i int, v T) []T {
	c := make([]T, len(s)+1)
	copy(c, s[:i])
	c[i] = v
	copy(c[i+1:], s[i:])
	return c
}

// removed returns a copy of s without the i-th element.
func removed[T any](s []T, i int) []T {
	c := make([]T, len(s)-1)
	copy(c, s[:i])
	copy(c[i:], s[i+1:])
	return c
}

// replaced returns a copy of s with v as the i-th element.
func replaced[T any](s []T, i int, v T) []T {
	c := make([]T, len(s))
	copy(c, s)
	c[i] = v
	return c
}
