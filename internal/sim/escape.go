package sim

import (
	"fmt"
	"slices"
	"time"
)

// escape is that of a drill: what the survivor must have kept.
type escape struct {
	writer     *node         // whom it heard to the end
	strandedAt time.Duration // since when it heard nobody else
	at         time.Duration // when the others died
}

// loseMajority ends so many voters at once that nothing can be decided any more. Then the operator lets the one
// that has most go on by itself, and starts the others anew: they would be refused. He has asked nobody to stop
// meanwhile, who might be the one.
func (w *world) loseMajority() {
	voters := onlyVoters(w.healthy())
	if len(voters) < 2 || w.lostAt > 0 || slices.ContainsFunc(w.alive(), func(n *node) bool { return n.leaving }) {
		return
	}
	w.nodesRand.Shuffle(len(voters), func(i, j int) { voters[i], voters[j] = voters[j], voters[i] })
	w.trace("a majority is lost")
	for _, n := range voters[:min(len(voters)-1, len(voters)/2+1)] {
		n.kill()
	}
	w.after(between(w.nodesRand, 0, time.Second), func() {
		if w.majorityLost() {
			w.escapeBy(w.survivor())
		}
	})
}

// majorityLost reports whether nothing can be decided any more, as far as the living know.
func (w *world) majorityLost() bool {
	n := w.survivor()
	if n == nil {
		return false
	}
	for _, era := range n.core.Position().Eras {
		if !w.majorityLives(era.Voters, nil) {
			return true
		}
	}
	return false
}

// survivor returns the process of the present cluster that has most, or nil.
func (w *world) survivor() (best *node) {
	for _, n := range w.alive() {
		if n.joined() && n.in == w.check.current && !n.leaving && (best == nil || n.core.Position().Instance > best.core.Position().Instance) {
			best = n
		}
	}
	return best
}

// escapeBy makes n a cluster of one.
func (w *world) escapeBy(n *node) {
	if n == nil {
		return
	}
	w.escapes++
	w.lostAt, w.troubled = w.now, w.now
	if n.paused {
		n.resume()
	}
	cluster := fmt.Sprint(clusterID, w.escapes)
	w.trace("%v escapes: it is %s now", n, cluster)
	h := n.in.forked(cluster, n.tree().Rev())
	h.survivor = n.id
	w.check.histories[cluster], w.check.current = h, h
	clear(w.proposed)
	n.turn(func() {
		n.in = h
		clear(n.encoders)
		n.core.Escape(cluster)
	})
	for _, dead := range w.nodes {
		if dead.dead && w.at[dead.addr] == dead && w.nodesRand.IntN(2) == 0 {
			w.after(between(w.nodesRand, 0, 2*time.Second), func() { w.restart(dead) })
		}
	}
}

// strand lets all voters but one die at once, after that one has heard only a single other for a moment: what
// that one had acknowledged, the survivor has accepted, and may not know yet to be decided. Processes join
// before and after its escape: the later must get nothing that is of the former cluster.
func (w *world) strand() {
	voters := onlyVoters(w.alive())
	survivor, writer := voters[0], voters[1]
	w.escape = &escape{writer: writer, strandedAt: w.now - 10*time.Millisecond, at: w.now + strandedFor}
	for _, n := range w.alive() {
		if n != writer {
			w.network.cut([]string{n.id}, []string{survivor.id}, true)
		}
	}
	w.trace("%s hears only %s", survivor.id, writer.id)
	w.after(strandedFor, func() {
		for _, n := range w.alive() {
			if n != survivor {
				n.kill()
			}
		}
		w.addObserver()
		w.after(between(w.nodesRand, 0, 500*time.Millisecond), func() {
			w.escapeBy(survivor)
			w.after(between(w.nodesRand, 0, time.Second), w.addObserver)
		})
	})
}

const strandedFor = 25 * time.Millisecond
