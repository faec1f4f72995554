package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/ha/doozerd/consensus"
)

// mishap lets one thing go wrong, unless all have left.
func (w *world) mishap() {
	if len(w.alive()) == 0 {
		return
	}
	kinds := []func(){
		w.partition, w.partition, w.cutOneWay, w.cutOneWay, w.cutLink, w.pauseOne, w.pauseOne, w.slowOne,
		w.jumpClock, w.crashOne, w.crashOne, w.crashOne, w.crashSome,
	}
	kinds[w.rand.IntN(len(kinds))]()
}

func (w *world) someone() *node { return pick(w.rand, w.alive()...) }

func (w *world) ids() []string {
	var ids []string
	for _, n := range w.nodes {
		ids = append(ids, n.id)
	}
	return ids
}

// forAWhile mends what was just broken, after a while.
func (w *world) forAWhile(most time.Duration, mend func()) {
	w.after(between(w.rand, most/20, most), mend)
}

func (w *world) partition() {
	var left, right []string
	for _, id := range w.ids() {
		if w.rand.IntN(2) == 0 {
			left = append(left, id)
		} else {
			right = append(right, id)
		}
	}
	w.trace("partition %v | %v", left, right)
	w.troubled = w.now
	w.network.cut(left, right, true)
	w.network.cut(right, left, true)
	w.forAWhile(3*time.Second, func() {
		w.trace("partition ends")
		w.troubled = w.now
		w.network.cut(left, right, false)
		w.network.cut(right, left, false)
	})
}

// cutOneWay lets a node send and not receive, or the reverse.
func (w *world) cutOneWay() {
	from, to := []string{w.someone().id}, w.ids()
	if w.rand.IntN(2) == 0 {
		from, to = to, from
	}
	w.trace("one way cut %v → %v", from, to)
	w.network.cut(from, to, true)
	w.forAWhile(4*time.Second, func() {
		w.trace("one way cut ends")
		w.troubled = w.now
		w.network.cut(from, to, false)
	})
}

func (w *world) cutLink() {
	a, b := []string{w.someone().id}, []string{w.someone().id}
	w.trace("link cut %v %v", a, b)
	w.network.cut(a, b, true)
	w.network.cut(b, a, true)
	w.forAWhile(5*time.Second, func() {
		w.troubled = w.now
		w.network.cut(a, b, false)
		w.network.cut(b, a, false)
	})
}

func (w *world) pauseOne() {
	n := w.someone()
	if n.paused {
		return
	}
	w.trace("%s paused", n.id)
	n.pause()
	w.forAWhile(3*time.Second, func() {
		if n.paused && !n.dead {
			w.trace("%s resumes", n.id)
			n.resume()
		}
	})
}

func (w *world) slowOne() {
	n := w.someone()
	n.slow = between(w.rand, 5*time.Millisecond, 300*time.Millisecond)
	w.trace("%s slow by %v", n.id, n.slow)
	w.forAWhile(4*time.Second, func() {
		n.slow = 0
		n.trouble()
	})
}

func (w *world) jumpClock() {
	n := w.someone()
	n.local += between(w.rand, 0, time.Minute)
	n.rate = pick(w.rand, 0.5, 1, 1, 2)
	w.troubled = w.now // it may think others slow, too
	w.trace("%s's clock jumps, rate %v", n.id, n.rate)
}

// crashOne ends a process, if its voters can stand it: a majority lost at once is lost; and if somebody stays, to whom
// those can hand over that leave. Mostly another is started in its place.
func (w *world) crashOne() { w.crash(w.someone()) }

// crashSome ends several at once, as many as can be lost.
func (w *world) crashSome() {
	for range 1 + w.rand.IntN(4) {
		w.crashOne()
	}
}

func (w *world) crash(n *node) {
	if !w.canLose(n) || w.lastToStay(n) {
		return
	}
	n.kill()
	switch w.rand.IntN(8) {
	case 0: // for good
	case 1:
		w.after(between(w.rand, 0, 2*time.Second), func() { w.join(w.newAddr()) })
	default:
		w.after(between(w.rand, 0, 2*time.Second), func() { w.restart(n) })
	}
}

// lastToStay reports whether all others that live were asked to leave, if there are any.
func (w *world) lastToStay(n *node) bool {
	others := slices.DeleteFunc(w.alive(), func(m *node) bool { return m == n })
	return len(others) > 0 && !slices.ContainsFunc(others, func(m *node) bool { return !m.leaving })
}

// restart starts a process at the address of one that ended, unless somebody did so before.
func (w *world) restart(n *node) {
	switch {
	case w.at[n.addr] != n || !n.dead:
	case w.check.current == nil:
		w.startListed(n.addr)
	default:
		w.join(n.addr)
	}
}

// closeLinks lets the others know that n's process has ended.
func (w *world) closeLinks(n *node) {
	for _, other := range w.alive() {
		if other == n {
			continue
		}
		if l := w.network.link(n.id, other.id); !l.cut {
			w.after(between(w.links, l.least, l.most), func() { other.suspect(n.id) })
		}
	}
}

// suspectSomeone closes the links to a living process, as a proxy between would that is restarted.
func (w *world) suspectSomeone() { w.closeLinks(pick(w.links, w.alive()...)) }

