package store

import (
	"fmt"
	"math"
	"testing"

	"github.com/bmizerany/assert"
)

// events collects what fires.
type events []Event

func (e *events) fire(event Event, err error) {
	if err != nil {
		panic(err) // nothing installs
	}
	*e = append(*e, event)
}

func (e *events) revs() []int64 {
	revs := []int64{}
	for _, event := range *e {
		revs = append(revs, event.Rev)
	}
	return revs
}

// wait registers a wait, which must be possible.
func wait(t *testing.T, s *Store, glob string, rev int64, fire func(Event, error)) *Waiter {
	w, err := s.Wait(mustGlob(t, glob), rev, fire)
	assert.Equal(t, nil, err)
	return w
}

func TestWaitFindsTheFirstInHistory(t *testing.T) {
	s := storeOf(t, "/a /b /c")
	set(s, "/b/no", Clobber, "")
	set(s, "/d", Clobber, "")
	del(s, "/b", Clobber)
	for _, test := range []struct {
		glob string
		rev  int64
		want int64
	}{
		{"/b", math.MinInt64, 2}, {"/b", 0, 2}, {"/b", 2, 2}, {"/b", 3, 6}, {"/b", 6, 6},
		{"/**", 1, 1}, {"/**", 4, 4}, {"/ctl/err", 1, 4}, {"/d", -1, 5},
	} {
		var got events
		w := wait(t, s, test.glob, test.rev, got.fire)
		assert.Equal(t, []int64{test.want}, got.revs(), test.glob, test.rev)
		assert.Equal(t, false, w.Cancel())
	}
	assert.Equal(t, 0, s.Waits())
}

func TestWaitFiresOnceWhenItHappens(t *testing.T) {
	s := storeOf(t, "/a")
	var got events
	w := wait(t, s, "/x/*", 2, got.fire)
	set(s, "/y", Clobber, "")
	assert.Equal(t, []int64{}, got.revs())
	set(s, "/x/1", Clobber, "body")
	set(s, "/x/2", Clobber, "body")
	assert.Equal(t, events{{Rev: 3, Op: Set, Path: "/x/1", Body: []byte("body")}}, got)
	assert.Equal(t, false, w.Cancel())
}

func TestWaitIgnoresWhatComesBeforeItsRev(t *testing.T) {
	s := checked(t, New(2))
	var got events
	for _, rev := range []int64{5, 3, 4, math.MaxInt64} {
		wait(t, s, "/**", rev, got.fire)
	}
	for range 6 {
		set(s, "/a", Clobber, "")
	}
	assert.Equal(t, []int64{3, 4, 5}, got.revs())
	assert.Equal(t, 1, s.Waits())
}

func TestWaitSeesDeletesAndFailures(t *testing.T) {
	s := storeOf(t, "/d/a")
	var got events
	wait(t, s, "/d/*", 2, got.fire)
	wait(t, s, "/d", 2, got.fire)
	wait(t, s, "/ctl/err", 2, got.fire)
	del(s, "/d/missing", Clobber)
	set(s, "/d", Clobber, "")
	assert.Equal(t, events{
		{Rev: 2, Op: Del, Path: "/d/missing"},
		{Rev: 3, Op: Set, Path: "/ctl/err", Body: []byte("is a directory"), Err: ErrIsDir},
	}, got)
}

func TestWaitTooLate(t *testing.T) {
	s := checked(t, New(2))
	for range 3 {
		set(s, "/a", Clobber, "")
	}
	for _, rev := range []int64{math.MinInt64, 0, 1} {
		w, err := s.Wait(mustGlob(t, "/**"), rev, func(Event, error) { t.Error("fired") })
		assert.Equal(t, ErrTooLate, err)
		assert.T(t, w == nil)
		w, err = s.AwaitRev(rev, func(*Snapshot, error) { t.Error("fired") })
		assert.Equal(t, ErrTooLate, err)
		assert.T(t, w == nil)
	}
}

// A wait under way never becomes too late.
func TestWaitOutlivesItsRev(t *testing.T) {
	s := checked(t, New(1))
	var got events
	wait(t, s, "/x", 1, got.fire)
	for range 10 {
		set(s, "/a", Clobber, "")
	}
	set(s, "/x", Clobber, "")
	assert.Equal(t, []int64{11}, got.revs())
}

