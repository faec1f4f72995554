package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// linearTimeout bounds the search for an order; a history that takes longer is reported, not passed over.
const linearTimeout = 20 * time.Second

// linearizable: there is an order of all operations, true to who came before whom, in which each write
// and each read behind a barrier did what it was seen to do. A write whose client gave up ended when a node applied it.
func (c *checker) linearizable(w *world) {
	var ops []porcupine.Operation
	for _, r := range c.history {
		o := porcupine.Operation{ClientId: r.client, Input: r, Output: r, Call: int64(r.called), Return: int64(r.returned)}
		if r.unknown {
			at, ok := c.happened[r.op.Number]
			if r.read || !ok {
				continue // nobody was told anything, and nothing came of it
			}
			r.outcome = c.outcomes[r.op.Number]
			o.Return = max(o.Call, int64(at))
		}
		ops = append(ops, o)
	}
	takeTurns(ops)
	if result := porcupine.CheckOperationsTimeout(registers, ops, linearTimeout); result != porcupine.Ok {
		w.fail("the clients' history is not linearizable: %v", result)
	}
}

// takeTurns numbers the writes of each key by their revs: the answers that clients got say in which order they
// happened, so no other needs to be tried.
func takeTurns(ops []porcupine.Operation) {
	var writes []*record
	for _, o := range ops {
		if r := o.Input.(*record); !r.read {
			writes = append(writes, r)
		}
	}
	slices.SortFunc(writes, func(a, b *record) int { return cmp.Compare(a.outcome.rev, b.outcome.rev) })
	turns := map[string]int{}
	for _, r := range writes {
		turns[r.op.Key]++
		r.turn = turns[r.op.Key]
	}
}

// register is the file under one key, and how many writes to it there were.
type register struct {
	value string
	turn  int
}

// registers is what the files under one key are to clients: the value last written.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			k := o.Input.(*record).op.Key
			byKey[k] = append(byKey[k], o)
		}
		var parts [][]porcupine.Operation
		for _, k := range slices.Sorted(maps.Keys(byKey)) {
			parts = append(parts, byKey[k])
		}
		return parts
	},
	Init: func() any { return register{} },
	Step: func(state, input, _ any) (bool, any) {
		r, now := input.(*record), state.(register)
		if r.read {
			return r.value == now.value, state
		}
		passes := r.op.Guard == clobber || r.expected == now.value
		if r.turn != now.turn+1 || r.outcome.ok != passes {
			return false, state
		}
		if passes {
			return true, register{r.op.Value, r.turn}
		}
		return true, register{now.value, r.turn}
	},
}
