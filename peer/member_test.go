package peer

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

func founded(t *testing.T, n, slots int) *rig {
	t.Helper()
	r := newRig(t)
	r.found(n, slots)
	r.until("founded", 5*time.Second, func() bool { return len(r.voters()) == n })
	r.run(time.Second)
	return r
}

func TestFirstVotersFoundACluster(t *testing.T) {
	for n := 2; n <= 9; n++ {
		r := founded(t, n, n)
		assert.Equal(t, nil, r.set("A", "/x", "1"))
		assert.Equal(t, "local", r.file("B", "/ctl/name"))
		for _, id := range r.order {
			assert.Equal(t, "true", r.file("A", nodePath(id, writableFile)))
			assert.Equal(t, "host", r.file("A", nodePath(id, hostnameFile)))
			assert.Equal(t, r.cores[id].config.Addr, r.file("A", nsPath("local", id)))
			assert.NotEqual(t, "", r.file("A", appliedPath(id)))
		}
		assert.Equal(t, store.Missing, revOf(r.cores["A"].Store().Snapshot(), "/ctl/err"))
		r.check()
	}
}

func TestSecondVoterFoundsIfTheFirstDoesNot(t *testing.T) {
	r := newRig(t)
	r.found(3, 3)
	r.kill("A")
	r.until("founded without A", 10*time.Second, func() bool { return len(r.voters()) == 2 })
	assert.Equal(t, nil, r.set("B", "/x", "1"))
}

func TestNodeThatAttachesIsAnObserver(t *testing.T) {
	r := founded(t, 3, 3)
	assert.Equal(t, nil, r.set("A", "/x", "1"))
	r.join("D", "10.0.0.4:1", "B")
	r.until("D is registered", 5*time.Second, func() bool { return isRegistered(r.cores["A"].Store().Snapshot(), "D") })
	r.run(time.Second)
	assert.Equal(t, "1", r.file("D", "/x"))
	assert.Equal(t, "10.0.0.4:1", r.file("A", nodePath("D", addrFile)))
	assert.Equal(t, "1.0", r.file("A", nodePath("D", versionFile)))
	for _, none := range []string{appliedPath("D"), nodePath("D", writableFile), nsPath("local", "D")} {
		assert.Equal(t, store.Missing, revOf(r.cores["A"].Store().Snapshot(), none))
	}
	assert.Equal(t, ErrReadOnly, r.set("D", "/x", "2"))
	r.check()
}

func TestObserverTakesASlotThatIsOpened(t *testing.T) {
	r := founded(t, 1, 1)
	r.join("B", "10.0.0.2:1", "A")
	r.join("C", "10.0.0.3:1", "A")
	r.run(time.Second)
	assert.Equal(t, []string{"A"}, r.voters())
	assert.Equal(t, nil, r.write("A", store.Mutation{Op: store.Set, Path: "/ctl/cal/1", Guard: store.Missing}))
	r.until("one of them is a voter", 5*time.Second, func() bool { return len(r.voters()) == 2 })
	r.run(time.Second)
	assert.Equal(t, 2, len(r.voters()))
	assert.Equal(t, nil, r.write("A", store.Mutation{Op: store.Set, Path: "/ctl/cal/2", Guard: store.Missing}))
	r.until("both are voters", 5*time.Second, r.areVoters("A", "B", "C"))
	assert.Equal(t, nil, r.set("C", "/x", "1"))
	r.check()
}

// Who is cut off from a majority must not propose evictions: they would be decided when the others are long heard again.
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

// After all have lost each other they come back one after the other. Whoever is a moment later than a majority must not be evicted for the time in which
// nobody heard anybody; but whoever stays away is.
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

