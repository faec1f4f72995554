package sim

import (
	"math/rand/v2"
	"strings"
	"time"
)

// plan is what a seed decides before anything happens.
type plan struct {
	voters      int
	window      int
	retain      int
	inFlight    int
	fillDelay   time.Duration
	clients     int
	keys        int
	think       time.Duration // longest pause of a client between two operations
	latency     string
	loss        float64
	duplication float64
	tail        float64 // share of messages that take far longer than the rest
	frames      bool    // messages travel as bytes
	spoiling    float64 // share of the copies of frames of which another arrives damaged, or at the wrong node
	mishaps     int     // faults in all
	faulty      time.Duration
	drill       string // one lasting fault, which a majority must hardly notice; "" is none
	closes      bool   // the kernel of a process that ends closes its links, so that the others know
	suspicions  int    // links that are closed though the process lives
}

// How long a run may go on: faults and load, then recovery.
const (
	loadTime     = 8 * time.Second
	recoveryTime = 60 * time.Second
)

// framesShare is how many seeds there are to one in which messages travel as bytes: those take twice as long.
const framesShare = 5

func newPlan(r *rand.Rand) plan {
	p := plan{
		voters:    pick(r, 1, 2, 3, 3, 3, 4, 5, 5, 7, 9),
		window:    pick(r, 4, 8, 16, 32, 64, 256, 1024),
		retain:    pick(r, 2, 16, 64, 4096),
		inFlight:  pick(r, 1, 2, 8),
		fillDelay: 100 * time.Millisecond,
		clients:   2 + r.IntN(7),
		keys:      1 + r.IntN(4),
		think:     time.Duration(pick(r, 5, 30, 100, 400)) * time.Millisecond,
		mishaps:   pick(r, 0, 3, 8, 16, 30),
		faulty:    loadTime * 3 / 4,
	}
	if r.IntN(3) > 0 {
		p.loss = pick(r, 0.01, 0.05, 0.15, 0.3)
	}
	if r.IntN(2) > 0 {
		p.duplication = pick(r, 0.02, 0.1, 0.3)
	}
	if r.IntN(2) > 0 {
		p.tail = pick(r, 0.01, 0.1)
	}
	p.latency = pick(r, "lan", "lan", "wan", "uneven")
	if r.IntN(4) == 0 {
		p.becomeDrill(r)
	}
	return p
}

// planFrames decides what is drawn from a source of its own, lest it change the rest.
func (p *plan) planFrames(r *rand.Rand) {
	p.frames = r.IntN(framesShare) == 0
	p.spoiling = pick(r, 0, 0, 0.001, 0.01, 0.05, 0.2)
}

// planLinks decides what is drawn from another source of its own. In a drill with a dead voter whose links were closed, the
// others need not wait to be sure.
func (p *plan) planLinks(r *rand.Rand) {
	p.closes = r.IntN(2) == 0 && p.drill != "surge"
	if p.drill == "dead" && p.closes {
		p.drill = "closed"
	}
	if p.drill == "" {
		p.suspicions = pick(r, 0, 0, 3, 30)
	}
}

// becomeDrill turns p into a run with one fault that lasts to its end. A majority is whole, so its clients must
// be served all the time, and promptly.
func (p *plan) becomeDrill(r *rand.Rand) {
	p.drill = pick(r, "dead", "deaf", "mute", "parted", "lossy", "stutter", "surge")
	p.voters = pick(r, 3, 5)
	if p.drill == "surge" {
		p.voters = 7 // the more there are, the more can quarrel
	}
	p.window = pick(r, 64, 256, 1024)
	p.retain = 4096
	p.mishaps, p.loss, p.duplication, p.tail = 0, 0, 0, 0
	p.latency = pick(r, "lan", "wan")
	p.think = 30 * time.Millisecond
	p.faulty = loadTime + recoveryTime
}

// kind names the network, and the drill if it is one.
func (p *plan) kind() string { return strings.TrimSpace(p.latency + " " + p.drill) }

// delays returns the shortest and longest time a message usually takes on a new link.
func (p *plan) delays(r *rand.Rand) (least, most time.Duration) {
	ms := time.Millisecond
	switch p.latency {
	case "wan":
		least = time.Duration(20+r.IntN(80)) * ms
		return least, least + 10*ms
	case "uneven":
		least = time.Duration(r.IntN(60)) * ms
		return least, least + time.Duration(1+r.IntN(60))*ms
	}
	return ms / 10, ms
}

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

func chance(r *rand.Rand, p float64) bool { return p > 0 && r.Float64() < p }

func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}
