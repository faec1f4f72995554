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
	w.after(2*time.Second, func() {
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
