package sim

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/consensus"
)

// mishap lets one thing go wrong.
func (w *world) mishap() {
	kinds := []func(){
		w.partition, w.partition, w.cutOneWay, w.cutOneWay, w.cutLink, w.pauseOne, w.pauseOne, w.slowOne,
		w.jumpClock, w.crashOne, w.crashOne, w.crashOne, w.addVoter, w.removeVoter, w.addObserver,
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

// for a while, then mends it.
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
	w.network.cut(left, right, true)
	w.network.cut(right, left, true)
	w.forAWhile(3*time.Second, func() {
		w.trace("partition ends")
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
		w.network.cut(from, to, false)
	})
}

func (w *world) cutLink() {
	a, b := []string{w.someone().id}, []string{w.someone().id}
	w.trace("link cut %v %v", a, b)
	w.network.cut(a, b, true)
	w.network.cut(b, a, true)
	w.forAWhile(5*time.Second, func() {
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
	w.forAWhile(4*time.Second, func() { n.slow = 0 })
}

func (w *world) jumpClock() {
	n := w.someone()
	n.local += between(w.rand, 0, time.Minute)
	n.rate = pick(w.rand, 0.5, 1, 1, 2)
	w.trace("%s's clock jumps, rate %v", n.id, n.rate)
}

// crashOne ends a process for good, if its voters can stand it: a majority lost at once is lost.
func (w *world) crashOne() {
	n := w.someone()
	if !w.canLose(n) {
		return
	}
	w.trace("%s crashes", n.id)
	n.crash()
	w.after(between(w.rand, 0, 2*time.Second), func() { w.replace(n.id) })
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

// canLose reports whether every set of voters that some living node knows, or may come to know, keeps a majority without n.
func (w *world) canLose(n *node) bool {
	alive := w.alive()
	if len(alive) < 2 {
		return false
	}
	for _, m := range alive {
		for _, era := range m.engine.Snapshot().Eras {
			if !w.majorityLives(era.Voters, n) {
				return false
			}
		}
	}
	for _, voters := range w.proposed {
		if !w.majorityLives(voters, n) {
			return false
		}
	}
	return true
}

func (w *world) majorityLives(voters []string, without *node) bool {
	left := 0
	for _, v := range voters {
		if n := w.byID[v]; n != without && !n.dead {
			left++
		}
	}
	return left > len(voters)/2
}

// replace takes id's slot away and gives it to a new process, or to nobody.
func (w *world) replace(id string) {
	if w.rand.IntN(4) == 0 {
		w.changeVoters(func(v []string) []string { return without(v, id) })
		return
	}
	fresh := w.join()
	w.changeVoters(func(v []string) []string {
		if !slices.Contains(v, id) {
			return v
		}
		return append(without(v, id), fresh.id)
	})
}

func (w *world) addVoter() {
	fresh := w.join()
	w.changeVoters(func(v []string) []string { return append(v, fresh.id) })
}

func (w *world) removeVoter() {
	n := w.someone()
	w.changeVoters(func(v []string) []string { return without(v, n.id) })
}

func (w *world) addObserver() { w.join() }

// join starts a new process from a snapshot of a living one.
func (w *world) join() *node {
	source := w.someone()
	n := w.newNode(w.newID(), source.engine.Snapshot(), source.machine.clone())
	w.trace("%s joins from %v", n.id, source)
	return n
}

// maxVoters in a run; the engine's own limit.
const maxVoters = 9

// changeVoters proposes a new set, guarded by the rev of the one it was made from.
func (w *world) changeVoters(change func([]string) []string) {
	via := w.someone()
	now := via.machine.files[votersKey]
	next := change(strings.Split(now.value, ","))
	if len(next) > maxVoters || !w.majorityLives(next, nil) {
		return
	}
	slices.Sort(next)
	w.proposals++
	id := w.proposals
	w.proposed[id] = next
	o := op{Number: w.check.newOp(), Key: votersKey, Guard: now.rev, Value: strings.Join(next, ",")}
	w.trace("%s proposes voters %v", via.id, next)
	via.propose(o, func(a answer) {
		if a.err == nil || errors.Is(a.err, consensus.ErrReadOnly) {
			w.after(5*time.Second, func() { delete(w.proposed, id) }) // by then others know of it, or it will never be
		}
	})
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
}

// drill begins the one fault of a drill.
func (w *world) drill() {
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
	if w.now < loadTime {
		w.after(between(w.rand, 50*time.Millisecond, 600*time.Millisecond), func() { w.stutter(n) })
	} else if n.paused {
		n.resume()
	}
}

// surge makes the network slow and quick in turn, by far more than anyone has got used to.
func (w *world) surge() {
	if w.network.surge > 0 || w.now > loadTime {
		w.network.surge = 0
	} else {
		w.network.surge = between(w.rand, 200*time.Millisecond, 600*time.Millisecond)
	}
	w.trace("surge of %v", w.network.surge)
	if w.now <= loadTime {
		w.after(between(w.rand, 300*time.Millisecond, 1500*time.Millisecond), w.surge)
	}
}
