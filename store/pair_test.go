package store

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kr/pretty"
)

// A failer is a test, of whatever kind.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// A pair does the same things to a store and to its model and fails the test
// as soon as they differ. What it does is up to choose, which returns a number
// from 0 to before n.
type pair struct {
	failer
	choose func(n int) int
	store  *Store
	model  *model
	waits  []*pairWait
	walker Walker
}

// A pairWait is a wait of both.
type pairWait struct {
	glob      string // "" waits for the rev
	rev       int64
	waiter    *Waiter
	cancelled bool
	fired     []Event
	err       error // fired with
	jumped    bool  // what it waits for may have been passed over
}

func newPair(t failer, choose func(n int) int) *pair {
	history := 1 + choose(6)
	return &pair{failer: t, choose: choose, store: New(history), model: newModel(history)}
}

// pairSteps are what a pair does, the frequent ones several times.
var pairSteps = []func(*pair){
	(*pair).mutate, (*pair).mutate, (*pair).mutate, (*pair).mutate, (*pair).mutate, (*pair).mutate,
	(*pair).wait, (*pair).wait, (*pair).await, (*pair).cancel, (*pair).read, (*pair).walk, (*pair).garble, (*pair).run,
	(*pair).jump,
}

// step does one thing and compares.
func (p *pair) step() {
	p.Helper()
	pairSteps[p.choose(len(pairSteps))](p)
	p.checkWaits()
	if err := p.store.Check(); err != nil {
		p.Fatalf("check: %v", err)
	}
}

// pick returns one of list.
func pick[T any](p *pair, list ...T) T { return list[p.choose(len(list))] }

func (p *pair) path() string {
	if p.choose(4) == 0 {
		return pick(p, "/", "/ctl", "/ctl/err", "/ctl/err/x", "/ctl/err/x/y", "/ctl/x")
	}
	path := ""
	for range 1 + p.choose(3) {
		path += "/" + pick(p, "a", "b", "a-b", "a.b", "ab", "B", "-x")
	}
	return path
}

func (p *pair) glob() string {
	if p.choose(3) == 0 {
		return pick(p, "/**", "/*", "/***", "/a**", "/a/**", "/ctl/**", "/**/a", "/a/*", "/?", "/*/*", "/**-**")
	}
	glob := p.path()
	for range p.choose(4) {
		if i := p.choose(len(glob)); i > 0 {
			glob = glob[:i] + pick(p, "*", "**", "?") + glob[i+p.choose(2):]
		}
	}
	if _, err := ParseGlob(glob); err != nil {
		return "/**"
	}
	return glob
}

func (p *pair) guard() int64 {
	return pick(p, Clobber, Clobber, Clobber, Missing, Dir, -3, math.MinInt64, 1, math.MaxInt64, p.model.newest(), p.model.newest()-2)
}

// rev returns one about to fall out of history, in it, or to come.
func (p *pair) rev() int64 {
	return p.model.oldest() - 2 + int64(p.choose(p.model.history+6))
}

func (p *pair) mutate() {
	p.apply(Mutation{Op: pick(p, Set, Set, Del), Path: p.path(), Guard: p.guard()})
}

// run sets or deletes more files than a node holds.
func (p *pair) run() {
	m := Mutation{Op: pick(p, Set, Set, Del), Guard: Clobber}
	first, stride := p.choose(100), pick(p, 1, 99, 7)
	for i := range p.choose(2 * fanout) {
		m.Path = fmt.Sprintf("/b/%d", (first+i*stride)%100)
		p.apply(m)
	}
}

func (p *pair) apply(m Mutation) {
	if m.Op == Set {
		m.Body = []byte(strings.Repeat("v", p.choose(3)))
	}
	p.same(m.Path, p.model.apply(m), p.store.Apply(m.Append(nil)))
}

// garble applies what is no mutation.
func (p *pair) garble() {
	rev := p.model.newest() + 1
	e := p.model.apply(Mutation{Op: Set, Path: ctlErr, Guard: Clobber, Body: []byte(ErrBadMutation.Error())})
	e.Err = ErrBadMutation
	p.model.events[rev] = e
	p.same("garbled", e, p.store.Apply([]byte{mutationVersion, byte(p.choose(256))}))
}

