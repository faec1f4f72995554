package web

import (
	"context"
	"sort"
	"time"

	"github.com/ha/doozerd/store"
)

// past reads what the store retains, and waits for what comes: the only place
// of this package that does.
type past struct{ *store.Store }

// everything matches every file.
var everything = store.MustParseGlob("/**")

// event returns what happened at a rev that is applied already. The error is
// store.ErrTooLate.
func (p past) event(rev int64) (e store.Event, err error) {
	_, err = p.Wait(everything, rev, func(found store.Event, _ error) { e = found })
	return e, err
}

// next waits for the first event from rev on that matches g, and returns it; or
// if ctx ends first, or beat comes, which tells to show a sign of life, false and
// an event that has only a rev: up to there none matches. The error is
// store.ErrTooLate.
func (p past) next(ctx context.Context, g *store.Glob, rev int64, beat <-chan time.Time) (e store.Event, ok bool, err error) {
	happened := make(chan outcome, 1)
	wait, err := p.Wait(g, rev, func(e store.Event, err error) { happened <- outcome{e, err} })
	if err != nil {
		return e, false, err
	}
	select {
	case o := <-happened:
		return o.event, o.err == nil, o.err
	case <-ctx.Done():
	case <-beat:
	}
	quiet := p.Snapshot().Rev()
	if wait.Cancel() { // so nothing up to there has ended it
		return store.Event{Rev: max(quiet, rev-1)}, false, nil
	}
	o := <-happened
	return o.event, o.err == nil, o.err
}

// An outcome is how a wait ended: with an event, or because the store jumped
// over it.
type outcome struct {
	event store.Event
	err   error
}

// reached returns a channel that is closed once rev is applied, or passed over,
// and what ends the wait.
func (p past) reached(rev int64) (_ <-chan struct{}, cancel func()) {
	done := make(chan struct{})
	wait, err := p.AwaitRev(rev, func(*store.Snapshot, error) { close(done) })
	if err != nil {
		close(done)
		return done, func() {}
	}
	return done, func() { wait.Cancel() }
}

// matching calls visit with what is known of the events from rev from to rev to
// that match g, in order, until visit returns false.
func (p past) matching(g *store.Glob, from, to int64, visit func(store.Event) bool) {
	for rev := from; rev <= to; {
		happened := make(chan store.Event, 1)
		wait, err := p.Wait(g, rev, func(e store.Event, _ error) { happened <- e })
		if err != nil {
			rev = max(rev+1, p.oldest()) // it was given up meanwhile
			continue
		}
		select {
		case e := <-happened:
			if e.Rev > to || !visit(e) {
				return
			}
			rev = e.Rev + 1
		default:
			wait.Cancel()
			return
		}
	}
}

// oldest returns the oldest rev that can be read.
func (p past) oldest() int64 {
	newest := p.Snapshot().Rev()
	first := max(1, newest-store.MaxHistory+1)
	n := sort.Search(int(newest-first), func(i int) bool {
		_, err := p.At(first + int64(i))
		return err == nil
	})
	return first + int64(n)
}
