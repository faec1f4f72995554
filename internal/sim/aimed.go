package sim

import (
	"math/rand/v2"
	"time"

	"github.com/ha/doozerd/consensus"
)

// Some drills are each aimed at one rule, that others make up for as long as luck decides. In most of them the
// network is an adversary: it looks at what is said, and loses, delays or repeats what hurts most.
var aimedDrills = map[string]func(*world){
	"missed":  (*world).missSuggestions,
	"haunted": (*world).repeatPrepares,
	"crossed": (*world).delayFills,
	"exodus":  (*world).leaveAll,

	"broken off": (*world).breakOff,
	"claimed":    (*world).claim,
	"overruled":  (*world).overrule,
	"parting":    (*world).part,
	"reinforced": (*world).reinforce,

	"orphaned":  (*world).orphan,
	"besieged":  (*world).besiege,
	"overheard": (*world).overhear,
	"blackout":  (*world).blackOut,
	"ousted":    (*world).oust,
	"doubled":   (*world).double,
	"mixed":     (*world).mixParts,

	"dozing":  (*world).doze,
	"demoted": (*world).demote,
	"locked":  (*world).lockStep,

	"deserted": (*world).desert,
	"forsaken": (*world).forsake,
}

// aimedShare is how many seeds there are to one that may become an aimed drill.
const aimedShare = 16

// planAimed decides what is drawn from another source of its own, lest it change the other seeds.
func (p *plan) planAimed(r *rand.Rand) {
	if r.IntN(aimedShare) == 0 && p.drill == "" {
		p.becomeAimed(pick(r, "missed", "haunted", "crossed", "exodus"), r)
	}
	if r.IntN(aimedShare) == aimedShare/4 && p.drill == "" {
		p.becomeAimed(pick(r, "broken off", "claimed", "overruled", "reinforced"), r)
	}
	if r.IntN(4*aimedShare) == aimedShare/2 && p.drill == "" {
		p.becomeAimed("parting", r)
	}
	if r.IntN(aimedShare) == aimedShare/2 && p.drill == "" {
		p.becomeAimed(pick(r, "orphaned", "besieged", "overheard", "blackout", "ousted", "doubled", "mixed"), r)
	}
	if r.IntN(2*aimedShare) == aimedShare && p.drill == "" {
		p.becomeAimed(pick(r, "dozing", "demoted"), r)
	}
	if r.IntN(2*aimedShare) == aimedShare/2 && p.drill == "" {
		p.becomeAimed("locked", r)
	}
	if p.drill == "deaf" || p.drill == "mute" { // an observer must not listen to the victim for long
		p.observers = r.IntN(2)
	}
	if r.IntN(2*aimedShare) == aimedShare/4 && p.drill == "" {
		p.becomeAimed(pick(r, "deserted", "forsaken"), r)
	}
}

// becomeAimed turns p into a run in which nothing goes wrong but what the adversary does.
func (p *plan) becomeAimed(drill string, r *rand.Rand) {
	p.drill = drill
	p.voters = pick(r, 3, 5)
	switch drill {
	case "haunted", "besieged":
		p.voters = 5 // of which one is dead and one deaf
	case "exodus", "broken off", "reinforced", "deserted", "forsaken":
		p.voters = 3
	case "locked":
		p.voters = 4 // of which one is dead, and each of the others must promise
	case "parting", "overheard":
		p.voters = 4 // of which three must live to find out what four have decided
	case "overruled":
		p.voters = 5 // of which two hear of nothing meanwhile, and the others are a majority
	}
	p.slots, p.observers = p.voters, 0
	p.window, p.retain, p.inFlight = 1024, 4096, 8
	p.mishaps, p.disturbances, p.suspicions, p.loss, p.duplication, p.tail = 0, 0, 0, 0, 0, 0
	p.assembles, p.loses, p.closes, p.large, p.retainBytes = false, false, false, 0, 0
	p.latency, p.think = "lan", 30*time.Millisecond
	p.timeout, p.pulse, p.writeTimeout = time.Minute, 3*time.Second, 5*time.Second
	p.faulty = loadTime + recoveryTime
	switch drill {
	case "broken off", "overruled", "orphaned": // whoever is to suggest has something to suggest
		p.clients = 12
	case "reinforced":
		p.observers, p.timeout = 6, shortTimeout
	case "parting":
		p.timeout, p.retain = shortTimeout, 2
	case "overheard":
		p.observers, p.clients = 1, 12
	case "blackout":
		p.timeout = shortTimeout
	case "dozing":
		p.observers, p.timeout = 1, 2500*time.Millisecond
	case "ousted", "forsaken":
		p.inFlight = 1
	case "deserted": // whose last voter is known to be dead, not just silent
		p.inFlight, p.window, p.closes = 1, 8, true
	case "demoted": // in whose window a voter has no instance left soon
		p.inFlight, p.window, p.clients, p.think = 1, p.voters+1, 4*p.voters, 5*time.Millisecond
	case "doubled":
		p.observers = 1
	case "mixed": // both snapshots have the same files
		p.keys, p.pulse = 1, 500*time.Millisecond
	}
}

