package sim

import "time"

// desert is a drill of three: two lose their slots while one of these is cut off, and the last voter dies. The
// other one of the two is asked to leave then. Whoever was cut off does not know yet that it votes no more, and
// only the one that leaves can tell.
func (w *world) desert() {
	voters := w.shuffled()
	leaver, cutOff, last := voters[0], voters[1], voters[2]
	w.after(between(w.nodesRand, 500*time.Millisecond, time.Second), func() {
		w.isolate(cutOff.id, true)
		w.atOnce(last, setting(w.slotOf(leaver), ""), setting(w.slotOf(cutOff), ""))
		w.when(func() bool { return !leaver.writable() }, func() {
			last.kill()
			w.leave(leaver)
			w.after(leaveDeadline/2, func() { w.isolate(cutOff.id, false) })
		})
	})
}

// forsake is a drill of three: the operator empties the slots of two, which die before their window ends. So
// the survivor's slots name it alone as it escapes, and its engine does not know of that yet. Then he writes
// one of the dead into a slot, by mistake, and another process joins: to both the survivor must be the only
// voter.
func (w *world) forsake() {
	voters := w.shuffled()
	survivor, dead := voters[0], voters[1:]
	w.after(between(w.nodesRand, 500*time.Millisecond, time.Second), func() {
		slot := w.slotOf(dead[0])
		w.atOnce(survivor, setting(slot, ""), setting(w.slotOf(dead[1]), ""))
		w.when(func() bool { return w.slotOf(dead[0])+w.slotOf(dead[1]) == "" }, func() {
			for _, n := range dead {
				n.kill()
			}
			w.escapeBy(survivor)
			w.after(fill, func() {
				w.atOnce(survivor, setting(slot, dead[0].id))
				w.addObserver()
			})
		})
	})
}

// slotOf returns the slot that names n, or "".
func (w *world) slotOf(n *node) string { return w.someSlot(func(id string) bool { return id == n.id }) }

// when does what is to be done as soon as something is so.
func (w *world) when(so func() bool, then func()) {
	if so() {
		then()
		return
	}
	w.after(time.Millisecond, func() { w.when(so, then) })
}
