package consensus

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// maxRoundTrip is the longest round trip believed in: it bounds how far patience widens.
const maxRoundTrip = 5 * time.Second

// peer is what we know of another voter.
type peer struct {
	id      string
	applied uint64        // the highest instance it is known to have applied
	sent    time.Duration // its clock in its newest Status
	at      time.Duration // our clock when that came; 0 is never
	echoed  time.Duration // our clock in the newest of our Statuses that it is known to have
	suspect time.Duration // it is silent until it echoes a Status of ours as new as this; 0 is no suspicion
	used    time.Duration // our clock when we last heard, from anyone, that it put a batch; 0 is never
	trip    time.Duration // its own round trip to the nearest majority, by its newest Status; 0 is not known
	srtt    time.Duration // smoothed round trip; 0 is not measured yet
	rttvar  time.Duration // its mean deviation

	inMajority time.Duration // our clock when it last said that it hears a majority; 0 is never
}

// Peer is what an engine knows of another node.
type Peer struct {
	ID        string
	Voter     bool          // it rules an instance of our window; otherwise it is a follower, which we feed
	Applied   uint64        // the highest instance it is known to have applied; 0 is none
	RoundTrip time.Duration // smoothed, of a voter; 0 is not measured yet
	// Silence is how long, while this engine's own loop ran, the node gave no sign: a voter of having heard
	// us (see Engine.Silence), a follower of being there.
	Silence time.Duration
}

// Peers yields the other voters of the window, by id, and then the followers. The engine must not be used
// meanwhile.
func (e *Engine) Peers() iter.Seq[Peer] {
	return func(yield func(Peer) bool) {
		for _, p := range e.peers {
			if !yield(Peer{p.id, true, p.applied, p.srtt, e.now - p.echoed}) {
				return
			}
		}
		for _, f := range e.followers {
			if !yield(Peer{f.id, false, f.applied, 0, e.now - f.at}) {
				return
			}
		}
	}
}

// meetVoters makes the peers, and the stalls, those of the window.
func (e *Engine) meetVoters() {
	followed := e.follows()
	ids := e.windowVoters()
	stalls := make([]*stall, len(ids))
	var peers []*peer
	for k, id := range ids {
		if stalls[k] = e.stallOf(id); stalls[k] == nil {
			stalls[k] = &stall{owner: id}
		}
		if id == e.id {
			continue
		}
		p := e.peer(id)
		if p == nil {
			p = &peer{id: id, echoed: e.now, applied: e.unfollow(id)}
		}
		stalls[k].peer = p
		peers = append(peers, p)
	}
	e.peers, e.stalls, e.rules = peers, stalls, slices.Contains(ids, e.id)
	if followed && !e.follows() { // it spoke to one of them only: that the others were silent says nothing
		for _, p := range peers {
			p.echoed = e.now
		}
	}
}

// windowVoters returns everyone who rules an instance of the window, sorted: those that stand are only the last
// of them.
func (e *Engine) windowVoters() []string {
	var ids []string
	for _, r := range e.eras {
		ids = append(ids, r.voters...)
	}
	return sortedVoters(ids)
}

// peer returns what we know of voter id, or nil.
func (e *Engine) peer(id string) *peer {
	k, ok := slices.BinarySearchFunc(e.peers, id, func(p *peer, id string) int { return cmp.Compare(p.id, id) })
	if !ok {
		return nil
	}
	return e.peers[k]
}

// greet sends every voter a Status, unless we sleep several times per FillDelay, however long our own round
// trips are: others may be nearer to each other, and wait for us no longer than that. Whoever rules no instance
// of the window listens to one voter only.
func (e *Engine) greet() {
	if e.now < e.greetAt {
		return
	}
	e.greetAt = e.now + e.greetEvery()
	e.compare()
	if e.follows() && !e.lingers {
		e.greetSource()
		return
	}
	for _, p := range e.peers {
		e.sendStatus(p.id, false)
	}
	if e.lingers {
		e.greetFormer()
	}
}

// greetEvery is the pause between two greetings. Unless we sleep, two of them, and a round trip, are less than
// our patience: so long may it take until we hear that one of ours was heard.
func (e *Engine) greetEvery() time.Duration {
	switch {
	case e.asleep():
		return e.cfg.FillDelay
	case e.atRest():
		return e.cfg.FillDelay / 3
	}
	return e.cfg.FillDelay / 4
}

// greetTogether greets now if it is soon due and others do, so that hosts with nothing to do wake up once for
// all of them.
func (e *Engine) greetTogether() {
	if e.atRest() && !e.follows() && e.greetAt-e.now <= e.greetEvery()/2 {
		e.greetAt = e.now
		e.greet()
	}
}

// atRest reports whether we have nothing to say and wait for nothing.
func (e *Engine) atRest() bool { return e.idle() && e.known >= e.need }

// asleep reports whether we have been at rest for a while, and with us all others, as far as we know. Nobody is
// waited for then, so it need not be known soon who is silent; whoever is woken gives the others time to be
// heard again.
func (e *Engine) asleep() bool {
	return e.atRest() && e.now-e.stirred >= e.cfg.FillDelay
}

// stir notes that there is something to wait for.
func (e *Engine) stir() {
	e.stirred = e.now
	e.greetAt = min(e.greetAt, e.now+e.greetEvery())
}

// NextTick returns how long, from the last Tick on, the next one may be put off if nothing comes in.
func (e *Engine) NextTick() time.Duration {
	next := min(max(e.greetAt-e.now, e.cfg.FillDelay/12), e.greetEvery())
	if e.known >= e.need {
		return next
	}
	return min(next, e.untilFill())
}

