package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/consensus"
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

	slots        int // at the beginning
	observers    int // that join
	history      int
	pulse        time.Duration
	timeout      time.Duration // after which the silent are evicted
	writeTimeout time.Duration
	retainBytes  int
	ns           bool
	large        int  // bytes of large values, or 0
	repeats      bool // clients send again what is harmless
	watchers     int
	assembles    bool // the cluster is founded by its first members, who know nothing but addresses
	disturbances int  // changes of the membership, in all
	loses        bool // a majority, all at once
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
		fillDelay: fill,
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

// planLinks decides what is drawn from another source of its own. In a drill with a dead voter whose links were
// closed, the others need not wait to be sure.
func (p *plan) planLinks(r *rand.Rand) {
	p.closes = r.IntN(2) == 0 && p.drill != "surge"
	if p.drill == "dead" && p.closes {
		p.drill = "closed"
	}
	if p.drill == "" {
		p.suspicions = pick(r, 0, 0, 3, 30)
	}
}

// planNodes decides what is drawn from one more source: what nodes are above consensus, and what becomes of them.
func (p *plan) planNodes(r *rand.Rand) {
	p.slots, p.ns = p.voters, r.IntN(2) == 0
	p.history = pick(r, 10, 50, 2000)
	p.pulse = pick(r, 500*time.Millisecond, time.Second, 3*time.Second)
	p.timeout = pick(r, 1500*time.Millisecond, 2500*time.Millisecond, 4*time.Second)
	p.writeTimeout = pick(r, 700*time.Millisecond, 1500*time.Millisecond, 5*time.Second)
	p.watchers = 1 + r.IntN(3)
	if p.drill == "" {
		p.slots = min(consensus.MaxVoters, p.voters+pick(r, 0, 0, 1, 2))
		p.observers = pick(r, 0, 0, 1, 2)
		p.disturbances = pick(r, 0, 0, 3, 6, 12)
		p.assembles = p.voters > 1 && r.IntN(8) == 0
		p.loses = p.voters > 1 && r.IntN(10) == 0
		if r.IntN(12) == 0 {
			p.large, p.retainBytes = 150<<10, 400<<10
		}
		if r.IntN(5) == 0 {
			p.becomeMemberDrill(r)
		}
		return
	}
	p.timeout, p.pulse, p.writeTimeout = time.Minute, 3*time.Second, 5*time.Second
	if p.drill == "parted" && r.IntN(2) == 0 {
		p.timeout = 2 * time.Second
	}
}

// memberDrills are runs without a fault, but for what is done to the members.
var memberDrills = []string{"asleep", "imposter", "stranded", "wiped", "split", "handover", "calm"}

// becomeMemberDrill turns p into a run with one event.
func (p *plan) becomeMemberDrill(r *rand.Rand) {
	p.drill = pick(r, memberDrills...)
	p.voters, p.window = pick(r, 3, 5), pick(r, 16, 64, 1024)
	p.slots, p.observers = p.voters, 1
	if p.drill == "split" || p.drill == "handover" {
		p.observers = 0
	}
	p.mishaps, p.disturbances, p.suspicions, p.loss, p.tail, p.duplication = 0, 0, 0, 0, 0, 0
	p.assembles, p.loses, p.large, p.retainBytes = false, false, 0, 0
	p.retain, p.latency = 4096, "lan"
	if p.drill == "handover" {
		p.voters, p.slots, p.latency = 3, 3, pick(r, "lan", "wan", "wan", "wan")
	}
	p.think = 30 * time.Millisecond
	if p.drill == "stranded" { // a busy cluster, in which nobody comes to the end of the window
		p.think, p.window = 5*time.Millisecond, 1024
	}
	p.timeout = 1500 * time.Millisecond
}

// planClients decides what is drawn from a source of its own, too.
func (p *plan) planClients(r *rand.Rand) { p.repeats = r.IntN(4) > 0 }

// planSize founds some clusters of an even number of voters, which others come to only when somebody joins or
// leaves. That is drawn from a source of its own as well, so that no seed that has found something is another
// run now.
func (p *plan) planSize(r *rand.Rand) {
	if n := r.IntN(64); (n == 6 || n == 8) && p.drill == "" {
		p.voters, p.slots = n, min(consensus.MaxVoters, n+p.slots-p.voters)
	}
}

// membersOnly reports whether the drill is one of a cluster without faults.
func (p *plan) membersOnly() bool { return slices.Contains(memberDrills, p.drill) }

// undisturbed reports whether nobody is to lose a slot or a registration.
func (p *plan) undisturbed() bool {
	return slices.Contains([]string{"asleep", "calm", "parted", "imposter", "blackout", "dozing"}, p.drill)
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

// catchUpTime is how long whoever is behind by all that logs keep takes at most: it is sent a window in each
// round trip.
func (p *plan) catchUpTime() time.Duration {
	const roundTrip = 250 * time.Millisecond
	return time.Duration(p.retain/p.window) * roundTrip
}

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
