package consensus

import (
	"slices"
	"time"
)

// pace counts how fast the others put batches to instances. Our own do not count: how far they jump depends on the
// pace, which must not feed on itself.
type pace struct {
	since time.Duration // when we began to count
	heard int           // suggestions since then
	last  int           // in the span before
	span  time.Duration // how long that was
}

// roll begins a new span when the last is over.
func (p *pace) roll(now, span time.Duration) {
	if now-p.since < span {
		return
	}
	p.last, p.span = p.heard, now-p.since
	p.since, p.heard = now, 0
}

// in returns how many suggestions there may be in the time d.
func (p *pace) in(d time.Duration) uint64 {
	return uint64(max(p.last, p.heard)) * uint64(d) / uint64(max(p.span, 1))
}

// slowFactor is how many times the round trip of the quickest voter makes a slow one. One of less than a quickShare of
// FillDelay is quick: what is measured there is how busy a host is, and who is slow sends more messages.
const (
	slowFactor = 3
	quickShare = 100
)

// lead is how far ahead of the front we skip, so that the others can go on without a word of ours. 0 is not at all.
//
// If we are idle, they shall not notice it if we turn slow or die: that takes a while to be known. If we write, but are
// slow, they shall not wait for us to hear how far they are. If we write and are not slow we stay near the front: our
// next write must not wait until those far behind it have skipped up to it.
//
// A voter that is slow and idle leads by more than one that is only idle, lest that one's next write wait for it.
func (e *Engine) lead() uint64 {
	row := uint64(len(e.standing().voters))
	switch {
	case e.idle() && e.slow:
		return min(2*e.idleLead()+2*row, e.horizon())
	case e.idle():
		return e.idleLead()
	case e.slow:
		return e.leadFor(e.roundTrip)
	}
	return 0
}

// idleLead is how far ahead of the front an idle voter is.
func (e *Engine) idleLead() uint64 { return e.leadFor(2 * e.patience()) }

// leadFor covers what may be suggested in the time d, twice.
func (e *Engine) leadFor(d time.Duration) uint64 {
	row := uint64(len(e.standing().voters))
	return min(row*(2+2*e.pace.in(d)), e.horizon())
}

// horizon is the longest lead.
func (e *Engine) horizon() uint64 { return max(1, e.window.size/2) }

// leastLead is how much of a lead is left before it is renewed.
func leastLead(lead uint64) uint64 { return lead - lead/4 }

// compare finds out how slow we are: whether our way to a majority is far longer than that of others.
func (e *Engine) compare() {
	e.roundTrip = e.toMajority()
	if e.roundTrip > 0 && e.Writable() {
		e.assured = e.now
	}
	least := time.Duration(0)
	for _, p := range e.peers {
		if p.trip > 0 && (least == 0 || p.trip < least) && !e.silent(p) {
			least = p.trip
		}
	}
	e.slow = least > 0 && e.roundTrip > slowFactor*max(least, e.cfg.FillDelay/quickShare)
}

// toMajority returns how long the nearest majority of the voters usually takes to answer; 0 is not known, or
// none is heard, or we are no voter. Whoever is one by itself waits for nobody, and says the least there is.
func (e *Engine) toMajority() time.Duration {
	var trips [MaxVoters]time.Duration
	n := 0
	for _, v := range e.standing().voters {
		if p := e.peer(v); p != nil && p.srtt > 0 && !e.silent(p) {
			trips[n] = p.srtt
			n++
		}
	}
	others := e.standing().quorum() - 1
	if n < others || !e.Writable() {
		return 0
	}
	if others == 0 {
		return 1
	}
	slices.Sort(trips[:n])
	return trips[others-1]
}