func (e *Engine) sendStatus(to string, answer bool) {
	m := Message{Kind: Status, To: to, Applied: e.window.applied, Sent: e.now, RoundTrip: e.roundTrip, Answer: answer}
	if p := e.peer(to); p != nil && p.at > 0 {
		m.Echo, m.Held = p.sent, e.now-p.at
	} else if f := e.follower(to); f != nil {
		m.Echo, m.Held = f.sent, e.now-f.at
	}
	e.send(m)
}

// onStatus: what counts as hearing a voter is that it heard us. A voter whose words arrive while ours do not
// reach it is of no use to anybody's writes, and must be filled and evicted like a dead one.
func (e *Engine) onStatus(m *Message) {
	e.heardApplied(m)
	p := e.peer(m.From)
	if p == nil {
		e.heardFollower(m)
		return
	}
	if m.Sent < p.sent {
		return
	}
	p.sent, p.at, p.trip = m.Sent, e.now, min(m.RoundTrip, maxRoundTrip)
	if p.trip > 0 {
		p.inMajority = e.now
		if !e.Writable() {
			e.assured = e.now
		}
	}
	defer e.greetTogether()
	if m.Echo > p.echoed {
		p.echoed = m.Echo
		// Clocks that step may make it seem to have been held for longer than it was away. Such a measurement says that
		// the round trip is short; without it, one that was long because somebody stood still would count for ever.
		p.measure(e.now - m.Echo - min(m.Held, e.now-m.Echo))
	}
}

// heardApplied: what another has applied is decided, so we need it too.
func (e *Engine) heardApplied(m *Message) {
	if p := e.peer(m.From); p != nil {
		p.applied = max(p.applied, m.Applied)
	}
	e.heardFormer(m.From, m.Applied)
	e.needs(m.Applied)
}

// measure takes in a round trip, smoothed as TCP does it (Jacobson, "Congestion Avoidance and Control",
// SIGCOMM 1988).
func (p *peer) measure(rtt time.Duration) {
	rtt = min(max(rtt, 1), maxRoundTrip)
	if p.srtt == 0 {
		p.srtt, p.rttvar = rtt, rtt/2
		return
	}
	p.rttvar += (max(rtt-p.srtt, p.srtt-rtt) - p.rttvar) / 4
	p.srtt += (rtt - p.srtt) / 8
}

// roundTrip is how long an answer of p may well take.
func (p *peer) roundTrip() time.Duration { return p.srtt + 4*p.rttvar }

// Silence returns for how long, while this engine's own loop ran, voter id gave no sign of having heard
// us; 0 for ourselves and for those who are no voters.
func (e *Engine) Silence(id string) time.Duration {
	if p := e.peer(id); p != nil {
		return e.now - p.echoed
	}
	return 0
}

// MajoritySilence returns for how long, while this engine's own loop ran, there was no sign of a majority: a
// voter heard none, or an observer was told by no voter that it hears one. An observer may know of none for
// some fill delays although there is one: until the voter that it listens to has answered, and while it turns
// away from one that is silent, or cut off.
func (e *Engine) MajoritySilence() time.Duration { return e.now - e.assured }

// Suspect says that the other side's kernel closed the link to voter id, so that its process is probably gone: it
// counts as silent now, and is filled without a wait, until it echoes a Status sent after this call. That is safe
// even if it lives. Silence, which is evidence for an eviction, goes on as it was. An id that is no voter's
// is ignored.
func (e *Engine) Suspect(id string) {
	p := e.peer(id)
	if p == nil {
		return
	}
	p.suspect = e.now + 1
	p.used = 0 // gone, unless it is heard of anew
	e.watchOwners()
}

// suspected reports whether p's link was closed and p not heard since.
func (p *peer) suspected() bool { return p.echoed < p.suspect }

// silent reports whether p has not been heard for as long as it should take. While we slept it had to be heard
// only now and then.
func (e *Engine) silent(p *peer) bool {
	patience, silence := e.patienceWith(p), e.now-p.echoed
	return p.suspected() || silence >= patience && e.now-e.slept >= patience || silence >= patience+sleepGrace*e.cfg.FillDelay
}

// sleepGrace is for how many fill delays more than usual a voter may be silent while all sleep: several
// greetings may be lost.
const sleepGrace = 8

// patienceWith is how long p may take before we act without it: FillDelay, or twice the round trip where that
// is longer, lest a cluster over a WAN fill the living. An echo of our last greeting may be as old as the round
// trip and two pauses between greetings.
func (e *Engine) patienceWith(p *peer) time.Duration {
	return max(e.cfg.FillDelay, 2*p.roundTrip(), p.roundTrip()+3*e.cfg.FillDelay/4)
}

// patience is the longest patience with anyone who is heard. An observer hears its voter only: what it knows of
// the others is old.
func (e *Engine) patience() time.Duration {
	if e.follows() {
		if p := e.peer(e.upstream); p != nil {
			return e.patienceWith(p)
		}
	}
	d := e.cfg.FillDelay
	for _, p := range e.peers {
		if !e.silent(p) {
			d = max(d, e.patienceWith(p))
		}
	}
	return d
}

// patienceFor is how long we wait for an owner, nil if that is us, and whether it is silent.
func (e *Engine) patienceFor(owner *peer) (patience time.Duration, silent bool) {
	if owner == nil {
		return e.patience(), false
	}
	return e.patienceWith(owner), e.silent(owner)
}
