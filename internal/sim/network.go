package sim

import (
	"iter"
	"math/rand/v2"
	"time"
)

// network carries messages between nodes, badly while faults last.
type network struct {
	*clock
	rand  *rand.Rand
	plan  *plan
	links map[link]*linkState
	surge time.Duration // most that is added to the time of every message
	clean bool          // the faults are over: nothing is lost any more
	fixed time.Duration // if not 0, what every message takes
	sent  int
}

type link struct{ from, to string }

type linkState struct {
	least, most time.Duration
	cut         bool
}

func (n *network) link(from, to string) *linkState {
	l := n.links[link{from, to}]
	if l == nil {
		l = &linkState{}
		l.least, l.most = n.plan.delays(n.rand)
		n.links[link{from, to}] = l
		if n.links[link{to, from}] == nil { // usually as far back as there
			n.links[link{to, from}] = &linkState{least: l.least, most: l.most}
		}
	}
	return l
}

// carry calls deliver when the message arrives: never, once, or several times.
func (n *network) carry(from, to string, slow time.Duration, deliver func()) {
	for d := range n.arrivals(from, to, slow) {
		n.after(d, deliver)
	}
}

// arrivals are when copies of a message arrive, from now: none, one, or several.
func (n *network) arrivals(from, to string, slow time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		n.sent++
		l := n.link(from, to)
		if !n.clean && (l.cut || chance(n.rand, n.plan.loss)) {
			return
		}
		copies := 1
		if !n.clean && chance(n.rand, n.plan.duplication) {
			copies = 2
		}
		for range copies {
			if !yield(n.delay(l) + slow) {
				return
			}
		}
	}
}

// delay returns how long one copy takes.
func (n *network) delay(l *linkState) time.Duration {
	d := between(n.rand, l.least, l.most)
	if n.surge > 0 {
		d += between(n.rand, n.surge/4, n.surge)
	}
	if n.fixed > 0 {
		d = n.fixed
	}
	if !n.clean && chance(n.rand, n.plan.tail) {
		d += between(n.rand, 0, 50*l.most)
	}
	return d
}

// cut breaks the links from each of a to each of b, in that direction.
func (n *network) cut(a, b []string, broken bool) {
	for _, from := range a {
		for _, to := range b {
			if from != to {
				n.link(from, to).cut = broken
			}
		}
	}
}

// parted reports whether a connection between a and b cannot be made.
func (n *network) parted(a, b string) bool {
	return !n.clean && (n.link(a, b).cut || n.link(b, a).cut)
}

// cutAt reports whether any link of id is cut.
func (n *network) cutAt(id string) bool {
	if n.clean {
		return false
	}
	for l, state := range n.links {
		if state.cut && (l.from == id || l.to == id) {
			return true
		}
	}
	return false
}
