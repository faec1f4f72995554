package sim

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/store"
)

// history is what one cluster agreed on: an event for each rev. An escape begins another, with those that the
// survivor had applied.
type history struct {
	cluster  string
	parent   *history // that it goes on from, or nil
	fork     int64    // the last rev that is the parent's as well
	survivor string   // the process that escaped, or ""
	events   []agreed // that of rev r is events[r-1]
	revs     map[string]int64
	dels     map[string][]int64       // revs of deletes, by path
	made     map[string][]int64       // revs of sets and deletes, by path
	slots    map[string]string        // ids, by slot
	seats    map[string]seat          // by id
	addrs    map[string]string        // of registered processes, by id
	listed   map[string]time.Duration // when that was, by id
	walks    []walk
}

// seat is when a process has slots.
type seat struct {
	slots       int
	taken, lost time.Duration // the first, and the last
	several     time.Duration // until when it had more than one
}

// agreed is an event, and when somebody first applied it.
type agreed struct {
	store.Event
	at time.Duration
}

// walk is all that somebody read at one rev.
type walk struct {
	node *node
	tree *store.Snapshot
}

// Where clients keep their files, and which bodies are theirs.
const keyDir = "/k/"

func newHistory(cluster string) *history {
	return &history{cluster: cluster, revs: map[string]int64{}, dels: map[string][]int64{}, made: map[string][]int64{}, slots: map[string]string{}, seats: map[string]seat{}, addrs: map[string]string{}, listed: map[string]time.Duration{}}
}

// forked returns the history of a cluster that goes on from rev of h.
func (h *history) forked(cluster string, rev int64) *history {
	f := newHistory(cluster)
	f.parent, f.fork = h, rev
	for _, e := range h.events[:rev] {
		f.events = append(f.events, e)
		f.note(e.Event, e.at)
	}
	return f
}

// note keeps what is looked up later, of what happened at a time. It returns the rev at which the same write
// was seen before, or 0.
func (h *history) note(e store.Event, at time.Duration) (before int64) {
	switch {
	case e.Err != nil:
	case strings.HasPrefix(e.Path, keyDir):
		h.made[e.Path] = append(h.made[e.Path], e.Rev)
		if e.Op == store.Del {
			h.dels[e.Path] = append(h.dels[e.Path], e.Rev)
			return 0
		}
		mark := markOf(e.Body)
		before = h.revs[mark]
		h.revs[mark] = e.Rev
	case strings.HasPrefix(e.Path, calDir):
		h.noteSlot(e.Path, strings.TrimSpace(string(e.Body)), at)
		if e.Op == store.Del {
			delete(h.slots, e.Path)
		}
	case isAddr(e.Path):
		h.addrs[idIn(e.Path)], h.listed[idIn(e.Path)] = string(e.Body), at
		if e.Op == store.Del {
			delete(h.addrs, idIn(e.Path))
		}
	}
	return before
}

func (h *history) noteSlot(slot, id string, at time.Duration) {
	if before := h.slots[slot]; before != "" {
		s := h.seats[before]
		if s.slots > 1 {
			s.several = at
		}
		s.slots--
		s.lost = at
		h.seats[before] = s
	}
	h.slots[slot] = id
	if id != "" {
		s := h.seats[id]
		if s.slots == 0 {
			s.taken = at
		}
		s.slots++
		h.seats[id] = s
	}
}

// markOf is what makes the body of a write unique: all before the padding.
func markOf(body []byte) string {
	mark, _, _ := bytes.Cut(body, []byte(" "))
	return string(mark)
}

// file is what a client knows of a path.
type file struct {
	value string // its mark
	rev   int64
}

// fileAt is the file at path in s.
func fileAt(s *store.Snapshot, path string) file {
	body, rev, err := s.Get(path)
	if err != nil || rev == store.Missing {
		return file{}
	}
	return file{markOf(body), rev}
}

// model is a tree that is too simple to be wrong.
type model map[string]modelFile

type modelFile struct {
	body string
	rev  int64
}

func (m model) apply(e store.Event) {
	if e.Op == store.Del {
		delete(m, e.Path)
		return
	}
	m[e.Path] = modelFile{string(e.Body), e.Rev}
}

// equal reports whether s has exactly the files of m.
func (m model) equal(s *store.Snapshot) bool {
	if s.Len() != len(m) {
		return false
	}
	for e := range s.Files(0) {
		if f, ok := m[e.Path]; !ok || f.rev != e.Rev || f.body != string(e.Body) {
			return false
		}
	}
	return true
}

// madeBy returns the rev that made the file at path, which clients keep, what it is as of rev: that of a set or
// of a delete, or 0.
func (h *history) madeBy(path string, rev int64) int64 {
	made := h.made[path]
	k, found := slices.BinarySearch(made, rev)
	if found {
		return rev
	}
	if k == 0 {
		return 0
	}
	return made[k-1]
}

// checkWalks: whatever somebody read at one rev is what the events up to there made.
func (h *history) checkWalks(w *world) {
	slices.SortStableFunc(h.walks, func(a, b walk) int { return int(a.tree.Rev() - b.tree.Rev()) })
	m, rev := model{}, int64(0)
	for k, v := range h.walks {
		if v.tree.Rev() > int64(len(h.events)) {
			w.fail("%s has rev %d, of which nobody has applied the event", v.node.id, v.tree.Rev())
			return
		}
		for ; rev < v.tree.Rev(); rev++ {
			m.apply(h.events[rev].Event)
		}
		if k > 0 && h.walks[k-1].tree == v.tree {
			continue
		}
		if !m.equal(v.tree) {
			w.fail("%s at rev %d has other files than its events made", v.node.id, rev)
			return
		}
	}
}

// registers are the clients' files as of rev.
func (h *history) registers(rev int64) model {
	m := model{}
	for _, e := range h.events[:rev] {
		if strings.HasPrefix(e.Path, keyDir) {
			m.apply(e.Event)
		}
	}
	return m
}
