package peer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/store"
)

// Who is cut off from a majority must not propose evictions: they would be decided when the others are long
// heard again.
func TestWhoHearsNoMajorityEvictsNobody(t *testing.T) {
	r := founded(t, 3, 3)
	r.cut["C"] = true
	c := r.cores["C"]
	for r.run(rigTimeout); c.engine.Silence("A") < rigTimeout+time.Second; r.turn() {
		c.Take(Note{Kind: Report, From: "B", To: "C", Silent: []string{"A"}}) // B is heard, and does not hear C
	}
	for path := range c.requests {
		assert.Equal(t, appliedPath("C"), path)
	}
}

// After all have lost each other they come back one after the other. Whoever is a moment later than a majority
// must not be evicted for the time in which nobody heard anybody; but whoever stays away is.
func TestWhoHearsAMajorityAgainGivesTheOthersTime(t *testing.T) {
	r := founded(t, 5, 5)
	all := []string{"A", "B", "C", "D", "E"}
	for _, id := range all {
		r.cut[id] = true
	}
	r.run(2 * rigTimeout)
	for _, id := range all[:4] {
		r.run(rigTimeout / 6)
		delete(r.cut, id)
	}
	r.run(rigTimeout / 3)
	assert.Equal(t, all, r.voters())
	assert.Equal(t, nil, r.set("A", "/x", "1"))
	for k, id := range all {
		assert.Equal(t, id, r.file("A", slotPath(k)))
	}
	r.run(3 * rigTimeout / 2)
	assert.Equal(t, "", r.file("A", slotPath(4)))
	assert.Equal(t, "D", r.file("A", slotPath(3)))
	r.check()
}

func TestSilentVoterIsEvictedAndItsSlotTaken(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("D", "10.0.0.4:1", "A")
	r.run(time.Second)
	r.cut["B"] = true
	died := r.now
	r.until("D has the slot of B", 10*time.Second, r.evicted("B"))
	if took := r.now - died; took < rigTimeout || took > rigTimeout*3/2 {
		t.Errorf("evicted after %v, with a timeout of %v", took, rigTimeout)
	}
	r.until("D is a voter", 5*time.Second, func() bool { return r.cores["D"].Writable() })
	r.run(time.Second)
	tree := r.cores["A"].Store().Snapshot()
	assert.Equal(t, 0, len(filesOf(tree, "B")))
	assert.Equal(t, "D", bodyOf(tree, slotPath(1)))
	assert.Equal(t, nil, r.set("D", "/x", "1"))
}

func TestEvictedVoterThatLivesComesBack(t *testing.T) {
	r := founded(t, 3, 3)
	r.cut["B"] = true
	r.until("B is evicted", 10*time.Second, r.evicted("B"))
	for k := range 300 {
		assert.Equal(t, nil, r.set("A", fmt.Sprint("/f", k), "x"))
	}
	delete(r.cut, "B")
	r.until("B is a voter again", 5*time.Second, r.areVoters("A", "B", "C"))
	assert.Equal(t, nil, r.set("B", "/x", "1"))
	r.check()
}

// Who votes no more rules a part of the window for a while. It is heard all that time.
func TestVoterThatWasDemotedIsHeard(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	r.cut["B"] = true // so that the window does not move on at once
	assert.Equal(t, nil, r.set("A", slotPath(2), ""))
	a := r.cores["A"]
	assert.Equal(t, []string{"A", "B"}, a.engine.Voters())
	assert.T(t, slices.Contains(a.followers(), "C"), "C is a voter of the window")
}

func TestNobodyIsEvictedByAMinority(t *testing.T) {
	r := founded(t, 3, 3)
	r.cut["A"], r.cut["B"] = true, true
	r.run(3 * rigTimeout)
	delete(r.cut, "A")
	delete(r.cut, "B")
	r.run(time.Second)
	assert.Equal(t, []string{"A", "B", "C"}, r.voters())
	assert.Equal(t, nil, r.set("A", "/x", "1"))
	r.check()
}

// An observer speaks to one voter only. That the others were silent to it, before it was a voter, says nothing.
func TestNewVoterHoldsNobodyForSilent(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("D", "10.0.0.4:1", "A")
	r.run(2 * rigTimeout)
	assert.Equal(t, nil, r.write("A", store.Mutation{Op: store.Set, Path: slotPath(3), Guard: store.Missing}))
	r.until("D is a voter", 5*time.Second, r.cores["D"].Writable)
	for _, id := range []string{"A", "B", "C"} {
		assert.T(t, r.cores["D"].engine.Silence(id) < rigTimeout, id)
	}
	r.check()
}

// What is noted of a process is forgotten once it is no voter, and who comes and goes does not use up the room
// of the others.
func TestFormerVotersAreForgotten(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	a := r.cores["A"]
	for k := range 2 * MaxMembers {
		a.Lost(fmt.Sprintf("X%d", k))
	}
	a.witness.reports["X"] = report{at: a.now}
	r.run(time.Second)
	assert.Equal(t, 0, len(a.gone))
	assert.Equal(t, 2, len(a.witness.reports))
	a.Lost("B")
	assert.T(t, a.isGone("B"))
}

func TestRestartedProcessTakesItsPredecessorsPlace(t *testing.T) {
	r := founded(t, 3, 3)
	r.kill("C")
	r.run(100 * time.Millisecond)
	r.join("X", "10.0.0.3:1", "A")
	r.until("X is a voter", 2*time.Second, r.areVoters("A", "B", "X"))
	r.run(time.Second)
	tree := r.cores["A"].Store().Snapshot()
	assert.Equal(t, 0, len(filesOf(tree, "C")))
	assert.Equal(t, "X", bodyOf(tree, slotPath(2)))
	r.check()
}
