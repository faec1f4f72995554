package consensus

import (
	"slices"
	"testing"

	"github.com/bmizerany/assert"
)

// demoted returns engine a, whose voters were a, b, c, and are c alone from an instance that it has applied.
func demoted(t *testing.T) *Engine {
	t.Helper()
	e := lone(t)
	last := e.Window() + 1
	for i := uint64(1); i <= last; i++ {
		skipAll(e, last)
		e.Ready()
		e.Applied(i, []string{"c"})
	}
	assert.Equal(t, []string{"c"}, e.windowVoters())
	return e
}

func TestFormerVotersAreRememberedUntilTheyHaveAppliedAll(t *testing.T) {
	e := demoted(t)
	last := e.Window()
	assert.Equal(t, []string{"b", "c"}, slices.Collect(e.Former()))
	hearsApplied := func(id string, applied uint64) {
		e.Step(Message{Kind: Status, From: id, To: "a", Applied: applied, Sent: e.now})
	}
	hearsApplied("c", last)
	hearsApplied("b", last-1)
	assert.Equal(t, []string{"b"}, slices.Collect(e.Former()))
	hearsApplied("b", last)
	assert.Equal(t, []string(nil), slices.Collect(e.Former()))
}

// Who is about to stop greets them, and those that rule anything once only.
func TestWhoLingersGreetsFormerVoters(t *testing.T) {
	e := demoted(t)
	e.Ready()
	greeted := func() (ids []string) {
		for _, m := range passes(e, e.now+delay, e.now+delay, Status) {
			ids = append(ids, m.To)
		}
		return ids
	}
	assert.Equal(t, []string{"c"}, greeted())
	e.Linger()
	assert.Equal(t, []string{"c", "b"}, greeted())
}

// A snapshot may be how a voter learns that it is none any more.
func TestSnapshotMakesFormerVoters(t *testing.T) {
	e := lone(t)
	e.Step(Message{Kind: Status, From: "b", To: "a", Applied: 19})
	e.Step(Message{Kind: Status, From: "c", To: "a", Applied: 18})
	ok, err := e.Install(Snapshot{Instance: 40, Eras: []Era{{From: 20, Voters: []string{"c"}}}})
	assert.Equal(t, nil, err)
	assert.T(t, ok)
	assert.Equal(t, []string{"c"}, slices.Collect(e.Former()))
}

func TestFormerVotersAreBounded(t *testing.T) {
	e := lone(t)
	names := "bcdefghijklmnopqrstuvwxyz"
	for i := uint64(1); i < 200; i++ {
		skipAll(e, i)
		e.Ready()
		k := int(i/20) % len(names)
		e.Applied(i, []string{"a", names[k : k+1]})
		checkInvariants(t, e)
	}
	assert.Equal(t, maxFormer, len(e.former))
}
