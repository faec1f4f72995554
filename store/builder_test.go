package store

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

// file is a file as a builder takes it.
func file(path string, rev int64) Event { return Event{Rev: rev, Path: path, Body: []byte(path)} }

// built returns a builder of the version of rev with files at the paths, each of
// rev 1 and holding its own path.
func built(t *testing.T, rev int64, paths string) *Builder {
	t.Helper()
	b := NewBuilder(rev)
	for _, path := range strings.Fields(paths) {
		assert.Equal(t, nil, b.Add(file(path, 1)))
	}
	return b
}

// installed returns a store that begins with what b built.
func installed(t *testing.T, b *Builder) *Store {
	t.Helper()
	s := checked(t, New(10))
	assert.Equal(t, nil, s.Install(b))
	return s
}

func TestBuilderTakesDirectoryOrder(t *testing.T) {
	const paths = "/-/a /a/b/c /a/b/d/e /a/c /a/x /a-b /a.b /a0 /ctl/err /d/d/d/d /z"
	s := installed(t, built(t, 7, paths))
	assert.Equal(t, paths, walk(t, s.Snapshot(), "/**"))
	assert.Equal(t, "- a a-b a.b a0 ctl d z", entries(t, s.Snapshot(), "/"))
	assert.Equal(t, "b c x", entries(t, s.Snapshot(), "/a"))
}

func TestBuilderRefuses(t *testing.T) {
	for _, test := range []struct {
		before string
		add    Event
		want   string
	}{
		{"", Event{Rev: 1}, "bad path: it is empty"},
		{"", file("a", 1), "bad path"},
		{"", file("/a_b", 1), "bad path"},
		{"", file("/a//b", 1), "bad path"},
		{"", file("/"+strings.Repeat("a", MaxPath), 1), "more than 4096"},
		{"", file("/", 1), "/ is a directory"},
		{"", file("/ctl", 1), "/ctl is a directory"},
		{"", file("/ctl/err/x", 1), "/ctl/err/x is below a file"},
		{"", file("/a", 0), "/a of rev 0"},
		{"", file("/a", Dir), "/a of rev -2"},
		{"", file("/a", 8), "/a of rev 8, in a tree of rev 7"},
		{"", file("/a", math.MaxInt64), "/a of rev"},
		{"", Event{Rev: 1, Path: "/a", Body: make([]byte, MaxBody+1)}, "a body of 67108865 bytes"},
		{"/a", file("/a", 2), "file 1: /a is not after /a"},
		{"/a /b", file("/a", 1), "file 2: /a is not after /b"},
		{"/a/b /b", file("/a/c", 1), "/a/c is not after /b"},
		{"/a-b", file("/a/x", 1), "/a/x is not after /a-b"},
		{"/a/x", file("/a", 1), "/a is not after /a/x"},
		{"/a/x /b", file("/a", 1), "/a is not after /b"},
		{"/a", file("/a/x", 1), "/a/x is below a file"},
		{"/a/b", file("/a/b/c/d", 1), "/a/b/c/d is below a file"},
		{"/ab", file("/a", 1), "/a is not after /ab"},
	} {
		b := built(t, 7, test.before)
		before := b.Len()
		err := b.Add(test.add)
		assert.T(t, errors.Is(err, ErrBadSnapshot), test.want, err)
		assert.T(t, strings.Contains(err.Error(), test.want), test.want, err)
		assert.Equal(t, before, b.Len())
		assertBad(t, b, err)
	}
}

// assertBad checks that b, which returned err, takes nothing more and cannot be
// installed.
func assertBad(t *testing.T, b *Builder, err error) {
	t.Helper()
	assert.Equal(t, err, b.Add(file("/zz", 1)))
	s := checked(t, New(1))
	assert.Equal(t, err, s.Install(b))
	assert.Equal(t, int64(0), s.Snapshot().Rev())
}

