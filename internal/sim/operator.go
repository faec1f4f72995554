package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/store"
)

// disturb lets somebody change who takes part.
func (w *world) disturb() {
	kinds := []func(){
		w.openSlot, w.openSlot, w.emptySlot, w.emptySlot, w.closeSlot, w.spoilSlot, w.spoilSlot, w.unregisterOne,
		w.addObserver, w.addObserver, w.leaveOne, w.leaveOne,
	}
	kinds[w.nodesRand.IntN(len(kinds))]()
}

// mostProcesses live at a time.
const mostProcesses = 12

// addObserver starts a process, if there are not too many.
func (w *world) addObserver() {
	if len(w.alive()) < mostProcesses {
		w.join(w.newAddr())
	}
}

// join starts a process that attaches to members, if there are any to be found.
func (w *world) join(addr string) *node {
	var vias []string
	for _, n := range w.alive() {
		if n.joined() && n.in == w.check.current && !n.paused && !n.leaving {
			vias = append(vias, n.id)
		}
	}
	if len(vias) == 0 {
		w.after(time.Second, func() {
			if n := w.at[addr]; n == nil || n.dead {
				w.join(addr)
			}
		})
		return nil
	}
	w.nodesRand.Shuffle(len(vias), func(i, j int) { vias[i], vias[j] = vias[j], vias[i] })
	id := w.newID()
	w.trace("%s starts at %s and attaches to %s", id, addr, vias[0])
	n := w.newNode(id, addr)
	n.run(peer.Join(w.config(id, addr), w.check.current.cluster, vias[:1]...))
	return n
}

// superviseEvery is how often somebody looks after processes that came to nothing.
const (
	superviseEvery = time.Second
	hopeless       = 10 * time.Second // for a process that has not joined
)

// supervise starts anew who has not found a cluster, whoever is left of a cluster that others escaped from, and who
// knows nobody any more; and it escapes from a majority that was lost by mischance.
func (w *world) supervise() {
	if w.gathering != nil {
		w.gathering.supervise()
		w.after(superviseEvery, w.supervise)
		return
	}
	for _, n := range w.alive() {
		if w.stuck(n) {
			w.trace("%s is stopped, for it has come to nothing", n.id)
			n.crash()
			w.after(between(w.nodesRand, 0, time.Second), func() { w.restart(n) })
		}
	}
	switch lost := w.begun > 0 && w.now > w.loadEnd && w.majorityLost(); {
	case lost && w.adversary != nil: // which leaves a majority of those that stand
		w.fail("a majority of those that stand lives, and cannot go on")
	case lost:
		w.escapeBy(w.survivor())
	}
	w.after(superviseEvery, w.supervise)
}

func (w *world) stuck(n *node) bool {
	if n.paused || n.core == nil || w.begun == 0 && !w.plan.assembles {
		return false
	}
	switch {
	case !n.joined():
		return w.now-n.ran > hopeless
	case n.in != w.check.current:
		return w.now > w.lostAt+hopeless/4
	}
	return w.now > w.loadEnd && n.lonely()
}

// lonely reports whether n is behind for good: all members that it knows have ended, nobody took their addresses, and
// others go on, of whom no message will tell it.
func (n *node) lonely() bool {
	for e := range n.tree().All(addrGlob) {
		if p := n.w.at[string(e.Body)]; p != nil && p != n && !p.dead {
			return false
		}
	}
	return !n.writable() && slices.ContainsFunc(n.w.alive(), func(p *node) bool {
		return p.writable() && p.in == n.in && p.tree().Rev() > n.tree().Rev()
	})
}

var addrGlob = store.MustParseGlob(nodeDirs + "*/addr")

// write is a change that the operator makes, at some voter.
func (w *world) write(m store.Mutation) {
	var voters []*node
	for _, n := range w.alive() {
		if n.writable() && n.in == w.check.current && !n.paused {
			voters = append(voters, n)
		}
	}
	if len(voters) == 0 {
		return
	}
	n := pick(w.nodesRand, voters...)
	w.trace("operator at %s: %v", n.id, mutationString(m))
	w.operated[m.Path+"="+string(m.Body)] = true
	if !w.survives(n, m) {
		return
	}
	n.propose(m, func(answer) {})
}

