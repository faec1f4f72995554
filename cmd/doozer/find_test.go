package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/kr/pretty"
	"pgregory.net/rapid"

	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/server"
	"github.com/ha/doozerd/store"
)

// A site is a node with files to find.
type site struct {
	uri  string
	node *peer.Node
}

func newSite(t testing.TB) site {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n, stop, err := serve(l, peer.Config{}, server.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return site{"doozer:?ca=" + l.Addr().String(), n}
}

// touch makes empty files, as far as their paths are not directories or below
// files, and returns which there are then.
func (s site) touch(paths []string) (files []string) {
	events := make(chan store.Event, len(paths))
	for _, path := range paths {
		m := store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber}
		err := s.node.Propose(context.Background(), m, func(ev store.Event, _ error) { events <- ev })
		if err != nil {
			panic(err)
		}
	}
	for range paths {
		if ev := <-events; ev.Err == nil {
			files = append(files, ev.Path)
		}
	}
	return files
}

// find runs doozer find and returns the lines that it prints.
func (s site) find(path string) (lines []string, err error) {
	var stdout, stderr bytes.Buffer
	e := env{name: "doozer", args: []string{"-a", s.uri, "find", path}, stdout: &stdout, stderr: &stderr}
	if status := run(context.Background(), e); status != 0 {
		return nil, fmt.Errorf("status %d: %s", status, &stderr)
	}
	return strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n"), nil
}

// below returns what find is to print for dir: the files, and the directories
// that they make, component by component.
func below(dir string, files []string) []string {
	found := map[string]bool{}
	for _, file := range files {
		for path := file; path != dir; path = path[:strings.LastIndex(path, "/")] {
			found[path] = true
		}
	}
	paths := []string{dir}
	for path := range found {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int {
		return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
	})
	return paths
}

// find prints any tree as the model does: those that are wider than its window
// and those that are deep and narrow.
func TestFindModel(t *testing.T) {
	s := newSite(t)
	trial := 0
	rapid.Check(t, func(t *rapid.T) {
		trial++
		root := fmt.Sprintf("/t%d", trial)
		name := rapid.StringMatching(`[a-c.A1-]{1,2}`)
		path := rapid.Map(rapid.SliceOfN(name, 1, 6), func(names []string) string {
			return root + "/" + strings.Join(names, "/")
		})
		files := s.touch(rapid.SliceOfN(path, 1, 3*findWindow).Draw(t, "paths"))
		found, err := s.find(root)
		if want := below(root, files); err != nil || !slices.Equal(want, found) {
			t.Fatalf("find: %v\n%v", err, pretty.Diff(want, found))
		}
	})
}

// BenchmarkFind prints trees of 100,000 files in several shapes.
func BenchmarkFind(b *testing.B) {
	for _, shape := range []struct {
		name string
		path func(i int) string
	}{
		{"OneDirectory", func(i int) string { return fmt.Sprintf("/one/%d", i) }},
		{"DirectoriesOf100", func(i int) string { return fmt.Sprintf("/some/%d/%d", i/100, i) }},
		{"DirectoriesOf1", func(i int) string { return fmt.Sprintf("/many/%d/name", i) }},
	} {
		b.Run(shape.name, func(b *testing.B) {
			s := newSite(b)
			paths := make([]string, 100_000)
			for i := range paths {
				paths[i] = shape.path(i)
			}
			s.touch(paths)
			for b.Loop() {
				if _, err := s.find("/"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