// What is applied after the look at history and before the registration is
// found by the look under the lock.
func TestWaitSeesWhatCameMeanwhile(t *testing.T) {
	s := storeOf(t, "/a /b /a2 /a3")
	for _, test := range []struct{ rev, seen, want int64 }{{1, 0, 1}, {1, 1, 3}, {2, 2, 3}, {4, 1, 4}, {1, 3, 4}} {
		w := &Waiter{waits: s.waits, place: over, rev: test.rev, glob: mustGlob(t, "/a*")}
		v, err := s.findNewOrAdd(w, test.seen)
		assert.Equal(t, nil, err)
		assert.Equal(t, test.want, v.event.Rev)
		assertNoWaits(t, s)
	}
}

// Watching is waiting from the rev after the last event.
func TestWatchMissesAndRepeatsNothing(t *testing.T) {
	s := checked(t, New(4))
	var got events
	var watch func(Event, error)
	watch = func(e Event, err error) {
		got.fire(e, err)
		wait(t, s, "/**", e.Rev+1, watch)
	}
	wait(t, s, "/**", 1, watch)
	var want []int64
	for rev := range int64(100) {
		set(s, "/a", rev%3-1, "")
		want = append(want, rev+1)
	}
	assert.Equal(t, want, got.revs())
}

func TestAwaitRevShowsExactlyThatVersion(t *testing.T) {
	s := checked(t, New(10))
	var got []int64
	await := func(rev int64) *Waiter {
		w, err := s.AwaitRev(rev, func(s *Snapshot, _ error) { got = append(got, s.Rev()) })
		assert.Equal(t, nil, err)
		return w
	}
	await(3)
	await(0)
	await(2)
	cancelled := await(2)
	assert.Equal(t, true, cancelled.Cancel())
	for range 4 {
		set(s, "/a", Clobber, "")
	}
	assert.Equal(t, []int64{1, 2, 3}, got)
	assert.Equal(t, false, await(2).Cancel())
	assert.Equal(t, []int64{1, 2, 3, 2}, got)
}

func TestCancel(t *testing.T) {
	s := checked(t, New(10))
	var waiters []*Waiter
	for i := range 100 {
		rev := int64(1 + i%4*10)
		waiters = append(waiters, wait(t, s, fmt.Sprintf("/d%d/x*", i%7), rev, func(Event, error) { t.Error("fired") }))
	}
	assert.Equal(t, 100, s.Waits())
	for i := range waiters {
		w := waiters[i*37%100]
		assert.Equal(t, true, w.Cancel())
		assert.Equal(t, false, w.Cancel())
		assert.Equal(t, nil, s.Check())
	}
	for i := range 7 {
		set(s, fmt.Sprintf("/d%d/x", i), Clobber, "")
	}
	assertNoWaits(t, s)
}

// assertNoWaits checks that nothing is left of the waits there were.
func assertNoWaits(t *testing.T, s *Store) {
	t.Helper()
	assert.Equal(t, 0, s.Waits())
	assert.Equal(t, 0, len(s.waits.early))
	assert.Equal(t, 0, len(s.waits.groups))
	assert.Equal(t, 0, len(s.waits.heads.kids)+len(s.waits.heads.groups))
}

func TestFiredWaitsLeaveNothingBehind(t *testing.T) {
	s := checked(t, New(10))
	var got events
	for i := range 100 {
		wait(t, s, fmt.Sprintf("/d/%d/**", i%10), int64(i%5), got.fire)
	}
	for i := range 10 {
		set(s, fmt.Sprintf("/d/%d/x/y", i), Clobber, "")
	}
	assert.Equal(t, 100, len(got))
	assertNoWaits(t, s)
}

// What fires may wait and cancel: the store holds no lock then.
func TestFireMayUseTheStore(t *testing.T) {
	s := checked(t, New(10))
	var got events
	other := wait(t, s, "/other", 1, got.fire)
	wait(t, s, "/a", 1, func(e Event, _ error) {
		assert.Equal(t, e.Rev, s.Snapshot().Rev())
		assert.Equal(t, true, other.Cancel())
		wait(t, s, "/a", e.Rev, got.fire)
		wait(t, s, "/a", e.Rev+1, got.fire)
	})
	set(s, "/a", Clobber, "")
	set(s, "/other", Clobber, "")
	set(s, "/a", Clobber, "")
	assert.Equal(t, []int64{1, 3}, got.revs())
}

// Whichever of two that fire together cancels the other is too late.
func TestCancelOfWhatIsAboutToFire(t *testing.T) {
	s := checked(t, New(10))
	waiters := make([]*Waiter, 2)
	fired := 0
	for i := range waiters {
		waiters[i] = wait(t, s, "/a", 1, func(Event, error) {
			fired++
			assert.Equal(t, false, waiters[1-i].Cancel())
		})
	}
	set(s, "/a", Clobber, "")
	assert.Equal(t, 2, fired)
}
