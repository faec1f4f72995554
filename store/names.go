package store

import "encoding/binary"

// names is an immutable list of names, packed into one piece of memory: a
// search meets few cache lines there and the garbage collector no pointers.
//
// It is a number of words of 4 bytes, then the names, one after the other. Word
// 0 is how many names there are; word i is where the i-th starts, counted from
// 0, which is where the one before ends.
type names []byte

const wordSize = 4

// packNames packs a list of names.
func packNames(list ...string) names {
	size := 0
	for _, name := range list {
		size += len(name)
	}
	k := makeNames(len(list), size)
	size = 0
	for i, name := range list {
		copy(k.text()[size:], name)
		size += len(name)
		k.setStart(i+1, size)
	}
	return k
}

// makeNames returns room for n names of size bytes in all.
func makeNames(n, size int) names {
	k := make(names, wordSize*(n+1)+size)
	binary.LittleEndian.PutUint32(k, uint32(n))
	return k
}

func (k names) len() int { return int(binary.LittleEndian.Uint32(k)) }

func (k names) text() []byte { return k[wordSize*(k.len()+1):] }

// start returns where the i-th name starts in the text; for i = len, where the
// text ends.
func (k names) start(i int) int {
	if i == 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint32(k[wordSize*i:]))
}

func (k names) setStart(i, start int) {
	binary.LittleEndian.PutUint32(k[wordSize*i:], uint32(start))
}

// at returns the i-th name.
func (k names) at(i int) []byte { return k.text()[k.start(i):k.start(i+1)] }

// search returns the place of name in sorted names, or the place where it
// would have to be inserted.
func (k names) search(name string) (i int, found bool) {
	text := k.text()
	lo, hi := 0, k.len()
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		at := text[k.start(mid):k.start(mid+1)]
		if string(at) < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < k.len() && string(k.at(lo)) == name
}

// insert returns the names with name put in before the i-th.
func (k names) insert(i int, name string) names {
	n, start := k.len(), k.start(i)
	c := makeNames(n+1, len(k.text())+len(name))
	for j := 1; j <= i; j++ {
		c.setStart(j, k.start(j))
	}
	for j := i; j <= n; j++ {
		c.setStart(j+1, k.start(j)+len(name))
	}
	rest := c.text()
	rest = rest[copy(rest, k.text()[:start]):]
	rest = rest[copy(rest, name):]
	copy(rest, k.text()[start:])
	return c
}

// remove returns the names without the i-th.
func (k names) remove(i int) names {
	n, start, end := k.len(), k.start(i), k.start(i+1)
	c := makeNames(n-1, len(k.text())-(end-start))
	for j := 1; j <= i; j++ {
		c.setStart(j, k.start(j))
	}
	for j := i + 2; j <= n; j++ {
		c.setStart(j-1, k.start(j)-(end-start))
	}
	copy(c.text()[copy(c.text(), k.text()[:start]):], k.text()[end:])
	return c
}

// unpack returns the names as a list.
func (k names) unpack() []string {
	list := make([]string, k.len())
	for i := range list {
		list[i] = string(k.at(i))
	}
	return list
}
