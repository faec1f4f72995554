package peer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

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
