package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ha/doozerd/store"
)

// blackOut lets nobody hear anybody, but for one voter that hears them all, and is not heard: for longer than
// an eviction takes. All find all others silent, and that one hears them say so. Then they come back, one after
// the other.
func (w *world) blackOut() {
	all, one := w.ids(), w.shuffled()[0].id
	w.trace("nobody hears anybody, but %s all others", one)
	w.network.cut(all, all, true)
	w.network.cut(all, []string{one}, false)
	var back []string
	for k, n := range w.shuffled() {
		w.after(2*w.plan.timeout+time.Duration(k)*backEvery, func() {
			w.trace("%s is back", n.id)
			w.network.cut([]string{n.id}, back, false)
			w.network.cut(back, []string{n.id}, false)
			back = append(back, n.id)
		})
	}
}

// backEvery is far less than an eviction takes.
const backEvery = shortTimeout / 8

// atOnce lets the operator make several changes at a voter in one batch, as a script does that does not wait
// for answers: while one is under way, what comes is gathered. (In such a run a voter has one batch under way
// at a time.)
func (w *world) atOnce(n *node, changes ...store.Mutation) {
	n.propose(store.Mutation{Op: store.Set, Path: "/operator", Guard: store.Clobber}, func(answer) {})
	for _, m := range changes {
		m.Guard = store.Clobber
		w.trace("operator at %s: %v", n.id, mutationString(m))
		w.operated[m.Path+"="+string(m.Body)] = true
		n.propose(m, func(answer) {})
	}
}

// restoredWithin is how long it takes at most until voters that stand are back in slots.
const restoredWithin = 2 * time.Second

// oust lets the operator swap the slots of two voters, and then, all at once, take the slot of one of them away
// and the registrations of all others. These are still named in slots of their own, and need only to register
// again; who is named in none must not take theirs.
func (w *world) oust() {
	slots := maps.Clone(w.check.current.slots)
	paths := slices.Sorted(maps.Keys(slots))
	w.nodesRand.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	first, second := paths[0], paths[1]
	slots[first], slots[second] = slots[second], slots[first]
	at := w.shuffled()[0]
	w.atOnce(at, setting(first, slots[first]), setting(second, slots[second]))
	w.after(500*time.Millisecond, func() {
		changes := []store.Mutation{setting(first, "")}
		for _, path := range paths[1:] {
			changes = append(changes, store.Mutation{Op: store.Del, Path: nodeDirs + slots[path] + "/addr"})
		}
		w.atOnce(at, changes...)
		w.after(restoredWithin, func() {
			for _, path := range paths {
				if now := w.check.current.slots[path]; now != slots[path] {
					w.fail("%s stood, and its slot %s is %q's", slots[path], path, now)
				}
			}
		})
	})
}

func setting(path, body string) store.Mutation {
	return store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber, Body: []byte(body)}
}

// double lets the operator open a slot for an observer, and write by mistake a voter into it that has one.
func (w *world) double() {
	w.after(time.Second, func() { // the observer has joined
		waits, voter := w.alive()[w.plan.voters], w.shuffled()[0]
		w.write(setting(fmt.Sprint(calDir, w.plan.slots), voter.id))
		w.after(restoredWithin, func() {
			if !waits.writable() {
				w.fail("%s waits for a slot, and %s has two", waits.id, voter.id)
			}
		})
	})
}

// doze stops all voters but one, for less than an eviction takes, while that one is cut off. It was not heard
// for a while before, and is not for a while afterwards: together that is less than an eviction takes, too, for
// whoever counts only the time in which it ran. The observer runs on, and may look for a voter that answers
// until some time after they wake.
func (w *world) doze() {
	w.after(observerJoins, func() {
		t, voters := w.plan.timeout, w.shuffled()
		cutOff, dozing := voters[0], voters[1:]
		w.isolate(cutOff.id, true)
		w.after(t*3/10, func() {
			for _, n := range dozing {
				w.trace("%s paused", n.id)
				n.pause()
			}
		})
		w.after(t*12/10, func() {
			for _, n := range dozing {
				w.trace("%s resumes", n.id)
				n.resume()
			}
		})
		w.after(t*16/10, func() { w.isolate(cutOff.id, false) })
	})
}

// observerJoins is how long it takes at most until an observer has joined.
const observerJoins = 1500 * time.Millisecond

// demote lets the operator delete one slot after the other, and make each again, so that its voter is none for
// a moment. What waits there for an instance can have none any more.
func (w *world) demote() {
	paths := slices.Sorted(maps.Keys(w.check.current.slots))
	for k := range demotions {
		path := paths[k%len(paths)]
		w.after(time.Duration(k)*demoteEvery, func() { w.write(store.Mutation{Op: store.Del, Path: path, Guard: store.Clobber}) })
		w.after(time.Duration(k)*demoteEvery+demoteEvery/2, func() { w.write(setting(path, "")) })
	}
}

// How many voters are demoted, one after the other, and when the next one is: when the one before has a slot again.
const (
	demotions   = 12
	demoteEvery = 500 * time.Millisecond
)