func TestBuilderRefusesRevs(t *testing.T) {
	for _, rev := range []int64{math.MinInt64, -1, 0, maxRev + 1, math.MaxInt64} {
		b := NewBuilder(rev)
		err := b.Add(file("/a", 1))
		assert.T(t, errors.Is(err, ErrBadSnapshot), err)
		assertBad(t, b, err)
	}
}

func TestBuilderIsClosedByInstall(t *testing.T) {
	b := built(t, 7, "/a /b/c")
	s := installed(t, b)
	assert.T(t, errors.Is(b.Add(file("/c", 1)), ErrBadSnapshot))
	assert.Equal(t, "/a /b/c", walk(t, s.Snapshot(), "/**"))
}

// What was added is not changed by what the caller does with its bytes.
func TestBuilderCopiesBodies(t *testing.T) {
	b := NewBuilder(1)
	body := []byte("body")
	assert.Equal(t, nil, b.Add(Event{Rev: 1, Path: "/a", Body: body}))
	copy(body, "gone")
	got, _, _ := installed(t, b).Snapshot().Get("/a")
	assert.Equal(t, "body", string(got))
}

// A file without a body is empty, not missing, just as if it had been set.
func TestBuilderAddsEmptyFiles(t *testing.T) {
	b := NewBuilder(1)
	assert.Equal(t, nil, b.Add(Event{Rev: 1, Path: "/a"}))
	body, rev, err := installed(t, b).Snapshot().Get("/a")
	assert.Equal(t, []any{[]byte{}, int64(1), error(nil)}, []any{body, rev, err})
}

// Directories of all sizes about those at which a tree gets another node or
// another level.
func TestBuilderOfSizes(t *testing.T) {
	for _, size := range []int{0, 1, fanout - 1, fanout, fanout + 1, 2 * fanout, fanout * fanout, fanout*fanout + 1, fanout*fanout*fanout + fanout} {
		b := NewBuilder(9)
		for i := range size {
			assert.Equal(t, nil, b.Add(file("/d/"+fileName(i), 9)))
		}
		s := installed(t, b)
		assert.Equal(t, nil, s.Check())
		assert.Equal(t, size, s.Snapshot().Len())
		_, entries := s.Snapshot().Stat("/d")
		assert.Equal(t, size, entries)
		for i := range size {
			set(s, "/d/"+fileName(i)+"-x", Missing, "")
			del(s, "/d/"+fileName(i), 9)
		}
		assert.Equal(t, nil, s.Check())
		assert.Equal(t, size, s.Snapshot().Len())
	}
}

// TestCarry carries random trees, in parts of random sizes, and checks that the
// stores stay equal whatever is done to both.
func TestCarry(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 5))
		from := checked(t, New(5))
		mutateRandomly(random, random.IntN(5000)+1, from)
		b := NewBuilder(from.Snapshot().Rev())
		for b.Len() < from.Snapshot().Len() {
			carryPart(t, b, from.Snapshot(), random.IntN(300)+1)
		}
		to := installed(t, b)
		for range 5 {
			assertSame(t, from.Snapshot(), to.Snapshot())
			assert.Equal(t, nil, to.Check())
			mutateRandomly(random, 500, from, to)
		}
	}
}

// carryPart adds the next files to b, so many of them.
func carryPart(t *testing.T, b *Builder, s *Snapshot, part int) {
	t.Helper()
	for e := range s.Files(b.Len()) {
		assert.Equal(t, nil, b.Add(e))
		if part--; part == 0 {
			return
		}
	}
}

// mutateRandomly does the same mutations to each of the stores.
func mutateRandomly(random *rand.Rand, count int, stores ...*Store) {
	for rev := range count {
		path := ""
		for range 1 + random.IntN(3) {
			path += fmt.Sprintf("/%c%d", "a-."[random.IntN(3)], random.IntN(40))
		}
		m := Mutation{Op: Set, Path: path, Guard: Clobber, Body: []byte(fmt.Sprint(rev))}
		if random.IntN(3) == 0 {
			m = Mutation{Op: Del, Path: path, Guard: Clobber}
		}
		for _, s := range stores {
			s.Apply(m.Append(nil))
		}
	}
}

