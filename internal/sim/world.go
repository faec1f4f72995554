package sim

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ha/doozerd/consensus"
)

// world is one run.
type world struct {
	*clock
	seed    uint64
	rand    *rand.Rand
	plan    plan
	network *network
	frames  frames
	links   *rand.Rand // for what becomes of links
	nodes   []*node    // every process there ever was
	byID    map[string]*node
	clients []*client
	check   *checker
	out     io.Writer // for the trace, or nil
	failure error
	born    int
	sick    *node // the victim of a drill, whom no client asks

	proposals int
	proposed  map[int][]string // sets of voters under way
}

var errGone = errors.New("the process is gone")

// Result is what a run came to.
type Result struct {
	Seed      uint64
	Err       error // nil if every promise was kept
	Plan      string
	Kind      string        // the latency, and the drill if it is one
	Decided   uint64        // highest instance applied anywhere
	Revs      int64         // writes agreed on
	Ended     int           // operations of clients that ended
	Unknown   int           // of these, with unknown outcome
	Mean      time.Duration // of operations that ended
	Longest   time.Duration
	Messages  int           // sent
	Refused   int           // copies of frames that arrived damaged, or at the wrong node
	Simulated time.Duration // how long it took in there
	Counters  consensus.Counters
}

// Run runs one seed. A trace goes to out, unless that is nil.
func Run(seed uint64, out io.Writer) Result { return newWorld(seed, out).live() }

// Kind returns the kind of a seed's run, as in Result.
func Kind(seed uint64) string { return newWorld(seed, nil).plan.kind() }

// live is the whole run.
func (w *world) live() (result Result) {
	defer func() {
		if p := recover(); p != nil {
			w.fail("panic: %v", p)
			if w.out != nil {
				panic(p) // with the trace, the stack is of use too
			}
		}
		result = w.result()
	}()
	w.found()
	w.begin()
	w.run(loadTime, w.failed)
	w.recover()
	w.check.final(w)
	return result
}

func newWorld(seed uint64, out io.Writer) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &world{clock: &clock{}, seed: seed, rand: r, plan: newPlan(r), byID: map[string]*node{}, proposed: map[int][]string{}, out: out, check: newChecker()}
	w.check.w = w
	w.frames.rand = rand.New(rand.NewPCG(seed, 3))
	w.plan.planFrames(w.frames.rand)
	w.links = rand.New(rand.NewPCG(seed, 4))
	w.plan.planLinks(w.links)
	w.network = &network{clock: w.clock, rand: r, plan: &w.plan, links: map[link]*linkState{}}
	w.trace("plan %+v", w.plan)
	return w
}

// found starts the first voters.
func (w *world) found() {
	var ids []string
	for range w.plan.voters {
		ids = append(ids, w.newID())
	}
	for _, id := range ids {
		w.newNode(id, consensus.Founding(ids...), newMachine(ids))
	}
}

// newID returns an id no process had. Its place among the others is random, as it is in life.
func (w *world) newID() string {
	w.born++
	return fmt.Sprintf("%c%d", 'a'+rune(w.rand.IntN(26)), w.born)
}

// begin starts the load and plans the faults.
func (w *world) begin() {
	for k := range w.plan.clients {
		c := &client{w: w, number: k}
		w.clients = append(w.clients, c)
		w.after(between(w.rand, 0, w.plan.think), c.next)
	}
	if w.plan.drill != "" {
		w.after(between(w.rand, 0, w.plan.faulty/20), w.drill)
	}
	for range w.plan.mishaps {
		w.after(between(w.rand, 0, w.plan.faulty), w.mishap)
	}
	for range w.plan.suspicions {
		w.after(between(w.links, 0, w.plan.faulty), w.suspectSomeone)
	}
	w.after(w.plan.faulty, w.mend)
}

// recover waits until every operation has ended and all nodes are equal, which must happen in bounded time.
func (w *world) recover() {
	for k, n := range w.alive() {
		if n.engine.Writable() && n != w.sick {
			c := &client{w: w, number: len(w.clients) + k, home: n}
			w.clients = append(w.clients, c)
			w.after(0, c.next)
		}
	}
	w.run(loadTime+recoveryTime, func() bool { return w.failed() || w.check.settled(w) })
	if !w.failed() && !w.check.settled(w) {
		w.fail("not settled %v after the faults stopped: %s", w.now-w.plan.faulty, w.check.unsettled(w))
	}
}

func (w *world) alive() []*node {
	var alive []*node
	for _, n := range w.nodes {
		if !n.dead {
			alive = append(alive, n)
		}
	}
	return alive
}

// healthy are the nodes that clients ask.
func (w *world) healthy() []*node {
	return slices.DeleteFunc(w.alive(), func(n *node) bool { return n == w.sick })
}

func (w *world) trace(format string, args ...any) {
	if w.out != nil {
		fmt.Fprintf(w.out, "%10.4f  %s\n", w.now.Seconds(), fmt.Sprintf(format, args...))
	}
}

// fail ends the run; the first failure counts.
func (w *world) fail(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
		w.trace("FAILURE: %v", w.failure)
	}
}

func (w *world) failed() bool { return w.failure != nil }

func (w *world) result() Result {
	r := Result{Seed: w.seed, Err: w.failure, Plan: fmt.Sprintf("%+v", w.plan), Kind: w.plan.kind(), Messages: w.network.sent, Refused: w.frames.refused, Simulated: w.now}
	for _, n := range w.nodes {
		c := n.engine.Counters()
		r.Decided = max(r.Decided, n.engine.LastApplied())
		r.Revs = max(r.Revs, n.machine.rev)
		r.Counters.Dropped += c.Dropped
		r.Counters.Conflicts += c.Conflicts
		r.Counters.Lost += c.Lost
		r.Counters.Fills += c.Fills
		r.Counters.Rejected += c.Rejected
		r.Counters.Pulls += c.Pulls
		r.Counters.Resends += c.Resends
	}
	r.Ended, r.Unknown = w.check.ended, w.check.unknown
	r.Mean, r.Longest = w.check.latency()
	return r
}
