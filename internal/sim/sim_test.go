package sim

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/store"
)

// firstSeed and someSeeds are what every test run tries; many more are run by make sim.
const (
	firstSeed = 1
	someSeeds = 60
)

// onceFailed are seeds that have found something: answers to an earlier fill taken for one to the next; fills
// that raced ahead on an idle cluster; voters taken for silent because they greet others less often; a follower
// that could never catch up through a small window; an owner starved by a voter cut off from it; a node that
// left when it was cut off, and was needed; a voter that stood and took the slot of another; an observer all of
// whose voters were replaced while it was behind; an observer that waited for its voter as long as for the
// slowest it had ever met; a voter that was demoted and taken for silent while the window moved on; one that
// left its name in a slot, and a registration under way; a voter that left while its slot was being given back;
// an observer that was sent an old snapshot again and again; a checker to which a deaf voter with two slots was
// evicted too soon; a promise that came when its voter had been evicted, and another fill had the same ballot;
// a voter that took those whose links were closed for dead, and left; a voter behind by a window that asked a
// mute one; a voter evicted soon after it was given another slot; an observer that could not catch up with a
// busy cluster through a small window; a checker that asked too much of a second escape; an observer that
// turned from a silent voter to the same; two clusters that were founded of one list; a voter that gave back a
// slot too many, and seemed evicted; one that missed every fill ahead of it; founders that needed snapshots of
// each other; a founder that was ended though it was needed, before it knew of the founding; a cluster that was
// founded beside another, whose founders were quiet for a moment and one of whom had been restarted; a process
// that left before it knew that it had become a voter; an observer that listened to a voter whom nobody else
// heard, and a checker that asked too much of one whose voter stood still; an observer that had heard of nobody but its
// voter when that one died; the last of three that was to stay, and crashed.
var onceFailed = []uint64{29, 161, 229, 1021, 5430, 10027, 20542, 21522, 21686, 21756, 21814, 22983, 40686, 204898, 530830147, 530830415, 530830662, 8000545, 8100906, 8101691, 3004473, 10002784, 20007446, 20016230, 40005475, 40007759, 40009790, 40010925, 40014615, 50006014, 50006254, 50009364, 60005371, 70000326, 90008136, 2355, 551, 1094, 200000417, 343, 31137, 312147916, 700010198}

// Each passes, and together they leave nothing out: a fault that never happens, or a checker that is given
// nothing, shows nothing.
func TestSeeds(t *testing.T) {
	happened := map[string]int{}
	for seed := uint64(firstSeed); seed < firstSeed+someSeeds; seed++ {
		w := newWorld(seed, nil)
		r := w.live()
		if r.Err != nil {
			t.Errorf("seed %d: %v", seed, r.Err)
		}
		for what, n := range w.happened {
			happened[what] += n
		}
		given(w, happened)
	}
	for _, what := range mustHappen {
		assert.T(t, happened[what] > 0, what)
	}
}

// mustHappen is what some seed must have, by how it is traced, and what checkers must be given.
var mustHappen = []string{
	"partition %v | %v", "one way cut %v → %v", "link cut %v %v", "%s paused", "%s slow by %v", "%s's clock jumps, rate %v",
	"%s crashes", "%s sees %s's link closed", "surge of %v", "%s starts at %s and attaches to %s", "%s meets %s at %s",
	"%s is asked to leave", "%s exits", "operator at %s: %v", "%s starts at %s, of %v", "%s founds %+v", "%s joins %s by %s",
	"client %d has seen rev %d, and is not served by %v", "a majority is lost", "%v escapes: it is %s now", "%s hears only %s", "%s starts, and says it is at %s, where %s is",
	"writes", "guards that pass", "guards that fail", "reads behind a barrier", "unknown outcomes", "refused writes",
	"reads sent again", "deletes sent again",
	"events seen by watchers", "watchers too late", "whole versions read", "damaged frames", "large values", "lost batches", "fills that met another",
}

// given adds what the checkers of a run were given.
func given(w *world, happened map[string]int) {
	for _, r := range w.check.records {
		switch {
		case r.copies < 2:
		case r.read:
			happened["reads sent again"]++
		default:
			happened["deletes sent again"]++
		}
		switch {
		case r.read:
			happened["reads behind a barrier"]++
		case r.unknown:
			happened["unknown outcomes"]++
		case !r.outcome.ok:
			happened["guards that fail"]++
		case r.op.guard != store.Clobber:
			happened["guards that pass"]++
		default:
			happened["writes"]++
		}
	}
	for _, v := range w.watchers {
		for _, s := range v.seen {
			if s.event.Rev > 0 {
				happened["events seen by watchers"]++
			} else {
				happened["watchers too late"]++
			}
		}
	}
	for _, h := range w.check.histories {
		happened["whole versions read"] += len(h.walks)
	}
	counters := w.result().Counters
	happened["refused writes"] += len(w.check.refused)
	happened["damaged frames"] += w.frames.refused
	happened["large values"] += w.plan.large
	happened["lost batches"] += int(counters.Lost)
	happened["fills that met another"] += int(counters.Rejected)
}

// Their clients sent nothing again. With others they would be other runs.
func TestSeedsThatOnceFailed(t *testing.T) {
	for _, seed := range onceFailed {
		w := newWorld(seed, nil)
		w.plan.repeats = false
		if r := w.live(); r.Err != nil {
			t.Errorf("seed %d: %v", seed, r.Err)
		}
	}
}

func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed < 6; seed++ {
		assert.Equal(t, fmt.Sprint(Run(seed, nil)), fmt.Sprint(Run(seed, nil)))
	}
}

func BenchmarkSeeds(b *testing.B) {
	for k := range b.N {
		if r := Run(uint64(k)+1, nil); r.Err != nil {
			b.Fatalf("seed %d: %v", k+1, r.Err)
		}
	}
}

// A drill that is planned for no seed shows nothing.
func TestEveryDrillIsPlanned(t *testing.T) {
	const seeds = 20_000
	planned := map[string]bool{}
	for seed := range uint64(seeds) {
		planned[newWorld(seed, nil).plan.drill] = true
	}
	for _, drills := range []iter.Seq[string]{maps.Keys(aimedDrills), maps.Keys(foundingDrills), slices.Values(memberDrills)} {
		for drill := range drills {
			assert.T(t, planned[drill], drill)
		}
	}
}

func TestEveryDrillIsDescribed(t *testing.T) {
	page, err := os.ReadFile("../../doc/simulation.md")
	assert.Equal(t, nil, err)
	for seed := range uint64(2000) {
		if drill := newWorld(seed, nil).plan.drill; drill != "" {
			assert.T(t, bytes.Contains(page, fmt.Appendf(nil, "\n| *%s* |", drill)), drill)
		}
	}
}
