package peer

import (
	"bytes"
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
	r.settle(n, slots)
	return r
}

// settle founds a cluster of n voters.
func (r *rig) settle(n, slots int) {
	r.t.Helper()
	r.found(n, slots)
	r.until("founded", 5*time.Second, func() bool { return len(r.voters()) == n })
	r.run(time.Second)
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

// evicted reports whether id holds no slot, as A has it.
func (r *rig) evicted(id string) func() bool {
	return func() bool {
		_, ok := r.cores["A"].roster.slotOf(id)
		return !ok
	}
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

// Whoever is evicted and whoever comes in its place: what is written of slots has the rev seen as its guard, so
// that it fails if somebody was faster.
func TestSlotsChangeByTheRevSeen(t *testing.T) {
	r := founded(t, 3, 3)
	r.join("D", "10.0.0.4:1", "A")
	r.run(time.Second)
	r.cut["C"] = true
	seen := 0
	r.until("D is a voter", 10*time.Second, func() bool {
		for _, id := range []string{"A", "B"} {
			seen += guarded(t, r.cores[id], calDir)
		}
		return slices.Equal(r.cores["A"].engine.Voters(), []string{"A", "B", "D"})
	})
	assert.T(t, seen > 0)
}

// An evicted voter may have registered again by the time that the delete of its files is decided.
func TestFilesOfTheEvictedAreDeletedByTheRevSeen(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	r.cut["C"] = true
	path, seen := nodePath("C", addrFile), 0
	r.until("C is unregistered", 10*time.Second, func() bool {
		for _, id := range []string{"A", "B"} {
			seen += guarded(t, r.cores[id], path)
		}
		return revOf(r.cores["A"].Store().Snapshot(), path) == store.Missing
	})
	assert.T(t, seen > 0)
}

// guarded counts the changes under some path that c has under way, and looks at their guards.
func guarded(t *testing.T, c *Core, under string) (n int) {
	t.Helper()
	for _, p := range c.proposals.waiting {
		m, err := store.DecodeMutation(p.mutation)
		if err == nil && strings.HasPrefix(m.Path, under) {
			n++
			assert.T(t, m.Guard >= store.Missing && m.Guard <= revOf(c.store.Snapshot(), m.Path), m)
		}
	}
	return n
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

// An observer may learn late that it has a slot. It does not ask for another meanwhile, although others come
// and its place among them changes.
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

// More slots than there can be voters: those of the first nine count, and when one of these is gone, the next does.
func TestFirstNineMembersInSlotsAreTheVoters(t *testing.T) {
	s := store.New(100)
	set := func(path, body string) {
		s.Apply(store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber, Body: []byte(body)}.Append(nil))
	}
	var ids []string
	for k := range consensus.MaxVoters + 2 {
		id := fmt.Sprintf("N%02d", k)
		ids = append(ids, id)
		set(nodePath(id, addrFile), id)
		set(fmt.Sprintf("%s%02d", calDir, k), id)
	}
	assert.Equal(t, ids[:consensus.MaxVoters], rosterOf(s.Snapshot()).voters)
	set(calDir+"03", "")
	assert.Equal(t, slices.Concat(ids[:3], ids[4:consensus.MaxVoters+1]), rosterOf(s.Snapshot()).voters)
}