// canLose reports whether every set of voters that some living node knows, or may come to know, keeps a
// majority without n, and goes on to keep it if those are evicted that are silent now.
func (w *world) canLose(n *node) bool {
	if !w.dispensable(n) {
		return false
	}
	for _, m := range w.alive() {
		if m != n && m.writable() && !w.majorityLives(w.heardBy(m, lastEra(m.core.Position())), n) {
			return false
		}
	}
	for _, voters := range w.proposed {
		if !w.majorityLives(voters, n) {
			return false
		}
	}
	return true
}

// dispensable reports whether, without n, all that was decided can be found out, and more be decided.
func (w *world) dispensable(n *node) bool {
	return !slices.ContainsFunc(w.needed(n), func(voters []string) bool { return !w.majorityLives(voters, n) })
}

// decisive reports whether that would be so, were it not for n.
func (w *world) decisive(n *node) bool {
	return slices.ContainsFunc(w.needed(n), func(voters []string) bool { return w.majorityLives(voters, nil) && !w.majorityLives(voters, n) })
}

// needed are the sets of voters of instances that nobody but n has applied yet. Who still assembles may be a
// voter of the cluster that others have founded with it.
func (w *world) needed(n *node) (sets [][]string) {
	in := n.in
	if in == nil {
		in = w.check.current
	}
	applied, eras := uint64(0), map[uint64][]string{}
	for _, m := range w.alive() {
		if m.core == nil || m.in != in {
			continue
		}
		position := m.core.Position()
		if m != n {
			applied = max(applied, position.Instance)
		}
		for _, era := range position.Eras {
			eras[era.From] = era.Voters
		}
	}
	begins := slices.Sorted(maps.Keys(eras))
	for k, from := range begins {
		if k+1 == len(begins) || begins[k+1] > applied+1 {
			sets = append(sets, eras[from])
		}
	}
	return sets
}

func lastEra(s consensus.Snapshot) []string {
	if len(s.Eras) == 0 {
		return nil
	}
	return s.Eras[len(s.Eras)-1].Voters
}

// heardBy are those of voters that m does not think of evicting.
func (w *world) heardBy(m *node, voters []string) []string {
	heard := slices.Clone(voters)
	for _, s := range m.core.Status().Members {
		if s.Voter && s.Known && s.Silence > w.plan.timeout/2 {
			heard = without(heard, s.ID)
		}
	}
	return heard
}

// majorityLives reports whether a majority of voters is there without one of them.
func (w *world) majorityLives(voters []string, without *node) bool {
	left := 0
	for _, v := range voters {
		if n := w.byID[v]; n != nil && n != without && !n.dead {
			left++
		}
	}
	return left > len(voters)/2
}

func without(ids []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(s string) bool { return s == id })
}

// mend ends all faults, but not that of a drill.
func (w *world) mend() {
	if w.plan.drill != "" {
		return
	}
	w.trace("the faults stop")
	w.troubled = w.now
	w.network.clean = true
	for _, l := range w.network.links {
		l.cut = false
	}
	for _, n := range w.alive() {
		n.slow, n.rate = 0, 1
		if n.paused {
			n.resume()
		}
	}
	w.repairSlots()
}

// drill begins the one fault of a drill.
func (w *world) drill() {
	if w.plan.membersOnly() {
		w.drillMembers()
		return
	}
	if aim := aimedDrills[w.plan.drill]; aim != nil {
		w.trace("drill: %s", w.plan.drill)
		aim(w)
		return
	}
	victim := w.someone()
	v, all := []string{victim.id}, w.ids()
	w.trace("drill: %s %s", victim.id, w.plan.drill)
	switch w.plan.drill {
	case "dead", "closed":
		victim.crash()
	case "deaf":
		w.network.cut(all, v, true)
	case "mute":
		w.network.cut(v, all, true)
	case "parted": // from one other voter, which is served all the same
		other := w.someone()
		w.network.cut(v, []string{other.id}, true)
		w.network.cut([]string{other.id}, v, true)
		return
	case "lossy":
		w.plan.loss = 0.2
		return
	case "surge": // one is dead, and the others cannot tell how long to wait for anybody
		victim.crash()
		w.surge()
	case "stutter": // it prepares, and then is gone for a while
		w.stutter(victim)
	}
	w.sick = victim
}

// stutter stops and starts a node again and again.
func (w *world) stutter(n *node) {
	if n.paused {
		n.resume()
	} else {
		n.pause()
	}
	if w.now < w.loadEnd {
		w.after(between(w.rand, 50*time.Millisecond, 600*time.Millisecond), func() { w.stutter(n) })
	} else if n.paused {
		n.resume()
	}
}

// mostSurge is the most that a surge adds to the time that a message takes.
const mostSurge = 600 * time.Millisecond

// surge makes the network slow and quick in turn, by far more than anyone has got used to.
func (w *world) surge() {
	if w.network.surge > 0 || w.now > w.loadEnd {
		w.network.surge = 0
	} else {
		w.network.surge = between(w.rand, mostSurge/3, mostSurge)
	}
	w.trace("surge of %v", w.network.surge)
	if w.now <= w.loadEnd {
		w.after(between(w.rand, 300*time.Millisecond, 1500*time.Millisecond), w.surge)
	}
}