// evicted reports whether id holds no slot, as A has it.
func (r *rig) evicted(id string) func() bool {
	return func() bool {
		_, ok := r.cores["A"].roster.slotOf(id)
		return !ok
	}
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

// While somebody is cut off, all whom it knows may be replaced. It finds those who came after them.
func TestWhoKnowsNobodyAnyMoreFindsTheOthers(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("D", "10.0.0.4:1", "A")
	r.until("D has joined", time.Second, func() bool { return r.cores["D"].Joined() })
	r.run(time.Second)
	r.cut["D"] = true
	for k, next := range []string{"E", "F", "G"} {
		r.kill([]string{"A", "B", "C"}[k])
		r.join(next, fmt.Sprintf("10.0.0.%d:1", k+1), []string{"B", "C", "E"}[k])
		r.until(next+" is a voter", 5*time.Second, func() bool { return r.cores[next].Writable() })
		r.run(time.Second)
	}
	delete(r.cut, "D")
	assert.Equal(t, nil, r.set("G", "/x", "1"))
	r.until("D has caught up", 10*time.Second, func() bool { return r.file("D", "/x") == "1" })
	r.run(5 * time.Second)
	assert.Equal(t, "10.0.0.4:1", r.file("G", nodePath("D", addrFile)))
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

func TestNonsenseInSlotsHaltsNobody(t *testing.T) {
	for _, nonsense := range []func(r *rig){
		func(r *rig) { // nobody registered
			for k := range 3 {
				r.run(time.Second)
				assert.Equal(r.t, nil, r.set(r.voters()[0], slotPath(k), "nobody"))
			}
		},
		func(r *rig) { // all deleted
			for k := range 3 {
				r.run(time.Second)
				assert.Equal(r.t, nil, r.write(r.voters()[0], store.Mutation{Op: store.Del, Path: slotPath(k), Guard: store.Clobber}))
			}
		},
		func(r *rig) { // all emptied
			for k := range 3 {
				assert.Equal(r.t, nil, r.set(r.voters()[0], slotPath(k), ""))
			}
		},
		func(r *rig) { assert.Equal(r.t, nil, r.set("A", slotPath(0), "C")) },                     // a double
		func(r *rig) { assert.Equal(r.t, nil, r.set("A", "/ctl/cal/a/b", "A")) },                  // a directory
		func(r *rig) { assert.Equal(r.t, nil, r.set("B", slotPath(2), "../../..")) },              // no id
		func(r *rig) { assert.Equal(r.t, nil, r.set("B", nodePath("B", addrFile), "elsewhere")) }, // a wrong address
		func(r *rig) {
			assert.Equal(r.t, nil, r.write("B", store.Mutation{Op: store.Del, Path: nodePath("B", addrFile), Guard: -1}))
		}, // unregistered
	} {
		r := founded(t, 3, 3)
		nonsense(r)
		r.run(3 * time.Second)
		assert.NotEqual(t, 0, len(r.voters()))
		assert.Equal(t, nil, r.set(r.voters()[0], "/x", "1"))
		rev := r.cores["A"].Store().Snapshot().Rev()
		r.run(5 * time.Second)
		if used := r.cores["A"].Store().Snapshot().Rev() - rev; used > 30 {
			t.Errorf("an idle cluster used %d revs in 5 s\n%s", used, r.dump())
		}
		r.check()
	}
}

// One voter that stands lost its slot, the others their registrations. Nobody takes the slot of somebody who stands.
func TestVoterThatStandsTakesNobodysSlot(t *testing.T) {
	r := founded(t, 3, 3)
	write := func(m store.Mutation) {
		m.Guard = store.Clobber
		r.cores["A"].Propose(m.Append(nil), func(store.Event, error) {})
	}
	write(store.Mutation{Op: store.Set, Path: slotPath(0), Body: []byte("C")}) // both in one batch, so that nobody is out
	write(store.Mutation{Op: store.Set, Path: slotPath(2), Body: []byte("A")})
	r.until("A and C have each other's slots", time.Second, func() bool { return r.file("B", slotPath(2)) == "A" })
	write(store.Mutation{Op: store.Set, Path: slotPath(0)})
	write(store.Mutation{Op: store.Del, Path: nodePath("A", addrFile)})
	write(store.Mutation{Op: store.Del, Path: nodePath("B", addrFile)})
	r.until("C has lost its slot", time.Second, func() bool { return r.file("B", slotPath(0)) == "" })
	r.until("all are back", 5*time.Second, func() bool { return len(r.cores["C"].roster.voters) == 3 && r.cores["C"].Writable() })
	for k, id := range []string{"C", "B", "A"} {
		assert.Equal(t, id, r.file("B", slotPath(k)))
	}
	r.check()
}

// Whoever is evicted and whoever comes in its place: what is written of slots has the rev seen as its guard, so that it fails if
// somebody was faster.
func TestSlotsChangeByTheRevSeen(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("D", "10.0.0.4:1", "A")
	r.run(time.Second)
	r.cut["C"] = true
	seen := 0
	r.until("D is a voter", 10*time.Second, func() bool {
		for _, id := range []string{"A", "B"} {
			seen += guarded(t, r.cores[id])
		}
		return slices.Equal(r.cores["A"].engine.Voters(), []string{"A", "B", "D"})
	})
	assert.T(t, seen > 0)
}

// guarded counts the changes of slots that c has under way, and looks at their guards.
func guarded(t *testing.T, c *Core) (n int) {
	t.Helper()
	for _, p := range c.proposals.waiting {
		m, err := store.DecodeMutation(p.mutation)
		if err == nil && strings.HasPrefix(m.Path, calDir) {
			n++
			assert.T(t, m.Guard >= store.Missing && m.Guard <= revOf(c.store.Snapshot(), m.Path), m)
		}
	}
	return n
}

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

// Whoever has asked twice may have two slots, and another waits for one.
func TestNobodyKeepsTwoSlots(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("D", "10.0.0.4:1", "A")
	r.until("D is registered", 5*time.Second, func() bool { return isRegistered(r.cores["A"].Store().Snapshot(), "D") })
	assert.Equal(t, nil, r.set("A", slotPath(3), "B"))
	r.until("D is a voter", 5*time.Second, r.areVoters("A", "B", "C", "D"))
	r.check()
}

// An observer may learn late that it has a slot. It does not ask for another meanwhile, although others come and its place among them changes.
func TestWhoAsksForASlotAsksForNoOther(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("E", "10.0.0.5:1", "A")
	r.until("E is registered", 5*time.Second, func() bool { return isRegistered(r.cores["E"].Store().Snapshot(), "E") })
	e := r.cores["E"]
	for k := 3; k < 5; k++ {
		r.cores["A"].Propose(setting(slotPath(k), "").Append(nil), func(store.Event, error) {})
	}
	asked := func() (n int) {
		for path := range e.requests {
			if strings.HasPrefix(path, calDir) {
				n++
			}
		}
		return n
	}
	r.until("E asks", 5*time.Second, func() bool { return asked() > 0 })
	r.mail = nil // that is lost
	assert.Equal(t, nil, r.set("A", nodePath("D", addrFile), "10.0.0.4:1"))
	r.until("E knows of D", 200*time.Millisecond, func() bool { return isRegistered(e.store.Snapshot(), "D") })
	assert.Equal(t, 1, e.rank(&view{roster: &e.roster, voters: e.engine.Voters()}))
	e.look()
	assert.Equal(t, 1, asked())
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

func TestEscapeFromALostMajority(t *testing.T) {
	r := founded(t, 3, 3)
	assert.Equal(t, nil, r.set("B", "/x", "1"))
	r.run(time.Second)
	r.kill("A")
	r.kill("B")
	r.run(time.Second)
	r.cores["C"].Escape("SECOND")
	r.until("C takes writes alone", 5*time.Second, r.areVoters("C"))
	assert.Equal(t, nil, r.set("C", "/y", "1"))
	assert.Equal(t, "1", r.file("C", "/x"))
	r.run(2 * time.Second)
	tree := r.cores["C"].Store().Snapshot()
	assert.Equal(t, 0, len(filesOf(tree, "A")))
	assert.Equal(t, []string{"C"}, rosterOf(tree).voters)
	r.join("D", "10.0.0.1:1", "C")
	r.until("D has a free slot", 5*time.Second, r.areVoters("C", "D"))
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

// A snapshot that was kept for others before the escape names the former voters: nobody may begin with it.
func TestEscapeForgetsTheSnapshotsThatItKept(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("D", "10.0.0.4:1", "C")
	r.run(100 * time.Millisecond)
	for _, id := range []string{"A", "B", "D"} {
		r.kill(id)
	}
	r.cores["C"].Escape("SECOND")
	r.until("C takes writes alone", 5*time.Second, r.areVoters("C"))
	r.join("E", "10.0.0.5:1", "C")
	r.until("E is a voter", 5*time.Second, r.areVoters("C", "E"))
	assert.Equal(t, uint64(0), r.cores["E"].Counters().Dropped)
	r.check()
}

func TestStragglerTakesASnapshot(t *testing.T) {
	r := founded(t, 3, 3)
	r.cut["C"] = true
	body := make([]byte, 1<<20)
	for k := range 80 { // more than the log retains
		assert.Equal(t, nil, r.set("A", fmt.Sprint("/f", k), string(body)))
		r.cut["C"] = true
	}
	delete(r.cut, "C")
	r.until("C has all", 10*time.Second, func() bool { return r.file("C", "/f79") != "" })
	r.check()
}

// A snapshot that was made a moment ago serves others, but nobody who has all that is in it.
func TestSnapshotIsAboveWhatTheAskerHas(t *testing.T) {
	r := founded(t, 1, 1)
	a := r.cores["A"]
	fetched := func(above uint64) uint64 {
		a.Take(Note{Kind: FetchPart, From: "B", To: "A", Fetch: Fetch{Above: above}})
		notes := a.Ready().Notes
		assert.Equal(t, 1, len(notes))
		return notes[0].Part.Snapshot.Instance
	}
	first := fetched(0)
	assert.Equal(t, nil, r.set("A", "/f", "x"))
	assert.Equal(t, first, fetched(first-1))
	second := fetched(first)
	assert.T(t, second > first)
	assert.Equal(t, second, fetched(second)) // there is nothing above
}

// Whoever founds a cluster with us may miss what is in no log any more before there is anything in it. Others wait.
func TestFoundersTakeSnapshotsOfEachOther(t *testing.T) {
	r := newRig(t)
	r.found(3, 3)
	a, b := r.cores["A"], r.cores["B"]
	ask := func(from string) []Note {
		a.Take(Note{Kind: FetchPart, From: from, To: "A"})
		return a.Ready().Notes
	}
	assert.Equal(t, 0, len(ask("X")))
	parts := ask("B")
	assert.Equal(t, 1, len(parts))
	assert.Equal(t, nil, checkNote(&parts[0]))
	b.fetchFrom("A", 1)
	parts[0].Part.Snapshot.Instance = 5 // as if it had applied what is given away
	parts[0].Part.Snapshot.Eras[0].From = 1
	b.Take(parts[0])
	assert.Equal(t, uint64(5), b.engine.LastApplied())
	assert.T(t, !b.Joined())
}

// A part that comes late, of a snapshot that was sent before, is none of the one that is being fetched.
func TestPartsOfTwoSnapshots(t *testing.T) {
	r := founded(t, 1, 1)
	for k := range 3 {
		assert.Equal(t, nil, r.set("A", fmt.Sprint("/f", k), strings.Repeat("x", MaxPartBytes)))
	}
	a := r.cores["A"]
	part := func(f Fetch) Note {
		a.Take(Note{Kind: FetchPart, From: "B", To: "A", Fetch: f})
		return a.Ready().Notes[0]
	}
	old := part(Fetch{})
	late := part(Fetch{Instance: old.Part.Snapshot.Instance, Offset: len(old.Part.Content)})
	assert.Equal(t, nil, r.set("A", "/f2", "new"))
	c, err := Join(r.config("B", "10.0.0.2:1"), "CLUSTER", "A")
	assert.Equal(t, nil, err)
	c.Tick(1)
	c.Take(part(Fetch{Above: old.Part.Snapshot.Instance}))
	before := c.fetching.builder.Len()
	assert.Equal(t, late.Part.Offset, before)
	c.Take(late)
	assert.Equal(t, before, c.fetching.builder.Len())
}

func TestLogOfOneAloneIsNotKept(t *testing.T) {
	r := founded(t, 1, 1)
	for k := range 100 {
		assert.Equal(t, nil, r.set("A", fmt.Sprint("/f", k), "x"))
	}
	r.join("B", "10.0.0.2:1", "A")
	r.until("B has all", 5*time.Second, func() bool { return r.file("B", "/f99") == "x" })
	for k := range 100 {
		assert.Equal(t, nil, r.set("A", fmt.Sprint("/g", k), "x"))
	}
	r.until("B has these, too", 5*time.Second, func() bool { return r.file("B", "/g99") == "x" })
	r.check()
}

func TestObserverDoesNotTakeSilenceForALostMajority(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("D", "10.0.0.4:1", "A")
	r.until("D is registered", 5*time.Second, func() bool { return isRegistered(r.cores["A"].Store().Snapshot(), "D") })
	r.run(10 * time.Second)
	d := r.cores["D"]
	assert.T(t, d.Majority())
	assert.Equal(t, 0, len(d.Status().Trouble))
	for _, id := range []string{"A", "B", "C"} {
		r.kill(id)
	}
	r.until("D knows that all are gone", 10*time.Second, func() bool { return !d.Majority() })
}

// However seldom they greet each other, those that live hear a majority.
func TestWhoSleepsHearsAMajority(t *testing.T) {
	r := founded(t, 3, 3)
	for _, c := range r.cores {
		c.config.FillDelay, c.config.Pulse = 2*time.Second, time.Minute
	}
	a := r.cores["A"]
	a.pulseAt = time.Hour
	r.cut["B"] = true
	r.run(3 * time.Second)
	assert.T(t, a.Majority())
	r.cut["C"] = true
	r.run(19 * time.Second)
	assert.T(t, a.Majority()) // for longer than two greetings may take
	r.run(4 * time.Second)
	assert.T(t, !a.Majority())
}

func TestLostMajorityIsSaidOnce(t *testing.T) {
	r := founded(t, 3, 3)
	var log bytes.Buffer
	r.cores["A"].log = slog.New(slog.NewTextHandler(&log, nil))
	r.cut["B"], r.cut["C"] = true, true
	r.run(5 * time.Second)
	delete(r.cut, "B")
	r.run(2 * time.Second)
	assert.Equal(t, 1, strings.Count(log.String(), "no majority of the voters is heard"))
	assert.Equal(t, 1, strings.Count(log.String(), "a majority of the voters is heard again"))
}

// What is noted of a process is forgotten once it is no voter, and who comes and goes does not use up the room of the others.
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

// After an escape all engines count the same voters, also where the survivor names another at once.
func TestVotersAfterAnEscape(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	r.kill("A")
	r.kill("B")
	r.run(time.Second)
	c := r.cores["C"]
	c.Escape("SECOND")
	r.until("the escape is over", 5*time.Second, func() bool { return r.areVoters("C")() && !c.escaping })
	r.join("Y", "10.0.0.9:1", "C")
	r.until("Y has its first snapshot", 5*time.Second, func() bool { return r.cores["Y"].engine != nil })
	for _, m := range []store.Mutation{setting(nodePath("E", addrFile), "10.0.0.5:1"), setting(slotPath(0), "E")} { // in one batch
		c.Propose(m.Append(nil), func(_ store.Event, err error) { assert.Equal(t, nil, err) })
	}
	r.run(time.Second)
	assert.Equal(t, []string{"C", "E"}, c.engine.Voters())
	assert.Equal(t, []string{"C", "E"}, r.cores["Y"].engine.Voters())
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

// A slot that makes nobody a voter is trouble, as an empty one is.
func TestStatusTellsOfNonsenseInSlots(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	a := r.cores["A"]
	assert.Equal(t, []string{}, a.Status().Trouble)
	for k, id := range []string{"NONSENSE-" + strings.Repeat("x", 1000), ""} {
		assert.Equal(t, nil, r.set("A", slotPath(3+k), id))
	}
	r.turn()
	assert.Equal(t, []string{
		"slots without a voter: 1",
		`slot /ctl/cal/3 names "NONSENSE-xxxxxxxxxxxxxxx", which is no member: empty or delete it`,
	}, a.Status().Trouble)
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
