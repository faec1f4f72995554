package sim

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// linearTimeout bounds the search for an order; a history that takes longer is reported, not passed over.
const linearTimeout = 20 * time.Second

// linearizable: there is an order of all operations, true to who came before whom, in which each write
// and each read behind a barrier did what it was seen to do.
func (c *checker) linearizable(w *world) {
	var ops []porcupine.Operation
	for _, r := range c.history {
		o := porcupine.Operation{ClientId: r.client, Input: r, Output: r, Call: int64(r.called), Return: int64(r.returned)}
		if r.unknown {
			if r.read {
				continue
			}
			o.Return = math.MaxInt64
		}
		ops = append(ops, o)
	}
	if result := porcupine.CheckOperationsTimeout(registers, ops, linearTimeout); result != porcupine.Ok {
		w.fail("the clients' history is not linearizable: %v", result)
	}
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
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		r := input.(*record)
		switch {
		case r.read:
			return r.value == state, state
		case r.op.Guard == clobber:
			return true, r.op.Value
		}
		passes := state == r.expected
		if !r.unknown && passes != r.outcome.ok {
			return false, state
		}
		if passes {
			return true, r.op.Value
		}
		return true, state
	},
}
