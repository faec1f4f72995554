package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

const (
	concurrentRevs    = 3000
	concurrentReaders = 4
	concurrentHistory = 64
)

// TestConcurrently has readers at work, and some who wait and cancel, while the
// writer writes; it is for the race detector, and for what must hold at any
// time.
func TestConcurrently(t *testing.T) {
	s := checked(t, New(concurrentHistory))
	done := make(chan struct{})
	var others sync.WaitGroup
	for i := range concurrentReaders {
		others.Go(func() { readWhile(t, s, done, uint64(i)) })
		others.Go(func() { cancelWhile(t, s, done, uint64(i)) })
	}
	writeRevs(s)
	close(done)
	others.Wait()
	assertNoWaits(t, s)
}

func writeRevs(s *Store) {
	for rev := range concurrentRevs {
		set(s, fmt.Sprintf("/d%d/f%d", rev%3, rev%100), Clobber, fmt.Sprint(rev+1))
	}
}

// TestWatchConcurrently has watchers register each wait while the writer writes.
// Each must see every rev, and each reader of a rev to come exactly that.
func TestWatchConcurrently(t *testing.T) {
	s := checked(t, New(concurrentRevs))
	var others sync.WaitGroup
	for range concurrentReaders {
		others.Go(func() { watchAll(t, s) })
		others.Go(func() { awaitAll(t, s) })
	}
	writeRevs(s)
	others.Wait()
	assertNoWaits(t, s)
}

func watchAll(t *testing.T, s *Store) {
	all := mustGlob(t, "/**")
	for rev := int64(1); rev <= concurrentRevs; rev++ {
		fired := make(chan Event, 1)
		_, err := s.Wait(all, rev, func(e Event, _ error) { fired <- e })
		if err != nil {
			t.Errorf("wait for rev %d: %v", rev, err)
			return
		}
		if e := <-fired; e.Rev != rev {
			t.Errorf("rev %d instead of %d", e.Rev, rev)
			return
		}
	}
}

func awaitAll(t *testing.T, s *Store) {
	for rev := int64(1); rev <= concurrentRevs; rev += 1 + rev%3 {
		fired := make(chan *Snapshot, 1)
		_, err := s.AwaitRev(rev, func(s *Snapshot, _ error) { fired <- s })
		if err != nil {
			t.Errorf("await rev %d: %v", rev, err)
			return
		}
		if s := <-fired; s.Rev() != rev {
			t.Errorf("rev %d instead of %d", s.Rev(), rev)
			return
		}
	}
}

// readWhile reads versions until done, each of which must be whole: what was
// set at rev n holds n.
func readWhile(t *testing.T, s *Store, done <-chan struct{}, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	all := mustGlob(t, "/d*/**")
	for last := int64(0); running(done); {
		newest := s.Snapshot()
		if newest.Rev() < last {
			t.Errorf("rev %d after %d", newest.Rev(), last)
		}
		last = newest.Rev()
		rev := max(1, last-random.Int64N(70))
		switch at, err := s.At(rev); {
		case err == nil && at.Rev() != rev:
			t.Errorf("rev %d for %d", at.Rev(), rev)
		case err == nil:
			checkBodies(t, at, all)
		case last > 0 && (err != ErrTooLate || s.Snapshot().Rev()-rev < concurrentHistory-1):
			t.Errorf("rev %d of %d: %v", rev, s.Snapshot().Rev(), err)
		}
	}
}

func checkBodies(t *testing.T, s *Snapshot, all *Glob) {
	newest := int64(0)
	for e := range s.All(all) {
		newest = max(newest, e.Rev)
		if string(e.Body) != fmt.Sprint(e.Rev) {
			t.Errorf("%s of rev %d holds %s", e.Path, e.Rev, e.Body)
		}
	}
	if newest != s.Rev() {
		t.Errorf("rev %d shows rev %d", s.Rev(), newest)
	}
}

// cancelWhile waits and cancels until done; each wait fires or is cancelled,
// and fires with an event that it waited for.
func cancelWhile(t *testing.T, s *Store, done <-chan struct{}, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	for running(done) {
		g := mustGlob(t, fmt.Sprintf("/d%d/f%d*", random.IntN(3), random.IntN(10)))
		rev := s.Snapshot().Rev() + random.Int64N(20) - 5
		fired := make(chan Event, 2)
		w, err := s.Wait(g, rev, func(e Event, _ error) { fired <- e })
		if err != nil {
			continue
		}
		if random.IntN(2) == 0 && w.Cancel() {
			continue
		}
		if !fires(t, s, w, fired, g, rev, done) {
			return
		}
	}
}

// fires waits for what fires, or done, and reports which.
func fires(t *testing.T, s *Store, w *Waiter, fired <-chan Event, g *Glob, rev int64, done <-chan struct{}) bool {
	select {
	case e := <-fired:
		if e.Rev < rev || !g.Match(e.Path) || e.Rev > s.Snapshot().Rev() {
			t.Errorf("%s from rev %d fired with %v", g, rev, e)
		}
		if w.Cancel() {
			t.Errorf("cancelled after it fired")
		}
		return true
	case <-done:
		w.Cancel()
		return false
	}
}

func running(done <-chan struct{}) bool {
	select {
	case <-done:
		return false
	default:
		return true
	}
}