func (p *pair) wait() {
	w := &pairWait{glob: p.glob(), rev: p.rev()}
	g, err := ParseGlob(w.glob)
	if err != nil {
		p.Fatalf("%s: %v", w.glob, err)
	}
	w.waiter, err = p.store.Wait(g, w.rev, func(e Event, err error) {
		w.fired, w.err = append(w.fired, e), err
	})
	p.waiting(w, p.tooLate(w.rev) || max(w.rev, 1) == p.model.installed, err)
}

func (p *pair) await() {
	w := &pairWait{rev: p.rev()}
	var err error
	w.waiter, err = p.store.AwaitRev(w.rev, func(s *Snapshot, err error) {
		if w.err = err; err != nil {
			w.fired = append(w.fired, Event{})
			return
		}
		w.fired = append(w.fired, p.model.events[s.Rev()])
		p.compareFiles(s)
	})
	p.waiting(w, p.tooLate(w.rev), err)
}

func (p *pair) waiting(w *pairWait, tooLate bool, err error) {
	p.same("wait", tooLate, err == ErrTooLate)
	if err == nil {
		p.waits = append(p.waits, w)
	} else if w.fired != nil || w.waiter != nil {
		p.Fatalf("too late, and yet %v", pretty.Sprint(w))
	}
}

func (p *pair) tooLate(rev int64) bool {
	return max(rev, 1) < p.model.oldest()
}

func (p *pair) cancel() {
	if len(p.waits) > 0 {
		w := p.waits[p.choose(len(p.waits))]
		happened := p.isOver(w)
		p.same("cancel", !happened && !w.cancelled, w.waiter.Cancel())
		w.cancelled = w.cancelled || !happened
	}
}

// expected returns the event that w is for, if it has happened.
func (p *pair) expected(w *pairWait) (Event, bool) {
	if w.glob != "" {
		return p.model.find(globRegexp(w.glob), w.rev)
	}
	return p.model.find(globRegexp("/**"), w.rev)
}

// isOver reports whether w is to have fired, unless it was cancelled.
func (p *pair) isOver(w *pairWait) bool {
	_, happened := p.expected(w)
	return happened || w.jumped
}

// checkWaits checks that all that had to fire did so, once, and nothing else.
func (p *pair) checkWaits() {
	pending := 0
	for _, w := range p.waits {
		var want []Event
		var err error
		switch e, happened := p.expected(w); {
		case w.cancelled:
		case w.jumped:
			want, err = []Event{{}}, ErrTooLate
		case happened:
			want = []Event{e}
		default:
			pending++
		}
		p.same("wait for "+w.glob, want, w.fired)
		p.same("wait for "+w.glob, err, w.err)
	}
	p.same("waits", pending, p.store.Waits())
}

// jump lets another store take the next mutations, and installs what comes of
// them here.
func (p *pair) jump() {
	var waiting []*pairWait
	for _, w := range p.waits {
		if !p.isOver(w) && !w.cancelled {
			waiting = append(waiting, w)
		}
	}
	behind := p.store
	p.store = New(1 + p.choose(3))
	p.install(p.store, behind.Snapshot())
	p.mutate()
	for range p.choose(8) {
		pick(p, (*pair).mutate, (*pair).mutate, (*pair).mutate, (*pair).run, (*pair).garble)(p)
	}
	ahead := p.store
	p.store = behind
	p.install(behind, ahead.Snapshot())
	p.model.installed = p.model.newest()
	for _, w := range waiting {
		w.jumped = max(w.rev, 1) < p.model.installed || max(w.rev, 1) == p.model.installed && w.glob != ""
	}
	p.compareFiles(p.store.Snapshot())
}

// install carries version s to a store, in parts.
func (p *pair) install(to *Store, s *Snapshot) {
	if s.Rev() == 0 {
		return // cannot be installed
	}
	b := NewBuilder(s.Rev())
	for b.Len() < s.Len() {
		part := 1 + p.choose(3*fanout)
		for e := range s.Files(b.Len()) {
			p.same("adding "+e.Path, nil, b.Add(e))
			if part--; part == 0 {
				break
			}
		}
	}
	p.same("install", nil, to.Install(b))
	p.same("number of files", s.Len(), to.Snapshot().Len())
	p.same("install again", true, errors.Is(to.Install(b), ErrOldSnapshot))
}

