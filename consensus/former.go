package consensus

import (
	"iter"
	"slices"
)

// former is a voter that ruled instances together with us, and rules none of our window any more. As long as it
// has not applied all of those, it may have nobody but us to find out from what was decided there.
type former struct {
	id    string
	until uint64 // the last instance that both of us ruled
}

// maxFormer is how many are kept, those of the newest eras. Most have applied all within a round trip, and are
// forgotten then; others are dead.
const maxFormer = MaxVoters

// retire notes who ruled with us in era r, of which the instance until was the last.
func (e *Engine) retire(r *era, until uint64) {
	if r.self < 0 {
		return
	}
	for _, id := range r.voters {
		e.former = slices.DeleteFunc(e.former, func(f former) bool { return f.id == id })
		if p := e.peer(id); p != nil && p.applied < until {
			e.former = append(e.former, former{id, until})
		}
	}
	e.former = slices.Delete(e.former, 0, max(0, len(e.former)-maxFormer))
}

// heardFormer takes in what a voter of before says that it has applied.
func (e *Engine) heardFormer(id string, applied uint64) {
	e.former = slices.DeleteFunc(e.former, func(f former) bool { return f.id == id && applied >= f.until })
}

// greetFormer sends a Status to those that are greeted no more as voters.
func (e *Engine) greetFormer() {
	for _, f := range e.former {
		if e.peer(f.id) == nil {
			e.sendStatus(f.id, false)
		}
	}
}

// Former yields the former voters that are not known to have applied all that they ruled together with this
// engine, which some of them may have nobody else to find out from. Those of eras long ago may be left out.
func (e *Engine) Former() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range e.former {
			if !yield(f.id) {
				return
			}
		}
	}
}
