package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/bmizerany/assert"
)

const (
	concurrentRevs    = 3000
	concurrentReaders = 4
)

// TestConcurrently has readers and watchers at work while the writer writes; it
// is for the race detector, and for what must hold at any time.
func TestConcurrently(t *testing.T) {
	s := checked(t, New(64))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for i := range concurrentReaders {
		readers.Go(func() { readWhile(t, s, done, uint64(i)) })
		readers.Go(func() { cancelWhile(t, s, done, uint64(i)) })
	}
	watcher := make(chan int64, concurrentRevs) // room for all: the writer must not block
	assert.Equal(t, nil, watchAll(s, 1, watcher))
	for rev := range concurrentRevs {
		set(s, fmt.Sprintf("/d%d/f%d", rev%3, rev%100), Clobber, fmt.Sprint(rev+1))
	}
	close(done)
	readers.Wait()
	for rev := range int64(concurrentRevs) {
		assert.Equal(t, rev+1, <-watcher)
	}
	assert.Equal(t, 1, s.Waits())
}

// watchAll sends the rev of each event from rev on.
func watchAll(s *Store, rev int64, to chan<- int64) error {
	all, err := ParseGlob("/**")
	if err == nil {
		_, err = s.Wait(all, rev, func(e Event) {
			to <- e.Rev
			if err := watchAll(s, e.Rev+1, to); err != nil {
				panic(err)
			}
		})
	}
	return err
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
		rev := last - random.Int64N(70)
		at, err := s.At(rev)
		if err == nil && at.Rev() != max(rev, 1) {
			t.Errorf("rev %d for %d", at.Rev(), rev)
		}
		if err == nil {
			checkBodies(t, at, all)
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
		w, err := s.Wait(g, rev, func(e Event) { fired <- e })
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
