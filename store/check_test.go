package store

import (
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

// TestCheckFinds breaks a store in each way that Check is there for.
func TestCheckFinds(t *testing.T) {
	for _, test := range []struct {
		want     string
		sabotage func(s *Store)
	}{
		{"counts 3 entries", func(s *Store) { root(s).entries++ }},
		{"and 9 files", func(s *Store) { root(s).files++ }},
		{"an empty directory", func(s *Store) { root(s).get("d").sub = emptyNode() }},
		{"is no directory", func(s *Store) { root(s).get("d").rev = 1 }},
		{"of rev 99", func(s *Store) { root(s).get("f").rev = 99 }},
		{"of rev 0", func(s *Store) { root(s).get("f").rev = 0 }},
		{"bad path", func(s *Store) { root(s).names = packNames("d", "~") }},
		{`"a" follows "d"`, func(s *Store) { root(s).names = packNames("d", "a") }},
		{"1 names", func(s *Store) { root(s).names = packNames("d") }},
		{"a root with one kid", func(s *Store) { n := *root(s); *root(s) = *parentOf(packNames(""), []*node{&n}) }},
		{"more than 32", func(s *Store) { *root(s) = *crowded() }},
		{"different depths", func(s *Store) {
			n := *root(s)
			deep := parentOf(packNames(""), []*node{&n})
			*root(s) = *parentOf(packNames("", "z"), []*node{&n, deep})
		}},
		{"no slots", func(s *Store) { n := *root(s); *root(s) = *parentOf(packNames("", "z"), []*node{&n, emptyNode()}) }},
		{"the first kid begins at", func(s *Store) { n := *root(s); *root(s) = *parentOf(packNames("a", "b"), []*node{&n, &n}) }},
		{"begins at", func(s *Store) { n := *root(s); *root(s) = *parentOf(packNames("", "a"), []*node{&n, &n}) }},
		{"in a node from", func(s *Store) { n := *root(s); *root(s) = *parentOf(packNames("", "z"), []*node{&n, &n}) }},

		{"not in its slot", func(s *Store) { s.history.slot(8).Store(nil) }},
		{"not in its slot", func(s *Store) { s.history.slot(8).Load().event.Rev = 7 }},
		{"2 versions from before it", func(s *Store) { s.history.slot(8).Load().event = Event{} }},
		{"an event without a rev", func(s *Store) { s.history.slot(8).Load().event.Rev = 0 }},
		{"set of /f", func(s *Store) { s.history.slot(8).Load().event.Body = []byte("other") }},
		{"delete of /f", func(s *Store) { s.history.slot(8).Load().event.Op = Del }},
		{"failure", func(s *Store) { s.history.slot(8).Load().event.Err = ErrIsDir }},

		{"are counted", func(s *Store) { s.waits.count++ }},
		{"early wait 0 says", func(s *Store) { s.waits.early[0].place = 1 }},
		{"early wait for rev 8", func(s *Store) { s.waits.early[0].rev = 8 }},
		{"out of order", func(s *Store) { s.waits.early[0].rev = 50 }},
		{"is not at its place", func(s *Store) { s.waits.groups["/g/*"].place = 1 }},
		{"nobody waits", func(s *Store) { s.waits.groups["/g/*"].waiters = nil }},
		{"wait 0, for /g/*", func(s *Store) { s.waits.groups["/g/*"].waiters[0].place = 1 }},
		{"wait 0, for /g/*", func(s *Store) { s.waits.groups["/g/*"].waiters[0].rev = 10 }},
		{"below the heads", func(s *Store) { s.waits.heads.kids = nil }},
		{"has no reason to be", func(s *Store) { s.waits.heads.kids[0].parent = nil }},
		{"has no reason to be", func(s *Store) { s.waits.heads.at("/z") }},
		{"is at head", func(s *Store) { s.waits.groups["/g/*"].head.label = "g" }},
		{"kids out of order", func(s *Store) { s.waits.heads.kids[0].kids[1].label = "a" }},
	} {
		s := saboteur(t)
		assert.Equal(t, nil, s.Check())
		test.sabotage(s)
		err := s.Check()
		assert.T(t, err != nil && strings.Contains(err.Error(), test.want), test.want, err)
	}
}

// saboteur returns a store at rev 8, with waits, whose root has entries d and f.
func saboteur(t *testing.T) *Store {
	s := New(3)
	for _, path := range strings.Fields("/d/a /d/b /d/c /d/d /d/e /d/f /d/g /f") {
		set(s, path, Clobber, path)
	}
	nothing := func(Event, error) {}
	wait(t, s, "/g/*", 9, nothing)
	wait(t, s, "/h/*", 9, nothing)
	wait(t, s, "/g/*", 20, nothing)
	wait(t, s, "/g/*", 30, nothing)
	return s
}

func root(s *Store) *node { return s.Snapshot().root.sub }

// crowded returns a node of one slot too many.
func crowded() *node {
	n := emptyNode()
	for i := range fanout + 1 {
		n = n.edited(fileName(i), func(*entry) *entry { return &entry{rev: 1} })
	}
	return n
}
