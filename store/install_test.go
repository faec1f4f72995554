package store

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/bmizerany/assert"
)

// storeAt returns a store of the given history that was at the first rev, by
// mutations, and had a version of the last installed.
func storeAt(t *testing.T, history int, first, last int64) *Store {
	s := checked(t, New(history))
	for range first {
		set(s, "/old", Clobber, "x")
	}
	assert.Equal(t, nil, s.Install(built(t, last, "/d/f")))
	return s
}

func TestInstallBeginsHistory(t *testing.T) {
	for _, history := range []int{1, 3, 8, 100} {
		s := storeAt(t, history, 5, 12)
		for rev := int64(-1); rev < 12; rev++ {
			_, err := s.At(rev)
			assert.Equal(t, ErrTooLate, err, history, rev)
		}
		at, err := s.At(12)
		assert.Equal(t, nil, err)
		assert.Equal(t, "/d/f", walk(t, at, "/**"))
		_, err = s.At(13)
		assert.Equal(t, ErrFuture, err)
	}
}

// History grows from the version installed, which leaves it in its turn.
func TestHistoryAfterInstall(t *testing.T) {
	s := storeAt(t, 3, 5, 12)
	for newest := int64(12); newest < 20; newest++ {
		for rev := int64(1); rev <= newest; rev++ {
			at, err := s.At(rev)
			if rev < max(12, newest-2) {
				assert.Equal(t, ErrTooLate, err, newest, rev)
			} else {
				assert.Equal(t, rev, at.Rev())
			}
		}
		assert.Equal(t, nil, s.Check())
		set(s, "/new", Clobber, "x")
	}
}

// Rev 1 is read for those below it as long as it is there, wherever it came
// from.
func TestInstallOfRevOne(t *testing.T) {
	s := installed(t, built(t, 1, "/a"))
	for _, rev := range []int64{math.MinInt64, Dir, 0, 1} {
		at, err := s.At(rev)
		assert.Equal(t, nil, err)
		assert.Equal(t, int64(1), at.Rev())
	}
}

func TestInstallIsOnlyForNewer(t *testing.T) {
	s := storeOf(t, "/a /b /c")
	for _, rev := range []int64{1, 2, 3} {
		err := s.Install(built(t, rev, "/z"))
		assert.T(t, errors.Is(err, ErrOldSnapshot), err)
		assert.Equal(t, "/a /b /c", walk(t, s.Snapshot(), "/**"))
		_, err = s.At(1)
		assert.Equal(t, nil, err)
	}
	assert.Equal(t, nil, s.Install(built(t, 4, "/z")))
	assert.Equal(t, "/z", walk(t, s.Snapshot(), "/**"))
}

func TestInstallOfNothing(t *testing.T) {
	s := storeOf(t, "/a /b")
	assert.Equal(t, nil, s.Install(NewBuilder(5)))
	assert.Equal(t, "", walk(t, s.Snapshot(), "/**"))
	assert.Equal(t, int64(6), set(s, "/a", Missing, "").Rev)
}

// Revs go on after the one installed.
func TestApplyAfterInstall(t *testing.T) {
	s := storeAt(t, 10, 0, 12)
	assert.Equal(t, ErrRevMismatch, set(s, "/d/f", Missing, "").Err)
	assert.Equal(t, nil, set(s, "/d/f", 1, "new").Err)
	assert.Equal(t, int64(14), s.Snapshot().Rev())
	assert.Equal(t, nil, del(s, "/d/f", 14).Err)
	assert.Equal(t, "/ctl/err", walk(t, s.Snapshot(), "/**"))
}

// What is held of the time before stays as it was.
func TestSnapshotOutlivesInstall(t *testing.T) {
	s := storeOf(t, "/a /b")
	held := s.Snapshot()
	assert.Equal(t, nil, s.Install(built(t, 5, "/c")))
	assert.Equal(t, "/a /b", walk(t, held, "/**"))
}

func TestWaitAfterInstall(t *testing.T) {
	s := storeAt(t, 10, 5, 12)
	for rev := int64(-1); rev <= 12; rev++ {
		_, err := s.Wait(mustGlob(t, "/**"), rev, func(Event, error) { t.Error("fired") })
		assert.Equal(t, ErrTooLate, err, rev)
	}
	var got events
	wait(t, s, "/**", 13, got.fire)
	wait(t, s, "/**", 14, got.fire)
	set(s, "/a", Clobber, "")
	set(s, "/b", Clobber, "")
	assert.Equal(t, []int64{13, 14}, got.revs())
}

