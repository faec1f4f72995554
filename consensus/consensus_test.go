package consensus

import (
	"errors"
	"testing"

	"github.com/bmizerany/assert"
	"pgregory.net/rapid"
)

func newEngine(t *testing.T) *Engine {
	t.Helper()
	e, err := New(Config{Self: "A", Voters: []string{"A"}})
	assert.Equal(t, nil, err)
	return e
}

func TestNewRefusesAnyOtherSetOfVoters(t *testing.T) {
	for _, voters := range [][]string{nil, {"B"}, {"A", "B"}, {"A", "A"}, {"A", "B", "C"}} {
		_, err := New(Config{Self: "A", Voters: voters})
		assert.Equal(t, true, errors.Is(err, ErrVoters), voters)
	}
}

func TestNewRefusesNoID(t *testing.T) {
	_, err := New(Config{Voters: []string{""}})
	assert.NotEqual(t, nil, err)
	assert.Equal(t, false, errors.Is(err, ErrVoters))
}

func TestNothingIsDecidedUnasked(t *testing.T) {
	e := newEngine(t)
	assert.Equal(t, 0, len(e.Output()))

	e.Propose([]byte("x"))
	e.Output()
	assert.Equal(t, 0, len(e.Output()))
}

func TestProposalsThatWaitShareABatch(t *testing.T) {
	e := newEngine(t)
	assert.Equal(t, uint64(1), e.Propose([]byte("x")))
	assert.Equal(t, uint64(1), e.Propose([]byte("y")))

	want := []Decision{{1, Batch{"A", 1, [][]byte{[]byte("x"), []byte("y")}}}}
	assert.Equal(t, want, e.Output())
}

func TestBarrierJoinsABatchNotYetSuggested(t *testing.T) {
	e := newEngine(t)
	e.Propose([]byte("x"))
	assert.Equal(t, uint64(1), e.Barrier())
	e.Output()
	assert.Equal(t, uint64(2), e.Barrier())
}

func TestBarrierAloneIsABatchOfItsOwn(t *testing.T) {
	e := newEngine(t)
	seq := e.Barrier()

	want := []Decision{{1, Batch{Proposer: "A", Seq: seq}}}
	assert.Equal(t, want, e.Output())
}

// TestEveryProposalIsDecidedOnce runs random schedules against the plain
// sequence of what was proposed.
func TestEveryProposalIsDecidedOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := newEngine(t)
		var proposed, decided []string
		var instance, newest int64
		take := func() {
			for _, d := range e.Output() {
				instance++
				assert.Equal(t, instance, d.Instance)
				assert.Equal(t, uint64(instance), d.Batch.Seq)
				for _, m := range d.Batch.Mutations {
					decided = append(decided, string(m))
				}
			}
		}
		for _, step := range rapid.SliceOf(rapid.IntRange(0, 2)).Draw(rt, "steps") {
			switch step {
			case 0:
				m := string(rune('a' + newest%26))
				newest++
				proposed = append(proposed, m)
				e.Propose([]byte(m))
			case 1:
				e.Barrier()
			case 2:
				take()
			}
		}
		take()
		assert.Equal(t, proposed, decided)
	})
}
