package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/store"
)

// drillMembers does the one thing of a drill about members.
func (w *world) drillMembers() {
	w.trace("drill: %s", w.plan.drill)
	w.after(between(w.nodesRand, time.Second, 3*time.Second), map[string]func(){
		"asleep":   w.sleep,
		"imposter": w.impose,
		"stranded": w.strand,
		"wiped":    w.wipe,
		"split":    w.split,
		"handover": w.handOver,
		"calm":     func() {},
	}[w.plan.drill])
}

// sleep stops everybody for longer than it takes to be evicted, as when the hosts are suspended.
func (w *world) sleep() {
	for _, n := range w.alive() {
		n.pause()
	}
	w.after(2*w.plan.timeout, func() {
		for _, n := range w.alive() {
			n.resume()
		}
	})
}

// impose starts a process that says it is at the address of another.
func (w *world) impose() {
	victim := pick(w.nodesRand, w.alive()...)
	id := w.newID()
	w.trace("%s starts, and says it is at %s, where %s is", id, victim.addr, victim.id)
	moved := w.moved
	n := w.newNode(id, victim.addr)
	w.at[victim.addr], w.moved = victim, moved
	n.run(peer.Join(w.config(id, victim.addr), w.check.current.cluster, victim.id))
	w.after(500*time.Millisecond, func() {
		w.trace("%s stands still for a moment", victim.id)
		victim.pause()
		w.after(w.plan.timeout/3, victim.resume)
	})
	w.after(3*time.Second, func() {
		w.trace("%s is stopped", id)
		n.crash()
	})
}

// wipe takes everybody's slots away, one after the other.
func (w *world) wipe() {
	for _, path := range slices.Sorted(maps.Keys(w.check.current.slots)) {
		body := pick(w.nodesRand, "", "nobody")
		w.after(between(w.nodesRand, 0, 20*time.Millisecond), func() {
			w.write(store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber, Body: []byte(body)})
		})
	}
	w.after(5*time.Second, w.repairSlots)
}

// split restarts some of the first voters, and starts further processes of their list, where they cannot reach
// those that go on: together they are a majority of the list, and there is a cluster already.
func (w *world) split() {
	first := w.alive()
	gone, others := first[:w.plan.voters/2], first[w.plan.voters/2:]
	var there, here []string
	for _, n := range others {
		there = append(there, n.id)
	}
	for _, n := range gone {
		w.list = append(w.list, n.addr)
		n.kill()
	}
	for _, n := range others {
		w.list = append(w.list, n.addr)
	}
	for range len(others) - len(gone) + 1 {
		w.list = append(w.list, w.newAddr())
	}
	for _, addr := range w.list {
		if n := w.at[addr]; n == nil || n.dead {
			w.startListed(addr)
			here = append(here, w.at[addr].id)
		}
	}
	w.trace("partition %v | %v", here, there)
	w.network.cut(here, there, true)
	w.network.cut(there, here, true)
	w.after(assemblyPatience/2, func() {
		w.trace("partition ends")
		w.network.cut(here, there, false)
		w.network.cut(there, here, false)
	})
}

// handOver lets a voter leave just after another was replaced: what those two were to decide, only the one that
// leaves and the ones that stay can.
func (w *world) handOver() {
	voters := onlyVoters(w.alive())
	gone, leaves := voters[0], voters[1]
	gone.kill()
	w.after(50*time.Millisecond, func() { w.restart(gone) })
	var look func()
	look = func() {
		if next := w.at[gone.addr]; next != gone && slices.Contains(slices.Collect(maps.Values(w.check.current.slots)), next.id) {
			if w.nodesRand.IntN(4) > 0 {
				w.strike(leaves)
			}
			w.leave(leaves)
			return
		}
		w.after(tickEvery/4, look)
	}
	look()
}

// strike takes a member's slot and its registration away.
func (w *world) strike(n *node) {
	slot := w.slotOf(n)
	if slot == "" {
		return
	}
	w.write(store.Mutation{Op: store.Set, Path: slot, Guard: store.Clobber})
	w.write(store.Mutation{Op: store.Del, Path: nodeDirs + n.id + "/addr", Guard: store.Clobber})
}