// assertSame checks that two versions are equal in all that can be read.
func assertSame(t *testing.T, want, got *Snapshot) {
	t.Helper()
	assert.Equal(t, want.Rev(), got.Rev())
	assert.Equal(t, want.Len(), got.Len())
	wantFiles, gotFiles := slices.Collect(want.Files(0)), slices.Collect(got.Files(0))
	assert.Equal(t, wantFiles, gotFiles)
	all, listed := mustGlob(t, "/**"), map[string]bool{}
	for offset, e := range gotFiles {
		byOffset, err := got.Walk(all, offset)
		assert.Equal(t, nil, err)
		assert.Equal(t, e, byOffset)
		for _, dir := range append(parents(e.Path), "/") {
			if !listed[dir] {
				assert.Equal(t, entries(t, want, dir), entries(t, got, dir))
				listed[dir] = true
			}
		}
	}
}

func TestFilesFrom(t *testing.T) {
	s := storeOf(t, "/a/x /a-b /b/c/d /b/c/e /c").Snapshot()
	assert.Equal(t, 5, s.Len())
	all := slices.Collect(s.All(mustGlob(t, "/**")))
	for first := -1; first <= 6; first++ {
		want := append([]Event(nil), all[min(max(first, 0), len(all)):]...)
		assert.Equal(t, want, slices.Collect(s.Files(first)), first)
	}
	assert.Equal(t, 0, New(1).Snapshot().Len())
	assert.Equal(t, 0, len(slices.Collect(New(1).Snapshot().Files(0))))
}

// FuzzBuilder adds files as the bytes choose, and compares what it takes with
// rules that are too simple to be wrong.
func FuzzBuilder(f *testing.F) {
	f.Add([]byte("\x01/a\x01/b\x01/b/c"))
	f.Add([]byte("\x01/a/x\x02/a-b\x05/c"))
	f.Add([]byte("\x01/ctl/err\x01/ctl/err/x"))
	f.Fuzz(func(t *testing.T, adds []byte) {
		const rev = 200
		b := NewBuilder(rev)
		var files []Event
		for _, add := range splitAdds(adds) {
			bad := !fits(files, add, rev)
			err := b.Add(add)
			if bad != (err != nil) || bad && !errors.Is(err, ErrBadSnapshot) {
				t.Fatalf("%v after %v: %v", add, files, err)
			}
			if bad {
				assertBad(t, b, err)
				return
			}
			files = append(files, add)
		}
		s := installed(t, b)
		assert.Equal(t, nil, s.Check())
		assert.Equal(t, len(files), s.Snapshot().Len())
		for i, e := range slices.Collect(s.Snapshot().Files(0)) {
			files[i].Op = Set
			assert.Equal(t, files[i], e)
		}
	})
}

// splitAdds makes files of bytes: the rev, then the path up to the next byte
// that is no part of one.
func splitAdds(b []byte) []Event {
	var adds []Event
	for len(b) > 0 {
		n := 1
		for n < len(b) && (b[n] == '/' || isNameByte(b[n])) {
			n++
		}
		adds = append(adds, file(string(b[1:n]), int64(b[0])))
		b = b[n:]
	}
	return adds
}

// fits reports whether a tree of rev that has files, in order, may have e next.
func fits(files []Event, e Event, rev int64) bool {
	if CheckPath(e.Path) != nil || e.Path == "/" || e.Path == "/ctl" || e.Rev < 1 || e.Rev > rev {
		return false
	}
	dirs := parents(e.Path)
	if slices.Contains(dirs, "/ctl/err") {
		return false
	}
	for _, f := range files {
		order := slices.Compare(strings.Split(f.Path, "/"), strings.Split(e.Path, "/"))
		if order >= 0 || slices.Contains(dirs, f.Path) {
			return false
		}
	}
	return true
}
