package sim

import (
	"slices"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// overheard is the course of a drill: four voters become three, and what the four decide last, two of them do
// not learn. The other two die, of which one is no voter any more. The two are a majority of those that stand,
// but of the four they are not, and only an observer knows.
type overheard struct {
	w        *world
	observer *node
	upstream string // whom the observer listens to
	slot     string // that is deleted
	leaves   *node  // its holder
	change   uint64 // the instance that says so
	over     bool   // all learn again
}

func (w *world) overhear() {
	o := &overheard{w: w}
	w.adversary = o.pass
	w.after(observerJoins, o.begin)
}

// begin lets the operator delete a slot, and write something more at once, at the voter that feeds the observer.
func (o *overheard) begin() {
	w := o.w
	o.observer = w.alive()[len(w.alive())-1]
	teller := w.byID[o.upstream]
	others := slices.DeleteFunc(w.shuffled(), func(n *node) bool { return n == teller })
	o.leaves = others[0]
	o.slot = w.slotOf(o.leaves)
	w.trace("%s loses its slot, and only %s learns what follows, and %s of it", o.leaves.id, teller.id, o.observer.id)
	w.operated[o.slot+"="] = true
	teller.propose(store.Mutation{Op: store.Del, Path: o.slot, Guard: store.Clobber}, func(answer) {})
	for range 3 {
		teller.propose(store.Mutation{Op: store.Set, Path: "/operator", Guard: store.Clobber}, func(answer) {})
	}
	w.after(overhearFor, func() { o.over = true })
	o.watch()
}

// overhearFor is how long the two learn nothing, at most. A log that goes on beyond the change is withheld as a
// whole; if they need it, the others wait for them, and the drill comes to nothing.
const overhearFor = 300 * time.Millisecond

func (o *overheard) pass(m *consensus.Message, post func()) {
	switch {
	case o.observer == nil && m.Kind == consensus.Status && !m.Answer && !o.w.byID[m.From].writable():
		o.upstream = m.To
	case m.Kind == consensus.Suggest && o.carries(m):
		o.change = m.Range.Lo
	}
	if o.over || !o.tells(m) {
		post()
	}
}

// carries reports whether m is the suggestion to delete the slot.
func (o *overheard) carries(m *consensus.Message) bool {
	return slices.ContainsFunc(m.Batch.Mutations, func(b []byte) bool {
		d, err := store.DecodeMutation(b)
		return err == nil && d.Op == store.Del && d.Path == o.slot
	})
}

// tells reports whether one of those that go on would learn from m what comes after the change.
func (o *overheard) tells(m *consensus.Message) bool {
	if o.change == 0 || m.To == o.upstream || m.To == o.leaves.id || m.To == o.observer.id {
		return false
	}
	switch m.Kind {
	case consensus.Accepted, consensus.Decided, consensus.Log:
		return m.Range.Hi > o.change+1
	}
	return m.Kind == consensus.TakeSnapshot
}

// watch ends both that know, once the observer knows all that the four have decided.
func (o *overheard) watch() {
	if o.over {
		return
	}
	eras := o.observer.core.Position().Eras
	if last := eras[len(eras)-1]; len(last.Voters) == o.w.plan.voters || o.observer.core.Position().Instance+1 < last.From {
		o.w.after(time.Millisecond, o.watch)
		return
	}
	o.over = true
	for _, n := range []*node{o.w.byID[o.upstream], o.leaves} {
		n.kill()
	}
}
