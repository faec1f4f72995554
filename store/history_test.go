package store

import (
	"math"
	"testing"

	"github.com/bmizerany/assert"
)

func TestHistoryEdges(t *testing.T) {
	s := checked(t, New(3))
	for _, rev := range []int64{math.MinInt64, 0, 1, 2} {
		_, err := s.At(rev)
		assert.Equal(t, ErrFuture, err, rev)
	}
	for range 5 {
		set(s, "/f", Clobber, "x")
	}
	for rev, want := range map[int64]error{
		math.MinInt64: ErrTooLate, -2: ErrTooLate, -1: ErrTooLate, 0: ErrTooLate, 1: ErrTooLate, 2: ErrTooLate,
		3: nil, 4: nil, 5: nil,
		6: ErrFuture, math.MaxInt64: ErrFuture,
	} {
		at, err := s.At(rev)
		assert.Equal(t, want, err, rev)
		if err == nil {
			assert.Equal(t, rev, at.Rev())
		}
	}
}

func TestRevsBelowOneReadRevOne(t *testing.T) {
	s := checked(t, New(3))
	for range 3 {
		set(s, "/f", Clobber, "x")
	}
	for _, rev := range []int64{math.MinInt64, -3, Dir, Clobber, Missing, 1} {
		at, err := s.At(rev)
		assert.Equal(t, nil, err)
		assert.Equal(t, int64(1), at.Rev())
	}
}

func TestOldRevsShowWhatWas(t *testing.T) {
	s := checked(t, New(10))
	set(s, "/d/f", Clobber, "one")
	set(s, "/d/g", Clobber, "two")
	del(s, "/d/f", Clobber)
	del(s, "/d/g", Clobber)
	set(s, "/d", Clobber, "a file now")
	for rev, want := range []string{1: "/d/f", "/d/f /d/g", "/d/g", "", "/d"} {
		if rev > 0 {
			at, err := s.At(int64(rev))
			assert.Equal(t, nil, err)
			assert.Equal(t, want, walk(t, at, "/**"))
		}
	}
}

// A snapshot that is held outlives the history.
func TestSnapshotStays(t *testing.T) {
	s := checked(t, New(1))
	set(s, "/d/f", Clobber, "one")
	held := s.Snapshot()
	del(s, "/d/f", Clobber)
	set(s, "/d", Clobber, "a file now")
	body, rev, err := held.Get("/d/f")
	assert.Equal(t, []any{"one", int64(1), error(nil)}, []any{string(body), rev, err})
}

func TestNewRefuses(t *testing.T) {
	for _, history := range []int{math.MinInt, -1, 0, MaxHistory + 1, math.MaxInt} {
		func() {
			defer func() { assert.T(t, recover() != nil, history) }()
			New(history)
		}()
	}
}
