package peer

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/store"
)

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

// Of pulses that wait for a majority the first one may have happened after all, and then one that follows it
// fails: nobody else wrote.
func TestPulsesThatWaitedBlameNobody(t *testing.T) {
	ends := []func(r *rig){
		func(r *rig) { r.cores["C"].Escape("SECOND") },
		func(r *rig) { clear(r.cut) },
	}
	for k, end := range append(ends, ends...) {
		r := founded(t, 3, 3)
		r.run(3 * time.Second)
		var log bytes.Buffer
		r.cores["C"].log = slog.New(slog.NewTextHandler(&log, nil))
		r.cut["A"], r.cut["B"] = true, true
		r.run(time.Duration(9+6*(k/2)) * time.Second) // longer than a write waits, once and twice
		end(r)
		r.run(5 * time.Second)
		assert.T(t, !strings.Contains(log.String(), "somebody else"), log.String())
		assert.Equal(t, nil, r.set("C", appliedPath("C"), "1"))
		r.until("C's pulse has come again", 5*time.Second, func() bool { return r.file("C", appliedPath("C")) != "1" })
	}
}

// A survivor that the slots name alone already, though others still vote in the window, has been told nothing
// new of its voters when it escapes.
func TestWhoJoinsAfterAnEscapeHasTheSameVoters(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	a := r.cores["A"]
	r.demote("A", "B", "C")
	r.until("the slots name A alone", time.Second, func() bool { return slices.Equal(a.roster.voters, []string{"A"}) })
	r.kill("B")
	r.kill("C")
	a.Escape("escaped")
	r.until("A has escaped", time.Second, func() bool { return !a.escaping })
	assert.Equal(t, nil, r.set("A", slotPath(1), "B")) // by mistake, before B is unregistered
	r.join("D", "10.0.0.4:1", "A")
	r.until("D is a voter", 20*time.Second, r.areVoters("A", "D"))
	r.check()
}
