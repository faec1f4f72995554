package store

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

// set and del apply with a guard and return the event.
func set(s *Store, path string, guard int64, body string) Event {
	return s.Apply(Mutation{Op: Set, Path: path, Guard: guard, Body: []byte(body)}.Append(nil))
}

func del(s *Store, path string, guard int64) Event {
	return s.Apply(Mutation{Op: Del, Path: path, Guard: guard}.Append(nil))
}

// checked checks a store when its test ends.
func checked(t *testing.T, s *Store) *Store {
	t.Cleanup(func() {
		if err := s.Check(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// storeOf returns a store with files at the paths, each of them holding its own
// path.
func storeOf(t *testing.T, paths string) *Store {
	s := checked(t, New(1000))
	for _, path := range strings.Fields(paths) {
		assert.Equal(t, nil, set(s, path, Missing, path).Err)
	}
	return s
}

// entries lists a directory, which must exist.
func entries(t *testing.T, s *Snapshot, dir string) string {
	names, end := list(s, dir)
	assert.Equal(t, ErrRange, end, dir)
	return strings.Join(names, " ")
}

// walk lists the files that match, one offset after the other, and checks that
// a Walker and All see the same.
func walk(t *testing.T, s *Snapshot, glob string) string {
	g := mustGlob(t, glob)
	var paths []string
	var w Walker
	for e := range s.All(g) {
		byOffset, err := s.Walk(g, len(paths))
		assert.Equal(t, nil, err)
		assert.Equal(t, e, byOffset)
		byWalker, err := w.Walk(s, g, len(paths))
		assert.Equal(t, nil, err)
		assert.Equal(t, e, byWalker)
		assert.Equal(t, Set, e.Op)
		paths = append(paths, e.Path)
	}
	for _, offset := range []int{-1, math.MinInt, len(paths), math.MaxInt} {
		_, err := s.Walk(g, offset)
		assert.Equal(t, ErrRange, err)
		_, err = w.Walk(s, g, offset)
		assert.Equal(t, ErrRange, err)
	}
	return strings.Join(paths, " ")
}

func TestGuards(t *testing.T) {
	const missing, file, newer, dir = "/missing", "/d/file", "/d/newer", "/d" // revs 0, 1, 2, -2
	for _, test := range []struct {
		guard                     int64
		missing, file, newer, dir error
	}{
		{math.MinInt64, ErrRevMismatch, ErrRevMismatch, ErrRevMismatch, ErrRevMismatch},
		{-3, ErrRevMismatch, ErrRevMismatch, ErrRevMismatch, ErrRevMismatch},
		{Dir, ErrRevMismatch, ErrRevMismatch, ErrRevMismatch, ErrIsDir},
		{Clobber, nil, nil, nil, ErrIsDir},
		{Missing, nil, ErrRevMismatch, ErrRevMismatch, ErrIsDir},
		{1, nil, nil, ErrRevMismatch, ErrIsDir},
		{2, nil, nil, nil, ErrIsDir},
		{3, nil, nil, nil, ErrIsDir},
		{1 << 62, nil, nil, nil, ErrIsDir},
		{math.MaxInt64, nil, nil, nil, ErrIsDir},
	} {
		for path, want := range map[string]error{
			missing: test.missing, file: test.file, newer: test.newer, dir: test.dir, "/": test.dir,
		} {
			assert.Equal(t, want, set(storeOf(t, "/d/file /d/newer"), path, test.guard, "x").Err, "set", path, test.guard)
			assert.Equal(t, want, del(storeOf(t, "/d/file /d/newer"), path, test.guard).Err, "del", path, test.guard)
		}
	}
}

func TestNotDirComesFirst(t *testing.T) {
	s := storeOf(t, "/f /d/f")
	for _, path := range []string{"/f/x", "/f/x/y/z", "/d/f/x", "/ctl/err/x", "/ctl/err/x/y"} {
		for _, guard := range []int64{math.MinInt64, Dir, Clobber, Missing, math.MaxInt64} {
			assert.Equal(t, ErrNotDir, set(s, path, guard, "x").Err, path, guard)
			assert.Equal(t, ErrNotDir, del(s, path, guard).Err, path, guard)
		}
	}
	assert.Equal(t, "/ctl/err /d/f /f", walk(t, s.Snapshot(), "/**"))
}

func TestCtlErrIsAFileBeforeItExists(t *testing.T) {
	s := checked(t, New(10))
	assert.Equal(t, nil, del(s, "/ctl/err", Missing).Err)
	_, rev, err := s.Snapshot().Get("/ctl/err")
	assert.Equal(t, Missing, rev)
	assert.Equal(t, nil, err)
	assert.Equal(t, ErrNotDir, set(s, "/ctl/err/x", Clobber, "").Err)
}

func TestCtlIsADirectoryEvenIfEmpty(t *testing.T) {
	s := checked(t, New(10))
	assert.Equal(t, ErrIsDir, set(s, "/ctl", Clobber, "").Err)
	assert.Equal(t, nil, del(s, "/ctl/err", Clobber).Err)
	rev, n := s.Snapshot().Stat("/ctl")
	assert.Equal(t, []any{Missing, 0}, []any{rev, n})
	assert.Equal(t, ErrIsDir, del(s, "/ctl", Missing).Err)
	assert.Equal(t, nil, del(s, "/ctl/err", Clobber).Err)
	assert.Equal(t, ErrRevMismatch, set(s, "/ctl", -3, "").Err)
}

func TestFailureIsASetOfCtlErr(t *testing.T) {
	s := storeOf(t, "/d/f")
	for i, test := range []struct {
		apply func() Event
		err   error
		text  string
	}{
		{func() Event { return set(s, "/d/f", Missing, "x") }, ErrRevMismatch, "rev mismatch"},
		{func() Event { return set(s, "/d", Clobber, "x") }, ErrIsDir, "is a directory"},
		{func() Event { return del(s, "/d/f/x", Clobber) }, ErrNotDir, "not a directory"},
		{func() Event { return s.Apply(nil) }, ErrBadMutation, "bad mutation"},
		{func() Event { return set(s, "d", Clobber, "x") }, ErrBadMutation, "bad mutation"},
	} {
		rev := int64(i + 2)
		assert.Equal(t, Event{Rev: rev, Op: Set, Path: "/ctl/err", Body: []byte(test.text), Err: test.err}, test.apply())
		body, at, err := s.Snapshot().Get("/ctl/err")
		assert.Equal(t, []any{[]byte(test.text), rev, error(nil)}, []any{body, at, err})
	}
	assert.Equal(t, nil, del(s, "/ctl/err", 6).Err)
	assert.Equal(t, "/d/f", walk(t, s.Snapshot(), "/**"))
}

func TestOneRevPerMutation(t *testing.T) {
	s := checked(t, New(10))
	assert.Equal(t, int64(0), s.Snapshot().Rev())
	assert.Equal(t, Event{Rev: 1, Op: Set, Path: "/a", Body: []byte("x")}, set(s, "/a", Missing, "x"))
	assert.Equal(t, Event{Rev: 2, Op: Set, Path: "/a", Body: []byte("x")}, set(s, "/a", 1, "x"))
	assert.Equal(t, Event{Rev: 3, Op: Del, Path: "/no/such"}, del(s, "/no/such", Missing))
	assert.Equal(t, ErrRevMismatch, set(s, "/a", 1, "y").Err)
	assert.Equal(t, Event{Rev: 5, Op: Del, Path: "/a"}, del(s, "/a", 2))
	assert.Equal(t, Event{Rev: 6, Op: Del, Path: "/a"}, del(s, "/a", 7))
	assert.Equal(t, int64(6), s.Snapshot().Rev())
}

func TestDeleteOfMissing(t *testing.T) {
	s := storeOf(t, "/d/f")
	for _, path := range []string{"/x", "/x/y", "/d/x", "/d/x/y"} {
		e := del(s, path, Clobber)
		assert.Equal(t, Event{Rev: e.Rev, Op: Del, Path: path}, e)
	}
	assert.Equal(t, "/d/f", walk(t, s.Snapshot(), "/**"))
	assert.Equal(t, "d", entries(t, s.Snapshot(), "/"))
}

func TestDirectoriesComeAndGo(t *testing.T) {
	s := storeOf(t, "/a/b/c/d /a/x")
	assert.Equal(t, "b x", entries(t, s.Snapshot(), "/a"))
	assert.Equal(t, "c", entries(t, s.Snapshot(), "/a/b"))
	del(s, "/a/b/c/d", Clobber)
	assert.Equal(t, "x", entries(t, s.Snapshot(), "/a"))
	rev, n := s.Snapshot().Stat("/a/b")
	assert.Equal(t, []any{Missing, 0}, []any{rev, n})
	assert.Equal(t, nil, set(s, "/a/b", Missing, "now a file").Err)
	del(s, "/a/b", Clobber)
	del(s, "/a/x", Clobber)
	assert.Equal(t, "", entries(t, s.Snapshot(), "/"))
	assert.Equal(t, nil, set(s, "/a", Missing, "now a file").Err)
}

func TestReading(t *testing.T) {
	s := storeOf(t, "/d/f /d/empty/e").Snapshot()
	for _, test := range []struct {
		path  string
		rev   int64
		n     int
		get   error
		entry error
	}{
		{"/", Dir, 1, ErrIsDir, nil},
		{"/d", Dir, 2, ErrIsDir, nil},
		{"/d/f", 1, 4, nil, ErrNotDir},
		{"/d/f/x", Missing, 0, nil, ErrNoEnt},
		{"/d/f/x/y", Missing, 0, nil, ErrNoEnt},
		{"/x", Missing, 0, nil, ErrNoEnt},
		{"/x/y", Missing, 0, nil, ErrNoEnt},
		{"", Missing, 0, nil, ErrNoEnt},
		{"d", Missing, 0, nil, ErrNoEnt},
		{"/d/", Missing, 0, nil, ErrNoEnt},
		{"//", Missing, 0, nil, ErrNoEnt},
		{"/d//f", Missing, 0, nil, ErrNoEnt},
	} {
		rev, n := s.Stat(test.path)
		assert.Equal(t, []any{test.rev, test.n}, []any{rev, n}, test.path)
		_, _, err := s.Get(test.path)
		assert.Equal(t, test.get, err, test.path)
		_, err = s.Entry(test.path, 0)
		assert.Equal(t, test.entry, err, test.path)
	}
	for _, offset := range []int{-1, 2, math.MinInt, math.MaxInt} {
		_, err := s.Entry("/d", offset)
		assert.Equal(t, ErrRange, err, offset)
	}
	_, err := s.Entry("/x", -1)
	assert.Equal(t, ErrNoEnt, err)
	_, err = s.Entry("/d/f", -1)
	assert.Equal(t, ErrNotDir, err)
}

func TestValueComesBack(t *testing.T) {
	s := checked(t, New(1))
	for _, body := range []string{"", "\x00", "\xff\xfe\n", strings.Repeat("v", 1<<20)} {
		e := set(s, "/f", Clobber, body)
		got, rev, err := s.Snapshot().Get("/f")
		assert.Equal(t, []any{body, e.Rev, error(nil)}, []any{string(got), rev, err})
		assert.T(t, got != nil, "an empty file is not a missing one")
	}
}

func TestApplyKeepsNothingOfItsArgument(t *testing.T) {
	s := storeOf(t, "")
	b := Mutation{Op: Set, Path: "/f", Guard: Clobber, Body: []byte("body")}.Append(nil)
	s.Apply(b)
	clear(b)
	assert.Equal(t, "f", entries(t, s.Snapshot(), "/"))
	body, _, _ := s.Snapshot().Get("/f")
	assert.Equal(t, "body", string(body))
}

func TestListingIsInByteOrder(t *testing.T) {
	s := storeOf(t, "/b /ab /a.b /a/x /a-b /B /9 /10 /.x /-x").Snapshot()
	assert.Equal(t, "-x .x 10 9 B a a-b a.b ab b", entries(t, s, "/"))
}

func TestWalkIsComponentByComponent(t *testing.T) {
	s := storeOf(t, "/b /ab /a.b /a-b /a/y/z /a/x").Snapshot()
	assert.Equal(t, "/a/x /a/y/z /a-b /a.b /ab /b", walk(t, s, "/**"))
}

func TestWalk(t *testing.T) {
	s := storeOf(t, "/d /e/a /e/ab/c /e/axb /e/a.b /e/b /e-/f /f/g/h/i").Snapshot()
	for glob, want := range map[string]string{
		"/":         "",
		"/*":        "/d",
		"/**":       "/d /e/a /e/a.b /e/ab/c /e/axb /e/b /e-/f /f/g/h/i",
		"/e/**":     "/e/a /e/a.b /e/ab/c /e/axb /e/b",
		"/e**":      "/e/a /e/a.b /e/ab/c /e/axb /e/b /e-/f",
		"/e***":     "/e/a /e/a.b /e/ab/c /e/axb /e/b /e-/f",
		"/e/a**":    "/e/a /e/a.b /e/ab/c /e/axb",
		"/e/a*":     "/e/a /e/a.b /e/axb",
		"/e/*":      "/e/a /e/a.b /e/axb /e/b",
		"/e/?":      "/e/a /e/b",
		"/?":        "/d",
		"/**/c":     "/e/ab/c",
		"/**c":      "/e/ab/c",
		"/*/*":      "/e/a /e/a.b /e/axb /e/b /e-/f",
		"/*/?b/*":   "/e/ab/c",
		"/e/a":      "/e/a",
		"/e":        "",
		"/e/ab":     "",
		"/d/**":     "",
		"/d/x":      "",
		"/x/y/**":   "",
		"/f/g/h**":  "/f/g/h/i",
		"/f/g/h/**": "/f/g/h/i",
		"/f/**i":    "/f/g/h/i",
	} {
		assert.Equal(t, want, walk(t, s, glob), glob)
	}
}

func TestWalkOfTheGreatestNames(t *testing.T) {
	s := storeOf(t, "/y /yz/zz/z /z /zz /zz-/z /zzz/z /zzzz").Snapshot()
	assert.Equal(t, "/z /zz /zz-/z /zzz/z /zzzz", walk(t, s, "/z**"))
	assert.Equal(t, "/z /zz /zzzz", walk(t, s, "/z*"))
	assert.Equal(t, "/yz/zz/z", walk(t, s, "/yz/z**"))
}

func TestWalkOfManyFiles(t *testing.T) {
	const dirs, files = 50, 60
	var paths []string
	for i := range dirs * files {
		paths = append(paths, fmt.Sprintf("/d%02d/f%02d", i/files, i%files))
	}
	s := storeOf(t, strings.Join(paths, " ")).Snapshot()
	assert.Equal(t, strings.Join(paths, " "), walk(t, s, "/d*/**"))
	assert.Equal(t, strings.Join(paths[7*files:8*files], " "), walk(t, s, "/*07/*"))
}

// The last of several listings that take turns go on where they were.
func TestWalkerKeepsListingsApart(t *testing.T) {
	s := storeOf(t, "/a/1 /a/2 /a/3 /b/1 /b/2 /b/3").Snapshot()
	var w Walker
	globs := []string{"/*/?", "/a/*", "/b/*", "/*/1", "/*/2", "/**3", "/**/1", "/**2", "/**/3", "/?/?"}
	for _, offset := range []int{0, 1, 2, 3, 1, 0, 5, 4, 6, 2} {
		for _, glob := range globs {
			g := mustGlob(t, glob)
			want, wantErr := s.Walk(g, offset)
			got, err := w.Walk(s, g, offset)
			assert.Equal(t, []any{want, wantErr}, []any{got, err}, glob, offset)
		}
	}
}

func TestWalkerKeepsRevsApart(t *testing.T) {
	s := storeOf(t, "/a/1 /a/2 /a/3")
	old := s.Snapshot()
	g := mustGlob(t, "/a/*")
	var w Walker
	for _, step := range []struct {
		offset    int
		now, then string
	}{{0, "/a/2", "/a/1"}, {1, "/a/3", "/a/2"}} {
		del(s, "/a/1", Clobber)
		e, err := w.Walk(s.Snapshot(), g, step.offset)
		assert.Equal(t, []any{step.now, error(nil)}, []any{e.Path, err})
		e, err = w.Walk(old, g, step.offset)
		assert.Equal(t, []any{step.then, error(nil)}, []any{e.Path, err})
	}
}

func TestAllStopsWhenTold(t *testing.T) {
	s := storeOf(t, "/a/1 /a/2 /b").Snapshot()
	seen := 0
	for range s.All(mustGlob(t, "/**")) {
		seen++
		break
	}
	assert.Equal(t, 1, seen)
}

func TestDeepestPath(t *testing.T) {
	path := strings.Repeat("/a", MaxPath/2)
	s := storeOf(t, path)
	assert.Equal(t, path, walk(t, s.Snapshot(), "/**"))
	assert.Equal(t, path, walk(t, s.Snapshot(), path))
	assert.Equal(t, nil, del(s, path, 1).Err)
	assert.Equal(t, "", entries(t, s.Snapshot(), "/"))
}
