package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ha/doozerd/store"
)

// linearTimeout bounds the search for an order; a history that takes longer is reported, not passed over.
const linearTimeout = 20 * time.Second

// linearizable: there is an order of all operations in a cluster, true to who came before whom, in which each write
// and each read behind a barrier did what it was seen to do. A write whose client gave up ended when a node applied it.
func (c *checker) linearizable(w *world) {
	for _, h := range c.clusters() {
		ops := c.operations(w, h)
		if w.failed() {
			return
		}
		takeTurns(ops)
		if result := porcupine.CheckOperationsTimeout(registers, ops, linearTimeout); result != porcupine.Ok {
			w.fail("the clients' history in %s is not linearizable: %v", h.cluster, result)
		}
	}
}

// operations are what clients did in h, after its fork.
func (c *checker) operations(w *world, h *history) (ops []porcupine.Operation) {
	add := func(r *record, called, returned time.Duration) {
		ops = append(ops, porcupine.Operation{ClientId: r.client, Input: r, Output: r, Call: int64(called), Return: int64(max(called, returned))})
	}
	for path, f := range h.registers(h.fork) {
		r := &record{op: op{markOf([]byte(f.body)), store.Set, path, store.Clobber}, outcome: outcome{f.rev, true}}
		add(r, -1, -1)
	}
	claimed := map[int64]bool{}
	for _, r := range c.records {
		if r.in == h && !r.unknown && (r.read || r.outcome.rev > h.fork) {
			add(r, r.called, r.returned)
			claimed[r.outcome.rev] = !r.read
		}
	}
	for _, r := range c.records {
		if rev := h.revs[r.op.mark]; !r.read && (r.unknown || r.in != h) && rev > h.fork && r.op.kind == store.Set {
			u := *r
			u.outcome = outcome{rev, true}
			add(&u, r.called, h.events[rev-1].at)
		}
	}
	for path, revs := range h.dels {
		for _, rev := range revs {
			if rev > h.fork && !claimed[rev] {
				c.unclaimed(w, h, path, rev, add)
			}
		}
	}
	return ops
}

// unclaimed is a delete of which nobody was told. It must be one of those whose outcome is unknown, or another
// copy of one that was sent again; and one of their guards must have passed.
func (c *checker) unclaimed(w *world, h *history, path string, rev int64, add func(*record, time.Duration, time.Duration)) {
	at := h.events[rev-1].at
	called, guards := at, []int64(nil)
	for _, r := range c.records {
		if r.op.kind == store.Del && r.op.path == path && (r.unknown || r.in != h || r.copies > 1) && r.called <= at {
			called, guards = min(called, r.called), append(guards, r.op.guard)
		}
	}
	if len(guards) == 0 {
		w.fail("nobody asked for the delete of %s at rev %d", path, rev)
		return
	}
	guard := slices.Max(guards)
	if slices.Contains(guards, store.Clobber) {
		guard = store.Clobber
	}
	add(&record{op: op{kind: store.Del, path: path, guard: guard}, outcome: outcome{rev, true}}, called, at)
}

// takeTurns numbers the writes of each path by their revs: the answers that clients got say in which order they
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
		turns[r.op.path]++
		r.turn = turns[r.op.path]
	}
}

// register is the file at one path, and how many writes to it there were.
type register struct {
	file
	turn int
}

// registers is what the file at one path is to clients: what was last written.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byPath := map[string][]porcupine.Operation{}
		for _, o := range history {
			p := o.Input.(*record).op.path
			byPath[p] = append(byPath[p], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range slices.Sorted(maps.Keys(byPath)) {
			parts = append(parts, byPath[p])
		}
		return parts
	},
	Init: func() any { return register{} },
	Step: func(state, input, _ any) (bool, any) {
		r, now := input.(*record), state.(register)
		if r.read {
			return r.seen == now.file, state
		}
		passes := r.op.guard == store.Clobber || r.op.guard >= now.rev
		if r.turn != now.turn+1 || r.outcome.ok != passes {
			return false, state
		}
		switch {
		case !passes:
			return true, register{now.file, r.turn}
		case r.op.kind == store.Del:
			return true, register{turn: r.turn}
		}
		return true, register{file{r.op.mark, r.outcome.rev}, r.turn}
	},
}