// A wait under way across an Install is told if it may have missed its event,
// once; those for what comes later go on.
func TestWaitsAcrossInstall(t *testing.T) {
	for _, test := range []struct {
		glob string // "" waits for the rev
		rev  int64
		want string // by rev 15, which sets /a; installed is rev 12
	}{
		{"/a", 1, "rev no longer in history"},
		{"/other/**", 1, "rev no longer in history"},
		{"/**", 6, "rev no longer in history"},
		{"/**", 7, "rev no longer in history"},
		{"/**", 11, "rev no longer in history"},
		{"/**", 12, "rev no longer in history"},
		{"/**", 13, "event 13"},
		{"/a", 13, "event 15"},
		{"/a", 15, "event 15"},
		{"/a", 16, ""},
		{"/other", 13, ""},
		{"", 6, "rev no longer in history"},
		{"", 11, "rev no longer in history"},
		{"", 12, "snapshot 12"},
		{"", 13, "snapshot 13"},
		{"", 16, ""},
	} {
		s := checked(t, New(10))
		for range 5 {
			set(s, "/before", Clobber, "")
		}
		got := ""
		w := note(t, s, test.glob, test.rev, &got)
		assert.Equal(t, nil, s.Install(built(t, 12, "/a")))
		assert.Equal(t, nil, s.Check())
		set(s, "/x", Clobber, "")
		set(s, "/x", Clobber, "")
		set(s, "/a", Clobber, "")
		assert.Equal(t, test.want, got, test.glob, test.rev)
		assert.Equal(t, test.want == "", w.Cancel())
		assertNoWaits(t, s)
	}
}

// note waits for glob, or for rev if glob is "", and adds to got what fires.
func note(t *testing.T, s *Store, glob string, rev int64, got *string) *Waiter {
	t.Helper()
	say := func(what string, rev int64, err error) {
		if *got += fmt.Sprintf("%s %d", what, rev); err != nil {
			*got = err.Error()
		}
	}
	if glob != "" {
		return wait(t, s, glob, rev, func(e Event, err error) { say("event", e.Rev, err) })
	}
	w, err := s.AwaitRev(rev, func(s *Snapshot, err error) {
		if err != nil {
			say("", 0, err)
			return
		}
		say("snapshot", s.Rev(), nil)
	})
	assert.Equal(t, nil, err)
	return w
}

// Cancelled waits are not told.
func TestCancelBeforeInstall(t *testing.T) {
	s := checked(t, New(10))
	for _, rev := range []int64{1, 5, 9} {
		w := wait(t, s, "/**", rev, func(Event, error) { t.Error("fired") })
		assert.Equal(t, true, w.Cancel())
	}
	assert.Equal(t, nil, s.Install(built(t, 9, "/a")))
	assertNoWaits(t, s)
}

// What fires may wait and cancel, and sees the version installed.
func TestFireOfInstallMayUseTheStore(t *testing.T) {
	s := checked(t, New(10))
	var got events
	later := wait(t, s, "/**", 20, func(Event, error) { t.Error("fired") })
	wait(t, s, "/**", 1, func(_ Event, err error) {
		assert.Equal(t, ErrTooLate, err)
		assert.Equal(t, int64(9), s.Snapshot().Rev())
		assert.Equal(t, true, later.Cancel())
		wait(t, s, "/**", 10, got.fire)
	})
	assert.Equal(t, nil, s.Install(built(t, 9, "/a")))
	set(s, "/a", Clobber, "")
	assert.Equal(t, []int64{10}, got.revs())
}

// What was installed after the look at history and before the registration is
// found by the look under the lock.
func TestWaitSeesInstallMeanwhile(t *testing.T) {
	s := storeAt(t, 10, 5, 12)
	for _, test := range []struct {
		glob *Glob
		rev  int64
		want error
	}{
		{mustGlob(t, "/**"), 3, ErrTooLate}, {mustGlob(t, "/**"), 6, ErrTooLate}, {mustGlob(t, "/**"), 12, ErrTooLate},
		{nil, 6, ErrTooLate}, {nil, 12, nil},
	} {
		w := &Waiter{waits: s.waits, place: over, rev: test.rev, glob: test.glob}
		v, err := s.findNewOrAdd(w, 5)
		assert.Equal(t, test.want, err)
		assert.Equal(t, err == nil, v != nil)
		assertNoWaits(t, s)
	}
}

