package store

import (
	"container/heap"
	"slices"
	"sync"
)

// Waiter is a wait under way.
type Waiter struct {
	waits *waits
	rev   int64
	glob  *Glob                 // nil waits for the rev itself
	fire  func(*version, error) // one of them nil

	group *group // that it is in; nil while it waits for its rev
	place int    // in group.waiters or in waits.early; over if it is in neither
}

// over is the place of a Waiter that is done.
const over = -1

// Cancel ends the wait and reports whether it did so: true means that it will
// never fire; false, that it has fired, is about to, or was cancelled before. It
// may be called from any goroutine.
func (w *Waiter) Cancel() bool {
	w.waits.mu.Lock()
	defer w.waits.mu.Unlock()
	if w.place == over {
		return false
	}
	w.waits.remove(w)
	return true
}

// jumped fires w, which was taken because v passed over what it waits for, or is
// just that.
func (w *Waiter) jumped(v *version) {
	if w.glob == nil && w.rev == v.snapshot.rev {
		w.fire(v, nil)
		return
	}
	w.fire(nil, ErrTooLate)
}

// waits are the waits under way. Its lock is the only one of the store; the
// writer holds it while it adds a version, those who wait while they register.
type waits struct {
	mu     sync.Mutex
	early  earlyWaits        // for revs after the next
	groups map[string]*group // all others, by their globs
	heads  head              // and by the heads of these
	count  int
}

func newWaits() *waits { return &waits{groups: make(map[string]*group)} }

// add registers w, whose rev is still to come after newest.
func (s *waits) add(w *Waiter, newest int64) {
	s.count++
	if w.glob == nil || w.rev > newest+1 {
		heap.Push(&s.early, w)
		return
	}
	s.addToGroup(w)
}

func (s *waits) addToGroup(w *Waiter) {
	g := s.groups[w.glob.pattern]
	if g == nil {
		g = &group{glob: w.glob}
		s.groups[g.glob.pattern] = g
		s.heads.add(g)
	}
	w.group, w.place = g, len(g.waiters)
	g.waiters = append(g.waiters, w)
}

// remove takes out w, which is over then.
func (s *waits) remove(w *Waiter) {
	s.count--
	if w.group == nil {
		heap.Remove(&s.early, w.place)
		return
	}
	g := w.group
	last := len(g.waiters) - 1
	g.waiters[w.place] = g.waiters[last]
	g.waiters[w.place].place = w.place
	g.waiters[last] = nil
	g.waiters = g.waiters[:last]
	w.group, w.place = nil, over
	if last == 0 {
		s.removeGroup(g)
	}
}

func (s *waits) removeGroup(g *group) {
	delete(s.groups, g.glob.pattern)
	g.remove()
}

// take takes out the waits that v ends.
func (s *waits) take(v *version) []*Waiter {
	taken := s.takeDue(v.snapshot.rev)
	for _, g := range s.heads.matching(v.event.Path) {
		taken = append(taken, s.takeGroup(g)...)
	}
	return taken
}

// takeUpTo takes out the waits for rev or less. It comes after the next, so all
// that are in groups are among them.
func (s *waits) takeUpTo(rev int64) []*Waiter {
	taken := s.takeDue(rev)
	for _, g := range s.heads.all(nil) {
		taken = append(taken, s.takeGroup(g)...)
	}
	return taken
}

// takeGroup takes out all waits of g, and so g.
func (s *waits) takeGroup(g *group) []*Waiter {
	s.removeGroup(g)
	s.count -= len(g.waiters)
	for _, w := range g.waiters {
		w.group, w.place = nil, over
	}
	return g.waiters
}

// takeDue takes out the waits for rev itself, or one before it, and puts those that wait for an
// event from rev on with the others.
func (s *waits) takeDue(rev int64) []*Waiter {
	var taken []*Waiter
	for len(s.early) > 0 && s.early[0].rev <= rev {
		w := heap.Pop(&s.early).(*Waiter)
		if w.glob == nil {
			s.count--
			taken = append(taken, w)
		} else {
			s.addToGroup(w)
		}
	}
	return taken
}

// earlyWaits is a heap (container/heap) of waits by their revs.
type earlyWaits []*Waiter

func (e earlyWaits) Len() int           { return len(e) }
func (e earlyWaits) Less(i, j int) bool { return e[i].rev < e[j].rev }

func (e earlyWaits) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].place, e[j].place = i, j
}

// Push adds w.
func (e *earlyWaits) Push(w any) {
	w.(*Waiter).place = len(*e)
	*e = append(*e, w.(*Waiter))
}

// Pop takes out the last.
func (e *earlyWaits) Pop() any {
	last := len(*e) - 1
	w := (*e)[last]
	*e = slices.Delete(*e, last, last+1)
	w.place = over
	return w
}
