package peer

import (
	"errors"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/store"
)

func TestWriteWithoutAMajorityFailsInTime(t *testing.T) {
	r := founded(t, 3, 3)
	r.cut["B"], r.cut["C"] = true, true
	var errs []error
	done := func(_ store.Event, err error) { errs = append(errs, err) }
	r.cores["A"].Propose(setting("/x", "1").Append(nil), done)
	r.run(4 * time.Second)
	assert.Equal(t, 0, len(errs))
	for range 20 { // beyond what may be in flight
		r.cores["A"].Propose(setting("/y", "1").Append(nil), done)
		r.turn()
	}
	r.run(6 * time.Second)
	assert.Equal(t, 21, len(errs))
	assert.T(t, errors.Is(errs[0], ErrOutcomeUnknown))
	refused := 0
	for _, err := range errs {
		if errors.Is(err, ErrNoMajority) {
			refused++
		}
	}
	assert.T(t, refused > 0)
	delete(r.cut, "B")
	r.run(2 * time.Second)
	assert.Equal(t, nil, r.set("A", "/z", "1"))
}

// However many turns the loop takes before a proposal is overdue, few times are kept.
func TestMarksAreFew(t *testing.T) {
	const timeout = time.Hour
	p := newProposals(timeout / marksKept)
	last := uint64(0)
	for now := time.Second; now < 3*timeout; now += 100 * time.Millisecond {
		p.lastTag++
		p.tick(now)
		last = max(last, p.overdue(now-timeout))
		assert.T(t, len(p.marks) <= marksKept+2, len(p.marks))
	}
	behind := time.Duration(p.lastTag-last) * 100 * time.Millisecond
	assert.T(t, behind >= timeout && behind <= timeout+2*timeout/marksKept, behind)
}