// TestInstallConcurrently has readers and watchers at work at a store that now
// applies what another does, now has to catch up by a snapshot.
func TestInstallConcurrently(t *testing.T) {
	ahead, s := New(1), checked(t, New(concurrentHistory))
	set(ahead, "/d0/f0", Clobber, "1")
	assert.Equal(t, nil, s.Install(carried(t, ahead)))
	done := make(chan struct{})
	var others sync.WaitGroup
	for range concurrentReaders {
		others.Go(func() { readInstalled(t, s, done) })
		others.Go(func() { watchInstalled(t, s, done) })
		others.Go(func() { awaitInstalled(t, s, done) })
	}
	for rev := int64(2); rev <= concurrentRevs; rev++ {
		path, body := fmt.Sprintf("/d%d/f%d", rev%3, rev%100), fmt.Sprint(rev)
		set(ahead, path, Clobber, body)
		switch phase := rev % 100; {
		case phase < 50:
			set(s, path, Clobber, body)
		case phase == 99:
			assert.Equal(t, nil, s.Install(carried(t, ahead)))
		}
	}
	assertSame(t, ahead.Snapshot(), s.Snapshot())
	close(done)
	set(s, "/end", Clobber, "") // for those who wait for one more
	others.Wait()
	assertNoWaits(t, s)
}

func carried(t *testing.T, from *Store) *Builder {
	b := NewBuilder(from.Snapshot().Rev())
	carryPart(t, b, from.Snapshot(), math.MaxInt)
	return b
}

// readInstalled reads versions until done, each of which must be whole.
func readInstalled(t *testing.T, s *Store, done <-chan struct{}) {
	all := mustGlob(t, "/d*/**")
	for last := int64(0); running(done); {
		newest := s.Snapshot()
		if newest.Rev() < last {
			t.Errorf("rev %d after %d", newest.Rev(), last)
		}
		last = newest.Rev()
		checkBodies(t, newest, all)
		for _, rev := range []int64{1, last - 50, last - 1, last} {
			at, err := s.At(rev)
			if err == nil && at.Rev() != max(rev, 1) || err != nil && err != ErrTooLate {
				t.Errorf("rev %d at rev %d: %v", rev, last, err)
			}
		}
	}
}

// watchInstalled watches until done: every rev, but for those that it is told to
// have missed.
func watchInstalled(t *testing.T, s *Store, done <-chan struct{}) {
	all := mustGlob(t, "/**")
	for rev := int64(2); running(done); rev++ {
		fired := make(chan Event, 1)
		told := make(chan error, 1)
		_, err := s.Wait(all, rev, func(e Event, err error) {
			fired <- e
			told <- err
		})
		if err == nil {
			e := <-fired
			if err = <-told; err == nil && e.Rev != rev {
				t.Errorf("rev %d instead of %d", e.Rev, rev)
			}
		}
		if err != nil {
			newest := s.Snapshot().Rev()
			if err != ErrTooLate || newest < rev {
				t.Errorf("wait for rev %d at rev %d: %v", rev, newest, err)
			}
			rev = newest
		}
	}
}

// awaitInstalled waits for revs a little ahead until done; each comes, or was
// passed over.
func awaitInstalled(t *testing.T, s *Store, done <-chan struct{}) {
	for n := int64(0); running(done); n++ {
		rev := s.Snapshot().Rev() + n%20
		fired := make(chan error, 1)
		w, err := s.AwaitRev(rev, func(s *Snapshot, err error) {
			if err == nil && s.Rev() != rev {
				t.Errorf("rev %d instead of %d", s.Rev(), rev)
			}
			fired <- err
		})
		if err == nil {
			select {
			case err = <-fired:
			case <-done:
				w.Cancel()
			}
		}
		if err != nil && (err != ErrTooLate || s.Snapshot().Rev() < rev) {
			t.Errorf("await rev %d: %v", rev, err)
		}
	}
}
