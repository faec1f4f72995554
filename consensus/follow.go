package consensus

import (
	"slices"
	"time"
)

// follower is a node that rules no instance of our window and listens to us: an observer, or a voter that was
// evicted and does not know it yet. We send it the log as we apply it.
type follower struct {
	id      string
	sent    time.Duration // its clock in its newest Status
	at      time.Duration // our clock when that came
	applied uint64        // by its newest Status
	moved   time.Duration // our clock when applied last grew, or it was sent something after it had all
	next    uint64        // the instance to send next
}

// forgetFollower is for how many fill delays a silent follower is fed.
const forgetFollower = 20

func (e *Engine) follower(id string) *follower {
	for _, f := range e.followers {
		if f.id == id {
			return f
		}
	}
	return nil
}

// heardFollower takes in the Status of a node that is no voter, and answers it.
func (e *Engine) heardFollower(m *Message) {
	f := e.follower(m.From)
	if m.Answer { // two that take each other for followers must not go on for ever
		return
	}
	if f == nil {
		if len(e.followers) == MaxFollowers {
			return
		}
		f = &follower{id: m.From, moved: e.now, applied: m.Applied, next: m.Applied + 1}
		e.followers = append(e.followers, f)
	}
	if m.Sent < f.sent {
		return
	}
	f.sent, f.at = m.Sent, e.now
	switch {
	case m.Applied > f.applied:
		f.applied, f.moved = m.Applied, e.now
		f.next = max(f.next, m.Applied+1)
	case m.Echo > f.moved && e.now-f.moved > e.patience(): // it has heard what we said later, so what we sent was lost
		f.moved = e.now
		f.next = f.applied + 1
	}
	e.sendStatus(f.id, true)
}

// maxLogs is how many parts of the log a follower is sent in a turn. A busy cluster uses up instances by the
// ten thousand in a second, most of them as no-ops, and who follows must keep up.
const maxLogs = 8

// feedFollowers sends what was applied since, not further ahead of what the follower has than its window takes.
func (e *Engine) feedFollowers() {
	for _, f := range e.followers {
		for range maxLogs {
			if !e.feed(f) {
				break
			}
		}
	}
}

// feed sends f the next part of the log, if there is one for it.
func (e *Engine) feed(f *follower) bool {
	ahead := f.next - f.applied - 1
	if f.next > e.window.applied || ahead >= e.window.size {
		return false
	}
	batches, ok := e.log.from(f.next, int(min(MaxLogBatches, e.window.size-ahead)))
	if !ok {
		return false // it will ask, and be told to take a snapshot
	}
	if ahead == 0 {
		f.moved = e.now
	}
	hi := f.next + uint64(len(batches))
	e.send(Message{Kind: Log, To: f.id, Range: Range{f.next, hi}, Batches: batches, Applied: e.window.applied})
	f.next = hi
	return true
}

// dropFollowers forgets those that were not heard for long.
func (e *Engine) dropFollowers() {
	e.followers = slices.DeleteFunc(e.followers, func(f *follower) bool {
		return e.now-f.at > forgetFollower*e.cfg.FillDelay
	})
}

// unfollow forgets a follower that has become a voter, and returns what it has applied.
func (e *Engine) unfollow(id string) uint64 {
	f := e.follower(id)
	if f == nil {
		return 0
	}
	e.followers = slices.DeleteFunc(e.followers, func(g *follower) bool { return g == f })
	return f.applied
}

// follows reports whether we rule no instance of our window, and so listen to one voter only.
func (e *Engine) follows() bool { return !e.rules }

// Upstream returns the voter that an observer listens to, or "": there is none yet, or we are a voter, or
// linger and listen to all.
func (e *Engine) Upstream() string {
	if !e.follows() || e.lingers {
		return ""
	}
	return e.upstream
}

// Linger makes an engine that is no voter any more go on to greet every voter, and those of Former, so that it
// learns how far each has applied. A node that is about to stop needs to know.
func (e *Engine) Linger() { e.lingers = true }

// turnAway is after how many fill delays, at most, an observer listens to another voter if its own is silent,
// or hears no majority. Nothing is lost by that, but one that does not is soon thought dead itself, and stays
// behind.
const turnAway = 10

// turnsAfter returns after how long we turn from p.
func (e *Engine) turnsAfter(p *peer) time.Duration {
	return min(fillAnyway*e.patienceWith(p), turnAway*e.cfg.FillDelay)
}

// greetSource sends our Status to the voter we listen to; if that one is silent or does not stand any more, to
// the next. If it has heard no majority for a while, another is asked as well: whoever has, since we turned to
// the one, is the better one to listen to.
func (e *Engine) greetSource() {
	if len(e.peers) == 0 {
		return
	}
	p := e.peer(e.upstream)
	switch {
	case p == nil || e.standing().index(p.id) < 0 || p.suspected() || e.now-max(p.echoed, e.turned) > e.turnsAfter(p):
		p = e.turnTo(e.otherUpstream())
	case e.now-max(p.inMajority, e.turned) > e.turnsAfter(p):
		if other := e.otherUpstream(); other.inMajority <= max(p.inMajority, e.turned) {
			e.sendStatus(other.id, false)
		} else {
			p = e.turnTo(other)
		}
	}
	e.sendStatus(p.id, false)
}

// turnTo makes p the voter we listen to.
func (e *Engine) turnTo(p *peer) *peer {
	e.upstream, e.turned = p.id, e.now
	return p
}

// otherUpstream returns any voter that stands, of whom we are none, but not the one that we turn away from if
// there is another.
func (e *Engine) otherUpstream() *peer {
	standing := e.standing().voters
	k := e.cfg.Rand.IntN(len(standing))
	if standing[k] == e.upstream {
		k = (k + 1) % len(standing)
	}
	return e.peer(standing[k])
}
