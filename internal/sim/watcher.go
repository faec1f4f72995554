package sim

import (
	"errors"
	"time"

	"github.com/ha/doozerd/store"
)

// watcher follows the events of a glob as a client does: it waits at a rev, and then at the one after the
// event. When its node is gone it goes on at another.
type watcher struct {
	w      *world
	number int
	glob   *store.Glob
	home   *node
	in     *history
	next   int64 // rev to wait at
	waits  *store.Waiter
	seen   []sight
}

// sight is what came of one wait.
type sight struct {
	in    *history
	from  int64       // the rev waited at
	event store.Event // or none, if that was no longer in history
}

// watchEvery is how often a watcher looks whether its node is still there.
const watchEvery = 200 * time.Millisecond

// begin watches from now on.
func (v *watcher) begin() {
	if v.w.now > v.w.loadEnd {
		return
	}
	if v.home == nil || v.home.dead || v.home.in != v.in {
		v.move()
	}
	v.w.after(between(v.w.nodesRand, watchEvery/2, watchEvery), v.begin)
}

func (v *watcher) move() {
	if v.waits != nil {
		v.waits.Cancel()
		v.waits = nil
	}
	v.home = v.w.someHome()
	if v.home == nil || !v.home.joined() {
		v.home = nil
		return
	}
	if v.in != v.home.in {
		v.in, v.next = v.home.in, v.home.tree().Rev()+1
	}
	v.wait()
}

func (v *watcher) wait() {
	home, from := v.home, v.next
	var err error
	v.waits, err = home.core.Store().Wait(v.glob, from, func(e store.Event, err error) {
		if home == v.home && from == v.next {
			v.see(e, err)
		}
	})
	if err != nil {
		v.see(store.Event{}, err)
	}
}

// see takes in what came of the wait, and goes on.
func (v *watcher) see(e store.Event, err error) {
	v.in = v.home.in // it may have escaped, and gone on from there
	s := sight{v.in, v.next, e}
	v.seen = append(v.seen, s)
	v.next = e.Rev + 1
	if err != nil {
		v.tooLate(err)
	}
	v.wait()
}

// tooLate: that is said only where history is too short, or begins later.
func (v *watcher) tooLate(err error) {
	newest := v.home.tree().Rev()
	begins := max(newest-int64(v.w.plan.history), v.home.since) + 1
	if newest > v.home.applied { // it is just taking a snapshot
		begins = newest + 1
	}
	if !errors.Is(err, store.ErrTooLate) || v.seen[len(v.seen)-1].from >= begins {
		v.w.fail("watcher %d waited at rev %d of %v, whose history begins at %d, and was told: %v", v.number, v.seen[len(v.seen)-1].from, v.home, begins, err)
	}
	v.next = newest + 1
}

// watches: each watcher saw all events that match, in order, once, but for those that it was told it missed.
func (c *checker) watches(w *world) {
	for _, v := range w.watchers {
		for _, s := range v.seen {
			if s.event.Rev == 0 {
				continue
			}
			if s.event.Rev < s.from || s.event.Rev > int64(len(s.in.events)) || !sameEvent(s.in.events[s.event.Rev-1].Event, s.event) {
				w.fail("watcher %d waited at rev %d and saw %s at rev %d", v.number, s.from, eventString(s.event), s.event.Rev)
				return
			}
			for _, e := range s.in.events[s.from-1 : s.event.Rev-1] {
				if v.glob.Match(e.Path) {
					w.fail("watcher %d waited at rev %d, saw rev %d and missed %s at rev %d", v.number, s.from, s.event.Rev, eventString(e.Event), e.Rev)
					return
				}
			}
		}
	}
}