// read compares a snapshot of some rev.
func (p *pair) read() {
	rev := p.rev()
	s, err := p.store.At(rev)
	switch {
	case p.tooLate(rev):
		p.same("at", ErrTooLate, err)
	case max(rev, 1) > p.model.newest():
		p.same("at", ErrFuture, err)
	default:
		p.same("at", nil, err)
		p.same("rev", max(rev, 1), s.Rev())
		p.compareFiles(s)
		p.comparePath(s, p.path())
		p.compareWalk(s, p.glob())
	}
}

// walk compares the walker at some offset of some walk.
func (p *pair) walk() {
	s, glob := p.store.Snapshot(), pick(p, "/**", "/a**", "/*", "/a/*", "/*/a", "/**a")
	want := modelWalk(p.model.revs[s.Rev()], globRegexp(glob))
	g, _ := ParseGlob(glob)
	for range 8 {
		offset := p.choose(len(want)+3) - 1
		e, err := p.walker.Walk(s, g, offset)
		if offset < 0 || offset >= len(want) {
			p.same("walk of "+glob, ErrRange, err)
		} else {
			p.same("walk of "+glob, nil, err)
			p.sameEvent("walk of "+glob, want[offset], e)
		}
	}
}

func (p *pair) compareFiles(s *Snapshot) {
	p.compareWalk(s, "/**")
	for path := range p.model.revs[s.Rev()] {
		for _, dir := range append(parents(path), path, "/") {
			p.comparePath(s, dir)
		}
	}
}

// comparePath compares what can be read at path.
func (p *pair) comparePath(s *Snapshot, path string) {
	files := p.model.revs[s.Rev()]
	file, isFile := files[path]
	entries := modelEntries(files, path)
	body, rev, err := s.Get(path)
	statRev, n := s.Stat(path)
	names, end := list(s, path)
	switch {
	case isFile:
		p.same(path, file, modelFile{rev: rev, body: string(body)})
		p.same(path, []any{error(nil), file.rev, len(file.body), ErrNotDir}, []any{err, statRev, n, end})
	case isModelDir(files, path):
		p.same(path, []any{ErrIsDir, Dir, len(entries), ErrRange}, []any{err, statRev, n, end})
		p.same(path, entries, names)
	default:
		p.same(path, []any{error(nil), Missing, Missing, 0, ErrNoEnt}, []any{err, rev, statRev, n, end})
	}
}

// list returns the entries of a directory and the error that ends them.
func list(s *Snapshot, dir string) (names []string, err error) {
	for {
		name, err := s.Entry(dir, len(names))
		if err != nil {
			return names, err
		}
		names = append(names, name)
	}
}

func (p *pair) compareWalk(s *Snapshot, glob string) {
	g, err := ParseGlob(glob)
	if err != nil {
		p.Fatalf("%s: %v", glob, err)
	}
	want := modelWalk(p.model.revs[s.Rev()], globRegexp(glob))
	got := slices.Collect(s.All(g))
	p.same("number of files of "+glob, len(want), len(got))
	for i := range want {
		p.sameEvent(glob, want[i], got[i])
	}
	_, err = s.Walk(g, len(want))
	p.same("end of "+glob, ErrRange, err)
	_, err = s.Walk(g, -1)
	p.same("offset -1 of "+glob, ErrRange, err)
}

func (p *pair) sameEvent(what string, want, got Event) {
	if !bytes.Equal(want.Body, got.Body) {
		p.Fatalf("%s: body %q, want %q", what, got.Body, want.Body)
	}
	want.Body, got.Body = nil, nil
	p.same(what, want, got)
}

func (p *pair) same(what string, want, got any) {
	if diff := pretty.Diff(want, got); len(diff) > 0 {
		p.Fatalf("%s, after rev %d: want, got: %v", what, p.model.newest(), diff)
	}
}