// shortTimeout is as short as an eviction takes in any run.
const shortTimeout = 1500 * time.Millisecond

// statement is what one node says to another, however often it says it.
type statement struct {
	kind     consensus.Kind
	from, to string
	lo       uint64
	ballot   uint64
}

func statementOf(m *consensus.Message) statement {
	return statement{m.Kind, m.From, m.To, m.Range.Lo, m.Ballot}
}

// missSuggestions: nobody hears a suggestion the first time.
func (w *world) missSuggestions() {
	said := map[statement]bool{}
	w.adversary = func(m *consensus.Message, post func()) {
		if s := statementOf(m); m.Kind == consensus.Suggest && !said[s] {
			said[s] = true
			return
		}
		post()
	}
}

// ofFill reports whether m is the word of a filler.
func ofFill(m *consensus.Message) bool {
	return m.Kind == consensus.Prepare || m.Kind == consensus.Accept
}

// repeatPrepares: a voter is dead, another has begun to fill for it and hears nothing, and the network says its
// Prepares again and again. They are old news to everybody.
func (w *world) repeatPrepares() {
	dead := w.someone()
	dead.crash()
	w.sick = w.someone()
	w.network.cut(w.ids(), []string{w.sick.id}, true)
	w.adversary = func(m *consensus.Message, post func()) {
		post()
		if m.Kind == consensus.Prepare && m.From == w.sick.id {
			w.again(post)
		}
	}
}

// repeatEvery is less than anyone waits after giving way.
const repeatEvery = 40 * time.Millisecond

func (w *world) again(post func()) {
	if w.now < w.loadEnd {
		w.after(repeatEvery, func() { post(); w.again(post) })
	}
}

// delayFills: a voter is dead, and what fillers say takes longer than the patience that everybody has, so that
// each begins before it hears of the others.
func (w *world) delayFills() {
	w.someone().crash()
	w.adversary = func(m *consensus.Message, post func()) {
		if ofFill(m) {
			w.after(between(w.nodesRand, 3*w.plan.fillDelay, 4*w.plan.fillDelay), post)
			return
		}
		post()
	}
}

// lockStep: a voter is dead, everything takes the same time, and what fillers say takes longer than those that
// give way wait at first. With pauses of equal length they get into each other's way at the same points again
// and again; only chance parts them.
func (w *world) lockStep() {
	w.someone().crash()
	w.network.fixed = time.Millisecond
	w.adversary = func(m *consensus.Message, post func()) {
		if ofFill(m) {
			w.after(lockedFill, post)
			return
		}
		post()
	}
}

// lockedFill is longer than the first pauses after a fill that was rejected, and shorter than the longest.
const lockedFill = 7 * fill

// leaveAll asks one voter after the other to leave. The last one has nobody to hand over to.
func (w *world) leaveAll() {
	for k, n := range w.alive() {
		w.after(time.Duration(k)*2*time.Second, func() { w.leave(n) })
	}
}
