package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// about reports whether m is about instance i of owner.
func about(m *consensus.Message, owner string, i uint64) bool {
	return m.Owner == owner && m.Range.Lo <= i && i < m.Range.Hi
}

// isolate cuts a node off from everybody, or ends that.
func (w *world) isolate(id string, cut bool) {
	w.trace("%s is cut off: %v", id, cut)
	w.network.cut([]string{id}, w.ids(), cut)
	w.network.cut(w.ids(), []string{id}, cut)
}

// shuffled are the voters, in any order.
func (w *world) shuffled() []*node {
	nodes := onlyVoters(w.alive())
	w.nodesRand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	return nodes
}

// breakOff: a voter dies, and of its last two suggestions the first reached nobody, and the second one other
// voter, whose vote the third does not hear. So the second knows a decision in the midst of what it fills, and
// the third does not.
func (w *world) breakOff() {
	voters := w.shuffled()
	dying, hearer := voters[0], voters[1]
	w.trace("%s is to die, and %s to hear of its last suggestion", dying.id, hearer.id)
	var first, last uint64
	w.adversary = func(m *consensus.Message, post func()) {
		suggests := m.Kind == consensus.Suggest && m.From == dying.id
		switch {
		case suggests && first == 0:
			first = m.Range.Lo
		case suggests && last == 0 && m.Range.Lo > first:
			last = m.Range.Lo
			w.after(0, dying.crash)
		}
		switch {
		case suggests && (m.Range.Lo != last || m.To != hearer.id):
		case m.Kind == consensus.Accepted && about(m, dying.id, last):
		case m.Kind == consensus.Prepare && m.Owner == dying.id && m.From != hearer.id: // only who knows more fills
		default:
			post()
		}
	}
}

// overruling is the course of a drill: one value is accepted by a minority, another chosen at a higher ballot,
// and then who knows that is cut off, and the others must find out.
type overruling struct {
	w             *world
	owner, hearer string
	instance      uint64
	filler        string
	accepted      map[string]bool // by whom, as far as the filler hears
	done          bool
}

// overruledFor is how long the filler that knows the decision is cut off.
const overruledFor = 2 * time.Second

// overrule: only one other hears what a voter suggests, and both are cut off. A third fills, and alone learns
// that the no-op is chosen. Then it is cut off, and the one that heard the suggestion is back.
func (w *world) overrule() {
	voters := w.shuffled()
	o := &overruling{w: w, owner: voters[0].id, hearer: voters[1].id}
	w.adversary = o.pass
}

func (o *overruling) pass(m *consensus.Message, post func()) {
	if o.instance == 0 && m.Kind == consensus.Suggest && m.From == o.owner {
		o.instance = m.Range.Lo
		o.w.trace("only %s hears of instance %d of %s", o.hearer, o.instance, o.owner)
		o.w.after(0, func() {
			o.w.isolate(o.owner, true)
			o.w.isolate(o.hearer, true)
		})
	}
	if o.done || !about(m, o.owner, o.instance) {
		post()
		return
	}
	switch m.Kind {
	case consensus.Suggest:
		if m.To == o.hearer {
			post()
		}
	case consensus.Accept:
		o.fills(m.From)
		post()
	case consensus.Accepted:
		if m.To == o.filler {
			post()
			o.votes(m.From)
		}
	case consensus.Decided: // nobody else is to know
	default:
		post()
	}
}

// fills notes who was heard to fill last.
func (o *overruling) fills(filler string) {
	if o.filler != filler {
		o.filler, o.accepted = filler, map[string]bool{filler: true}
	}
}

// votes notes that the filler hears of a vote. With a majority it knows the decision, and is cut off.
func (o *overruling) votes(voter string) {
	o.accepted[voter] = true
	if len(o.accepted) <= o.w.plan.voters/2 {
		return
	}
	o.done = true
	o.w.after(2*time.Millisecond, func() {
		o.w.isolate(o.hearer, false)
		o.w.isolate(o.owner, true)
		o.w.isolate(o.filler, true)
		o.w.after(overruledFor, func() {
			o.w.isolate(o.owner, false)
			o.w.isolate(o.filler, false)
		})
	})
}

// idleFor is how long the owner of a drill has nothing to say.
const idleFor = 3 * time.Second

// claim: a voter with nothing to say is not heard by the next one after it, which prepares its instances far
// ahead and never gets a promise. When the first has something to say, it must not wait for the second.
func (w *world) claim() {
	voters := w.alive()
	slices.SortFunc(voters, func(a, b *node) int { return strings.Compare(a.id, b.id) })
	k := w.nodesRand.IntN(len(voters))
	owner, filler := voters[k], voters[(k+1)%len(voters)]
	w.trace("%s is not heard by %s", owner.id, filler.id)
	w.adversary = func(m *consensus.Message, post func()) {
		switch {
		case m.Kind == consensus.Status && m.From == owner.id && m.To == filler.id:
		case m.Kind == consensus.Promise && m.Owner == owner.id && m.To == filler.id:
		default:
			post()
		}
	}
	w.sick = owner
	w.after(idleFor, func() { w.sick = nil })
}

// reinforceAfter is when observers have long been there, and everybody has been in peace for longer than any
// eviction takes.
const reinforceAfter = 4 * shortTimeout

// reinforce gives all observers slots at once, so that they become the majority. Each has heard only one voter
// until then: that the others were silent means nothing. Greetings take a while from then on, so that it is not
// made good at once.
func (w *world) reinforce() {
	voter, slow := w.shuffled()[0], time.Duration(0)
	w.adversary = func(m *consensus.Message, post func()) {
		if m.Kind == consensus.Status {
			w.after(slow, post)
			return
		}
		post()
	}
	w.after(reinforceAfter, func() {
		slow = shortTimeout / 6 // there and back is far less than an eviction takes
		w.giveSlots(voter)
	})
}

// giveSlots lets the operator give each observer a slot of its own, at a voter.
func (w *world) giveSlots(at *node) {
	for k, n := range w.alive() {
		if n.writable() {
			continue
		}
		m := store.Mutation{Op: store.Set, Path: fmt.Sprint(calDir, k), Guard: store.Missing, Body: []byte(n.id)}
		w.trace("operator at %s: %v", at.id, mutationString(m))
		w.operated[m.Path+"="+n.id] = true
		at.propose(m, func(answer) {})
	}
}
