package sim

import (
	"time"

	"github.com/ha/doozerd/consensus"
)

// parting is the course of a drill: a voter is asked to leave, and for a while nobody else learns what is
// decided, but for one witness. When the first has left the witness dies: that is one of those that stand, so
// the others must be able to go on.
type parting struct {
	w               *world
	leaver, witness *node
	bySnapshot      bool // the leaver learns by a snapshot that it votes no more
	over            bool // the others learn again
}

// partingFor is how long the others learn nothing.
const partingFor = 3 * time.Second

func (w *world) part() {
	voters := w.shuffled()
	p := &parting{w: w, leaver: voters[0], witness: voters[1], bySnapshot: w.nodesRand.IntN(2) == 0}
	w.after(between(w.nodesRand, 500*time.Millisecond, 1500*time.Millisecond), func() {
		w.trace("only %s learns, and %s by a snapshot: %v", p.witness.id, p.leaver.id, p.bySnapshot)
		w.adversary = p.pass
		w.leave(p.leaver)
		w.after(partingFor, func() { p.over = true })
		p.watch()
	})
}

func (p *parting) pass(m *consensus.Message, post func()) {
	if p.over || !p.tells(m) {
		post()
	}
}

// tells reports whether somebody would learn from m who is to learn nothing.
func (p *parting) tells(m *consensus.Message) bool {
	leaver := m.To == p.leaver.id
	switch m.Kind {
	case consensus.Accepted, consensus.Decided, consensus.Log:
		return m.To != p.witness.id && (!leaver || p.bySnapshot)
	case consensus.TakeSnapshot:
		return m.To != p.witness.id && !leaver
	}
	return false
}

// watch ends the witness once the leaver has left.
func (p *parting) watch() {
	if !p.leaver.dead {
		p.w.after(tickEvery, p.watch)
		return
	}
	p.over = true
	p.witness.kill()
}
