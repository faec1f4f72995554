package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/store"
)

// Figures measures clusters whose messages all take the same time, and prints a table of what writes cost: in
// round trips, so that it says the same of a LAN and of a WAN, and in messages.
func Figures(out io.Writer) {
	fmt.Fprintln(out, "one way   voters  load                          round trips    longest gap  messages    goal")
	fmt.Fprintln(out, "                                                mean   worst   in writes    per write")
	for _, oneWay := range []time.Duration{time.Millisecond / 2, 50 * time.Millisecond, 100 * time.Millisecond} {
		for _, voters := range []int{3, 5, 7} {
			for _, e := range experiments {
				e.oneWay, e.voters = oneWay, voters
				fmt.Fprintln(out, e.run())
			}
		}
	}
}

// experiment is a cluster under a steady load, and what happens to its last voter, by id.
type experiment struct {
	name    string
	writers int // voters that write; 0 is all, -1 is one after another
	clients int // at each of them
	think   time.Duration
	dies    bool
	slow    bool // ten times
	oneWay  time.Duration
	voters  int
}

var experiments = []experiment{
	{name: "one writer", writers: 1, clients: 1, think: 50 * time.Millisecond},
	{name: "a write now and then, anywhere", writers: -1, clients: 1, think: time.Second},
	{name: "all write", clients: 4},
	{name: "all write, one dies", clients: 4, dies: true},
	{name: "two write, an idle one dies", writers: 2, clients: 4, dies: true},
	{name: "two write, an idle one is slow", writers: 2, clients: 1, think: 50 * time.Millisecond, slow: true},
	{name: "all write, one is slow", clients: 1, think: 50 * time.Millisecond, slow: true},
}

const (
	experimentTime  = 6 * time.Second
	loadStart       = 6 * time.Second           // by then there is a cluster, even if one is slow and far away
	experimentStart = loadStart + 4*time.Second // what happens before is not counted
)

type sample struct{ called, returned time.Duration }

func (e experiment) run() string {
	w := e.world()
	victim := w.nodes[e.voters-1]
	if e.slow {
		victim.slow = 9 * e.oneWay
	}
	if e.dies {
		w.after(experimentStart+experimentTime/4, victim.crash)
	}
	var samples []sample
	e.load(w, victim, &samples)
	w.run(experimentStart, w.failed)
	before := w.check.spoken
	w.run(experimentStart+experimentTime, w.failed)
	s := summaryOf(samples)
	if w.failed() || s.writes == 0 {
		return fmt.Sprintf("%s: %v", e.name, w.failure)
	}
	trips := func(d time.Duration) float64 { return float64(d) / float64(2*e.oneWay) }
	return fmt.Sprintf("%-9v %-7d %-30s %5.2f  %6.2f  %9v    %6.1f    %s", e.oneWay, e.voters, e.name,
		trips(s.mean), trips(s.worst), s.gap.Round(time.Millisecond), float64(w.check.spoken-before)/float64(s.writes), e.judge(s.worst, s.gap))
}

// summary is what the writes took that were begun since experimentStart.
type summary struct {
	writes      int
	mean, worst time.Duration
	gap         time.Duration // the longest between two answers
}

func summaryOf(samples []sample) (s summary) {
	var sum, last time.Duration
	for _, w := range samples {
		if w.called < experimentStart {
			continue
		}
		took := w.returned - w.called
		s.writes++
		sum += took
		s.worst = max(s.worst, took)
		if last > 0 {
			s.gap = max(s.gap, w.returned-last)
		}
		last = w.returned
	}
	s.mean = sum / time.Duration(max(1, s.writes))
	return s
}

// judge compares with what was promised: a write takes one round trip at any voter, whoever is idle, slow, or
// idle and dies. When one dies that writes, nobody writes for a fill delay and two round trips, once; that
// delay is at least twice the round trip.
func (e experiment) judge(worst, gap time.Duration) string {
	trip := 2 * e.oneWay
	goal, met := "worst ≤ 1.00", worst <= trip
	if e.dies && e.writers == 0 {
		most := max(consensus.DefaultFillDelay, 2*trip) + 2*trip
		goal, met = fmt.Sprintf("gap ≤ %v", most), gap <= most
	}
	if !met {
		return goal + "  NOT MET"
	}
	return goal + "  ok"
}

func (e experiment) world() *world {
	w := emptyWorld(rand.New(rand.NewPCG(1, 1)), nil)
	w.nodesRand = w.rand
	w.plan = plan{
		voters: e.voters, slots: e.voters, window: consensus.DefaultWindow, retain: 4096, inFlight: 8, fillDelay: consensus.DefaultFillDelay,
		history: 100, pulse: time.Hour, timeout: peer.DefaultTimeout, writeTimeout: peer.DefaultWriteTimeout,
	}
	w.network.clean, w.network.fixed = true, e.oneWay
	w.foundAtOnce()
	return w
}

// load lets clients write at the writers; those at a slow victim are not counted.
func (e experiment) load(w *world, victim *node, samples *[]sample) {
	writers := w.nodes
	if e.writers > 0 {
		writers = w.nodes[:e.writers]
	}
	if e.writers < 0 {
		turn := 0
		e.client(w, func() *node { turn++; return w.nodes[turn%e.voters] }, nil, samples)
		return
	}
	for _, n := range writers {
		for range e.clients {
			e.client(w, func() *node { return n }, victim, samples)
		}
	}
}

// client writes again and again.
func (e experiment) client(w *world, at func() *node, victim *node, samples *[]sample) {
	var next func()
	next = func() {
		n := at()
		called := w.now
		o := w.check.newOp(store.Set, keyDir+"0", store.Clobber)
		n.propose(store.Mutation{Op: o.kind, Path: o.path, Guard: o.guard, Body: []byte(o.mark)}, func(a answer) {
			if a.err != nil && !n.dead {
				w.fail("%s: %v", n.id, a.err)
			}
			if n != victim || !e.slow && !e.dies {
				*samples = append(*samples, sample{called, w.now})
			}
			if !n.dead {
				w.after(e.think, next)
			}
		})
	}
	w.after(loadStart+between(w.rand, 0, max(e.think, time.Millisecond)), next)
}
