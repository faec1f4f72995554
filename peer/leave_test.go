package peer

import (
	"slices"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

func TestLeavingVoterHandsOver(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("D", "10.0.0.4:1", "A")
	r.run(time.Second)
	r.cores["B"].Leave()
	r.until("B may go", 5*time.Second, r.cores["B"].Left)
	r.kill("B")
	r.until("D has its place", 5*time.Second, r.areVoters("A", "C", "D"))
	assert.Equal(t, 0, len(filesOf(r.cores["A"].Store().Snapshot(), "B")))
	r.check()
}

func TestLeaveOneAfterTheOther(t *testing.T) {
	r := founded(t, 3, 3)
	assert.Equal(t, nil, r.set("A", "/x", "1"))
	for _, id := range []string{"A", "B", "C"} {
		r.cores[id].Leave()
		r.until(id+" may go", 5*time.Second, r.cores[id].Left)
		if id != "C" {
			r.kill(id)
		}
	}
	assert.Equal(t, []string{"C"}, r.voters())
	assert.Equal(t, "1", r.file("C", "/x"))
}

// It may be that only it and those that are left, together, can find out what was decided.
func TestLeavingVoterThatIsCutOffStays(t *testing.T) {
	r := founded(t, 4, 4)
	r.cores["A"].Leave()
	r.until("A is no voter", 5*time.Second, func() bool { return !slices.Contains(r.cores["B"].engine.Voters(), "A") })
	r.cut["A"] = true
	for _, id := range []string{"B", "C", "D"} {
		r.cores["A"].Lost(id) // whoever waits for a process that is cut off closes its links after a while
	}
	r.run(5 * time.Second)
	assert.T(t, !r.cores["A"].Left())
	r.cut["A"] = false
	r.until("A may go", 5*time.Second, r.cores["A"].Left)
}

// demote lets the operator empty the slots of some, all at once.
func (r *rig) demote(by string, ids ...string) {
	c := r.cores[by]
	for _, id := range ids {
		slot, _ := c.roster.slotOf(id)
		c.Propose(store.Mutation{Op: store.Set, Path: slot.path, Guard: slot.rev}.Append(nil), func(store.Event, error) {})
	}
}

// Who is no voter any more either may have nobody else to find out from what was decided when it was one.
func TestLeavingVoterStaysForWhoVotedWithIt(t *testing.T) {
	testStaysForFormerVoter(t, func(a *Core) bool { return slices.Equal(a.engine.Voters(), []string{"C"}) })
}

// The same, when all that they ruled together has left the window.
func TestFormerVoterStaysForWhoVotedWithIt(t *testing.T) {
	testStaysForFormerVoter(t, func(a *Core) bool { return len(a.engine.Snapshot().Eras) == 1 && !a.engine.Writable() })
}

// testStaysForFormerVoter takes the slots of A and B, who is cut off, and ends C when A is as far as it is to be.
func testStaysForFormerVoter(t *testing.T, demoted func(a *Core) bool) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	a, b := r.cores["A"], r.cores["B"]
	r.demote("C", "A", "B")
	r.cut["B"] = true
	r.until("A is no voter", 5*time.Second, func() bool { return demoted(a) })
	r.kill("C")
	a.Leave()
	r.run(3 * time.Second)
	assert.T(t, !a.Left())
	assert.Equal(t, []string{"A", "B", "C"}, b.engine.Voters())
	r.cut["B"] = false
	r.until("A has left", 5*time.Second, a.Left)
	assert.Equal(t, []string{"C"}, b.engine.Voters())
}

// A registration that is still under way would make a voter again of whoever left its name in a slot.
func TestWhoLeavesLeavesNoNameInASlot(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	c := r.cores["C"]
	assert.Equal(t, nil, r.write("A", store.Mutation{Op: store.Del, Path: nodePath("C", addrFile), Guard: store.Clobber}))
	c.Leave()
	r.until("C has left", 10*time.Second, c.Left)
	assert.Equal(t, "", r.file("A", slotPath(2)))
}

// While its slot is being given back, a voter cannot know that it will not be needed.
func TestWhoGivesItsSlotBackStaysUntilThatIsKnown(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	b := r.cores["B"]
	b.Leave()
	r.until("B gives its slot back", 10*time.Second, func() bool { _, giving := b.requests[slotPath(1)]; return giving })
	r.cut["C"] = true // so that it takes a while
	r.kill("A")
	for range 100 {
		r.turn()
		if _, giving := b.requests[slotPath(1)]; giving && b.Left() {
			t.Fatal("B has left")
		}
	}
}

func TestLeaveAllAtOnce(t *testing.T) {
	for n := 1; n <= 5; n++ {
		r := founded(t, n, n)
		for _, id := range r.order {
			r.cores[id].Leave()
		}
		r.until("all are gone", 3*time.Second, func() bool {
			for _, id := range slices.Clone(r.order) {
				if r.cores[id].Left() {
					r.kill(id)
				}
			}
			return len(r.order) == 0
		})
	}
}

// Who was only started may be a voter before it knows: it replaces a process at its address.
func TestWhoDoesNotKnowWhatBecameOfItsRegistrationDoesNotLeave(t *testing.T) {
	r := founded(t, 3, 3)
	r.kill("C")
	r.join("X", "10.0.0.3:1", "A")
	a, x := r.cores["A"], r.cores["X"]
	r.until("X is registered", 5*time.Second, func() bool { return isRegistered(a.store.Snapshot(), "X") })
	r.cut["X"] = true
	r.until("the others have made it a voter", 5*time.Second, func() bool { return slices.Contains(a.roster.voters, "X") })
	assert.T(t, !isRegistered(x.store.Snapshot(), "X"))
	for _, id := range []string{"A", "B"} { // all that X knows of is applied by a majority
		x.Step(consensus.Message{Kind: consensus.Status, From: id, To: "X", Applied: x.leaving.until, Sent: r.now})
	}
	x.Leave()
	r.run(2 * time.Second)
	assert.T(t, !x.Left())
	r.cut["X"] = false
	r.until("X has left", 5*time.Second, x.Left)
	assert.Equal(t, []string{"A", "B"}, r.cores["A"].roster.voters)
}

// A process that is stopped as soon as it has started does not know what became of its registration, and so
// registers again to find out.
func TestWhoseRegistrationWasLostLeavesSoon(t *testing.T) {
	r := founded(t, 1, 2)
	r.join("D", "10.0.0.4:1", "A")
	d := r.cores["D"]
	r.until("D asks to be registered", 5*time.Second, func() bool { return d.engine != nil && d.leaving.unseen })
	r.cut["D"] = true
	r.run(100 * time.Millisecond)
	assert.T(t, !isRegistered(r.cores["A"].Store().Snapshot(), "D"))
	d.Leave()
	assert.T(t, !d.Left())
	r.cut["D"] = false
	r.until("D has left", time.Second, d.Left)
	assert.Equal(t, 0, len(filesOf(r.cores["A"].Store().Snapshot(), "D")))
}

// Who leaves asks all voters how far they are, and so whoever lives to take it off the list: not the one that
// it listened to, which may be dead.
func TestObserverLeavesThoughItsVoterIsDead(t *testing.T) {
	r := observed(t, 3, time.Minute)
	r.run(5 * time.Second)
	d := r.cores["D"]
	r.kill(d.engine.Upstream())
	d.Leave()
	r.until("D has left", 2*time.Second, d.Left)
	assert.T(t, !isRegistered(r.cores[r.voters()[0]].Store().Snapshot(), "D"))
}
