package consensus

import "time"

// stall follows the first undecided instance of one owner, and what we do about it.
type stall struct {
	owner    string
	peer     *peer         // the owner; nil if that is us
	instance uint64        // nothing of the owner's below it is undecided
	since    time.Duration // when we began to wait for it
	holdoff  time.Duration // no fill before
	pause    time.Duration // after the next fill that is rejected; 0 is none yet
	floor    uint64        // ballots up to here are useless
	fill     *fill
}

// stallOf returns the stall of a voter of the window, or nil.
func (e *Engine) stallOf(owner string) *stall {
	for _, t := range e.stalls {
		if t.owner == owner {
			return t
		}
	}
	return nil
}

// watchOwners goes on with the fills under way and begins those that are due.
func (e *Engine) watchOwners() {
	for _, t := range e.stalls {
		if t.fill != nil {
			e.pursue(t)
		}
		if s := e.firstUndecided(t); s != nil && t.fill == nil && e.now >= t.holdoff && e.fillDue(t, s) {
			e.beginFill(t, s)
		}
	}
}

// firstUndecided moves t on to its owner's first undecided instance, or returns nil if the window has none.
func (e *Engine) firstUndecided(t *stall) *slot {
	for s := range e.window.owned(Range{max(t.instance, e.known+1), e.window.end()}, t.owner) {
		if s.learner.decided {
			continue
		}
		if s.instance != t.instance || s.instance > e.need {
			t.instance, t.since = s.instance, e.now
		}
		return s
	}
	return nil
}

// fillDue decides whether to close owner's instance s ourselves. It is always safe; the question is only
// whether we would be in the way of the owner, or of each other.
//
// Three reasons: we wait and the owner is silent; we wait so long that it does not matter whether it is heard
// (somebody may have prepared its instances and died: then it cannot decide them itself, and neither can we
// ours); or the owner is silent and the front comes near its instances: then one of us fills them before anyone
// waits.
func (e *Engine) fillDue(t *stall, s *slot) bool {
	if s.era.self < 0 {
		return false
	}
	patience, silent := e.patienceFor(t.peer)
	waited := time.Duration(0)
	if s.instance <= e.need {
		waited = e.now - t.since
		if silent && t.peer.suspected() {
			waited += patience // what a wait would show is known
		}
	}
	near := silent && e.front > 0 && s.instance <= e.front+e.fillAhead(t.peer) && !e.atWork(t.peer)
	if waited < patience && !near {
		return false
	}
	anyway := fillAnyway * patience
	if t.peer == nil {
		anyway /= 2 // we know best that ours was put, and not decided
	}
	turn := e.turn(s)
	queue := time.Duration(turn) * patience / 2
	return silent && waited >= patience+queue ||
		waited >= anyway+queue ||
		near && turn == 0
}

// untilFill returns how long it is until the first of those that we wait for may be filled. Whoever wakes only
// to greet others would let everybody wait for that.
func (e *Engine) untilFill() time.Duration {
	until := e.cfg.FillDelay
	for _, t := range e.stalls {
		if t.peer == nil || t.fill != nil || t.instance <= e.known || t.instance > e.need {
			continue
		}
		if due := max(t.since+e.patienceWith(t.peer), t.holdoff); due > e.now {
			until = min(until, due-e.now)
		}
	}
	return until
}

// fillTo is up to where a silent voter is filled ahead of need: beyond any lead, since whoever was idle and
// writes moves the front by its lead at once; but not to the end of our window, since those of others end where
// they have not yet applied as much, and what is beyond theirs they do not promise.
func (e *Engine) fillTo() uint64 {
	quarter := max(1, e.window.size/4)
	return min(e.front+e.horizon()+quarter, e.window.applied+3*quarter)
}

// fillAhead is how near the front may come to an instance of p, which is silent, before we fill it. Who was
// heard a moment ago may only be late, and has its lead.
func (e *Engine) fillAhead(p *peer) uint64 {
	if p.suspected() || e.now-p.echoed >= 2*e.patienceWith(p) {
		return e.horizon()
	}
	return e.idleLead() / 2
}

// atWork reports whether p, silent to us, is known by others to be writing: then filling ahead of need would
// only make it lose its instances.
func (e *Engine) atWork(p *peer) bool {
	return p.used > 0 && e.now-p.used < fillAnyway*e.patienceWith(p)
}

// fillAnyway is after how many times our patience an instance is filled though its owner is heard.
const fillAnyway = 4

// turn is how many voters come before us in filling for the owner of s: those heard of that follow it.
func (e *Engine) turn(s *slot) int {
	voters := s.era.voters
	n := len(voters)
	turn := 0
	for k := range n - 1 {
		v := voters[(int(s.instance%uint64(n))+1+k)%n]
		if v == e.id {
			break
		}
		if p := e.peer(v); p != nil && !e.silent(p) {
			turn++
		}
	}
	return turn
}

// giveWay holds our own fills for owner back, once for each new ballot of another's and for a bounded time. Two
// fillers that do not give way to each other may duel for ever; one that gives way anew to each resend is
// halted by a filler that can send and not receive.
func (e *Engine) giveWay(owner string, ballot uint64) {
	t := e.stallOf(owner)
	if t == nil || t.fill != nil && t.fill.ballot > ballot {
		return
	}
	t.floor = max(t.floor, ballot)
	t.fill = nil
	t.holdoff = max(t.holdoff, e.now+jitter(e.cfg.Rand, e.patience()))
}

// maxClimb is how much higher a rejection makes the next ballot, at most: no honest filler is ever so far ahead
// of another, and whoever claims that it promised the highest there is must not leave us none.
const maxClimb = 1 << 32

// retreat gives a fill up for another's ballot, and waits the longer the more often that happens.
func (e *Engine) retreat(t *stall, ballot uint64) {
	e.counters.Rejected++
	t.fill = nil
	t.floor = max(t.floor, min(ballot, t.floor+maxClimb))
	t.pause = min(max(e.patience()/2, 2*t.pause), maxBackoff)
	t.holdoff = max(t.holdoff, e.now+jitter(e.cfg.Rand, t.pause))
}