// survives reports whether the voters that m would make at n have a majority that lives, and notes them as under way.
func (w *world) survives(n *node, m store.Mutation) bool {
	slots := map[string]string{}
	for e := range n.tree().All(slotGlob) {
		slots[e.Path] = strings.TrimSpace(string(e.Body))
	}
	if strings.HasPrefix(m.Path, calDir) {
		slots[m.Path] = string(m.Body)
	}
	var voters []string
	for _, id := range slots {
		if rev, _ := n.tree().Stat(nodeDirs + id + "/addr"); id != "" && rev > 0 && !slices.Contains(voters, id) && m.Path != nodeDirs+id+"/addr" {
			voters = append(voters, id)
		}
	}
	if len(voters) == 0 {
		return true
	}
	if !w.majorityLives(voters, nil) {
		return false
	}
	w.proposals++
	number := w.proposals
	w.proposed[number] = voters
	w.after(5*time.Second, func() { delete(w.proposed, number) }) // by then others know of it, or it will never be
	return true
}

// someSlot returns a slot that matches, or "".
func (w *world) someSlot(match func(id string) bool) string {
	var slots []string
	for path, id := range w.check.current.slots {
		if match(id) {
			slots = append(slots, path)
		}
	}
	if len(slots) == 0 {
		return ""
	}
	slices.Sort(slots)
	return pick(w.nodesRand, slots...)
}

func occupied(id string) bool { return id != "" }

func (w *world) openSlot() {
	slots := w.check.current.slots
	for k := range 9 {
		path := fmt.Sprint(calDir, k)
		if _, ok := slots[path]; !ok {
			w.write(store.Mutation{Op: store.Set, Path: path, Guard: store.Missing})
			return
		}
	}
}

func (w *world) emptySlot() {
	if slot := w.someSlot(occupied); slot != "" {
		w.write(store.Mutation{Op: store.Set, Path: slot, Guard: store.Clobber})
	}
}

func (w *world) closeSlot() {
	if slot := w.someSlot(func(string) bool { return true }); slot != "" && len(w.check.current.slots) > 1 {
		w.write(store.Mutation{Op: store.Del, Path: slot, Guard: store.Clobber})
	}
}

// nonsense is what somebody may put into a slot.
var nonsense = []string{"nobody", "../..", " ", "a/b/c"}

func (w *world) spoilSlot() {
	slot := w.someSlot(occupied)
	if slot == "" {
		return
	}
	body := pick(w.nodesRand, nonsense...)
	if w.nodesRand.IntN(3) == 0 { // twice the same
		body = w.check.current.slots[w.someSlot(occupied)]
	}
	w.write(store.Mutation{Op: store.Set, Path: slot, Guard: store.Clobber, Body: []byte(body)})
}

// repairSlots empties the slots that hold no process, so that others can take them.
func (w *world) repairSlots() {
	if w.plan.disturbances == 0 && w.plan.drill == "" {
		return
	}
	h := w.check.current
	holders := map[string]bool{}
	for k := range 9 {
		path := fmt.Sprint(calDir, k)
		id, ok := h.slots[path]
		if ok && id != "" && (w.byID[id] == nil || holders[id]) {
			w.write(store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber})
		}
		holders[id] = true
	}
	if w.now < w.loadEnd+recoveryTime/2 { // somebody may have been about to write more of it
		w.after(time.Second, w.repairSlots)
	}
}

func (w *world) unregisterOne() {
	path := nodeDirs + pick(w.nodesRand, w.alive()...).id + "/addr"
	w.write(store.Mutation{Op: store.Del, Path: path, Guard: store.Clobber})
}

// leaveDeadline is how long a process that was asked to stop may take.
const leaveDeadline = 5 * time.Second

// leaveOne asks a process to stop.
func (w *world) leaveOne() {
	n := pick(w.nodesRand, w.alive()...)
	if n.leaving || n.paused || !n.joined() || !w.canLose(n) || len(w.alive()) < 3 {
		return
	}
	w.leave(n)
}

func (w *world) leave(n *node) {
	w.trace("%s is asked to leave", n.id)
	n.turn(n.core.Leave)
	n.leaving = true
	w.awaitLeave(n, w.now+leaveDeadline)
}

// awaitLeave ends n when it says that others can do without it, which must be true; or when it has nobody to
// hand over to, or the time is up, as soon as nothing is lost by that.
func (w *world) awaitLeave(n *node, deadline time.Duration) {
	left := n.core.Left()
	switch {
	case n.dead:
		return
	case left && !n.abandoned:
		if n.in == w.check.current && w.decisive(n) {
			w.fail("%s has left, though others need it", n.id)
		}
		w.exit(n)
		return
	case (left || w.now > deadline) && w.canLose(n):
		w.exit(n)
		return
	}
	w.after(tickEvery, func() { w.awaitLeave(n, deadline) })
}

// exit ends a process that has left. Sometimes it is started again.
func (w *world) exit(n *node) {
	w.trace("%s exits", n.id)
	n.crash()
	if w.nodesRand.IntN(2) == 0 {
		w.after(between(w.nodesRand, 0, time.Second), func() { w.restart(n) })
	}
}
