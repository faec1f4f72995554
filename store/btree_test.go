package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
	"pgregory.net/rapid"
)

// checkNode checks n against the sorted list of its names, where each name
// that holds an x is a directory of two files.
func checkNode(t failer, n *node, want []string) {
	t.Helper()
	dir := entry{rev: Dir, sub: n}
	if err := dir.checkDir("/", 1); err != nil {
		t.Fatalf("%v", err)
	}
	if n.entries != len(want) {
		t.Fatalf("%d entries, want %d", n.entries, len(want))
	}
	files := 0
	for i, name := range want {
		if got, e := n.nth(i); got != name || n.get(name) != e {
			t.Fatalf("entry %d is %q, want %q", i, got, name)
		}
		if got := n.filesBefore(name); got != files {
			t.Fatalf("%d files before %q, want %d", got, name, files)
		}
		files += n.get(name).files()
	}
	if n.get("missing") != nil || n.files != files || n.filesBefore("\xff") != files {
		t.Fatalf("%d files, want %d", n.files, files)
	}
}

func nodeEntry(name string) *entry {
	file := &entry{rev: 1}
	if !strings.Contains(name, "x") {
		return file
	}
	return &entry{rev: Dir, sub: with(with(emptyNode(), "1", file), "2", file)}
}

// with and without set and remove one entry.
func with(n *node, name string, e *entry) *node {
	return n.edit(name, func(*entry) *entry { return e })
}

func without(n *node, name string) *node { return with(n, name, nil) }

// A nodeTest is a directory and what it must hold.
type nodeTest struct {
	failer
	node  *node
	model map[string]bool
}

// A run sets or removes names one after the other.
type run struct {
	start, stride, length int
	adds                  bool
}

const nodeNames = 3000

func (t *nodeTest) run(r run) {
	before, want := t.node, sorted(t.model)
	for i := range r.length {
		name := nodeName((r.start + i*r.stride + 10*nodeNames) % nodeNames)
		if r.adds {
			t.node = with(t.node, name, nodeEntry(name))
			t.model[name] = true
		} else if t.model[name] {
			t.node = without(t.node, name)
			delete(t.model, name)
		}
	}
	checkNode(t, t.node, sorted(t.model))
	checkNode(t, before, want)
}

// TestNode sets and removes names of one directory, enough of them for several
// levels, mostly in runs, up or down, which is where a B-tree goes wrong.
func TestNode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		test := nodeTest{failer: t, node: emptyNode(), model: map[string]bool{}}
		for range rapid.IntRange(1, 16).Draw(t, "runs") {
			test.run(run{
				start:  rapid.IntRange(0, nodeNames).Draw(t, "start"),
				stride: rapid.SampledFrom([]int{1, -1, 7, -13}).Draw(t, "stride"),
				adds:   rapid.Bool().Draw(t, "adds"),
				length: rapid.IntRange(1, nodeNames/2).Draw(t, "length"),
			})
		}
	})
}

// Once the first kid of a node is gone, what is less than its second goes to
// that, which may then split below the name it was known by.
func TestNodeWhoseFirstKidWentSplits(t *testing.T) {
	test := nodeTest{failer: t, node: emptyNode(), model: map[string]bool{}}
	test.run(run{start: 80, stride: -1, length: 28, adds: true})
	test.run(run{start: 66, stride: 1, length: 655, adds: true})
	test.run(run{start: 52, stride: 1, length: 444})
	test.run(run{start: 1, stride: 1, length: 1061, adds: true})
}

// nodeName returns names of which some begin alike and some are long.
func nodeName(i int) string {
	return strings.Repeat(string(rune('a'+i%2)), i%5) + []string{"", "x", "-"}[i%3] + fmt.Sprint(i)
}

func sorted(model map[string]bool) []string {
	list := make([]string, 0, len(model))
	for name := range model {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// Names that come in order fill their nodes, and removing them leaves none.
func TestNodeInOrder(t *testing.T) {
	const files = fanout * fanout * 2
	n := emptyNode()
	for i := range files {
		n = with(n, fileName(i), &entry{rev: 1})
	}
	assert.Equal(t, 2, n.height())
	for i := range files {
		n = without(n, fileName(i))
	}
	assert.Equal(t, emptyNode(), n)
}

// The tree gets shorter again, whichever few names stay.
func TestNodeShrinks(t *testing.T) {
	const files = fanout * fanout * 2
	n := emptyNode()
	for i := range files {
		n = with(n, fileName(i), &entry{rev: 1})
	}
	for i := range files {
		if i%fanout != 0 {
			n = without(n, fileName(i))
		}
	}
	assert.Equal(t, 1, n.height())
	assert.Equal(t, files/fanout, n.entries)
}

func TestNodeOfLongNames(t *testing.T) {
	n, model := emptyNode(), map[string]bool{}
	for i := range 3 * fanout {
		name := strings.Repeat("a", MaxPath-10) + fileName(i * 7 % 50)[6:]
		n = with(n, name, &entry{rev: 1})
		model[name] = true
	}
	assert.Equal(t, 50, n.entries)
	for i, name := range sorted(model) {
		got, _ := n.nth(i)
		assert.Equal(t, name, got)
	}
}

// What changes nothing copies nothing.
func TestNodeUnchanged(t *testing.T) {
	n := emptyNode()
	for i := range 3 * fanout {
		n = with(n, fileName(i), &entry{rev: 1})
	}
	assert.T(t, n == without(n, "missing"))
	assert.T(t, n == n.edit(fileName(7), func(old *entry) *entry { return old }))
}

func TestNames(t *testing.T) {
	var list []string
	k := packNames()
	for i, name := range []string{"", "b", "abc", "d", strings.Repeat("e", 300)} {
		at := i / 2
		list = slices.Insert(list, at, name)
		k = k.insert(at, name)
		assert.Equal(t, list, k.unpack())
		assert.Equal(t, packNames(list...), k)
	}
	for len(list) > 0 {
		i := len(list) / 2
		list = slices.Delete(list, i, i+1)
		k = k.remove(i)
		assert.Equal(t, packNames(list...), k)
	}
}
