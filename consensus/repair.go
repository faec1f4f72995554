package consensus

import (
	"slices"
	"time"
)

// pull is the question about the first instance that we miss.
type pull struct {
	instance uint64
	tries    int
	again    backoff
	hurry    string        // who just sent us a part of its log, or is at work beyond our window: it will have more
	beyond   time.Duration // when the latter was so last
	rest     []Batch       // of that part, what is beyond our window
	restAt   uint64        // the instance of rest[0]
}

// pullMissing asks for what we wait for: the owner first, who may decide it by a skip, then the others in turn. Nobody
// is told of a loss unasked, so this is how every loss but that of a suggestion is mended.
func (e *Engine) pullMissing() {
	p := &e.pull
	missing := e.known + 1
	if missing > e.need {
		p.instance = 0
		return
	}
	if p.instance != missing {
		p.instance, p.tries = missing, 0
		p.again.start(e.now, e.pullAfter(missing))
		return
	}
	if p.again.due(e.now) {
		e.sendPull(e.pullFrom(missing))
		p.tries++
	}
}

// pullAfter is how long instance i may take before we ask for it. What the silent own is filled by others,
// often ahead of need: probably we have missed it.
func (e *Engine) pullAfter(i uint64) time.Duration {
	if s := e.window.at(i); s != nil {
		if p := e.peer(s.owner()); p != nil && e.silent(p) {
			return e.patience() / 8
		}
	}
	return e.patience() / 2
}

// pullFrom returns whom to ask about instance i this time, or "".
func (e *Engine) pullFrom(i uint64) string {
	s := e.window.at(i)
	if e.pull.tries == 0 && s != nil {
		if p := e.peer(s.owner()); p != nil && !e.silent(p) {
			return p.id
		}
	}
	if f := e.knower(i); f != "" && e.pull.tries%askFollower == askFollower-1 {
		return f
	}
	return e.someone(int(i%MaxVoters) + e.pull.tries)
}

// someone returns the k-th of the other voters, counted round, or the next one that is heard, if any is; "" if
// there is none.
func (e *Engine) someone(k int) string {
	n := len(e.peers)
	for j := range n {
		if p := e.peers[(k+j)%n]; !e.silent(p) {
			return p.id
		}
	}
	if n == 0 {
		return ""
	}
	return e.peers[k%n].id
}

// askFollower is how many pulls there are to one that asks a follower.
const askFollower = 4

// knower returns a follower that has applied instance i, or "": whoever told it may be gone, and it need not be
// a voter to know.
func (e *Engine) knower(i uint64) string {
	for _, f := range e.followers {
		if f.applied >= i {
			return f.id
		}
	}
	return ""
}

func (e *Engine) sendPull(to string) {
	if to == "" || e.window.at(e.known+1) == nil {
		return // nobody there, or our own caller must apply first
	}
	e.counters.Pulls++
	e.send(Message{Kind: Pull, To: to, Range: Range{e.known + 1, e.need + 1}})
}

// hurryPull asks for the next part of a log as soon as one was taken in: whoever is far behind must not wait
// for a timer.
func (e *Engine) hurryPull() {
	p := &e.pull
	e.takeRest()
	if p.hurry == "" || e.window.applied < e.known {
		return
	}
	if e.known < e.need {
		e.sendPull(p.hurry)
	}
	p.hurry = ""
}

// heardBeyond: somebody is at work beyond our window, so it knows all that we miss.
func (e *Engine) heardBeyond(m *Message) {
	i := m.Range.Lo
	if i < e.window.end() || i > MaxInstance || e.now < e.pull.beyond+e.cfg.FillDelay/4 {
		return
	}
	e.needs(i)
	e.pull.hurry, e.pull.beyond = m.From, e.now
}

// onPull answers with all we know of the instances asked for. Our own unused ones we give away: somebody waits
// for them.
func (e *Engine) onPull(m *Message) {
	if m.Range.Lo <= e.window.applied {
		e.answerOld(m.From, m.Range)
		return
	}
	e.announce(e.skipTo(m.Range.Hi))
	answer := bundle{engine: e, to: m.From}
	for _, t := range e.stalls {
		for s := range e.window.owned(m.Range, t.owner) {
			e.answerPull(s, &answer)
		}
	}
	answer.flush()
}

func (e *Engine) answerPull(s *slot, answer *bundle) {
	switch {
	case s.learner.decided:
		answer.add(s, Message{Kind: Decided, Batch: s.learner.batch})
	case s.own != nil && s.era.index(answer.to) >= 0:
		answer.add(s, Message{Kind: Suggest, Batch: s.own.batch})
	case s.acceptor.voted:
		answer.add(s, Message{Kind: Accepted, Ballot: s.acceptor.ballot})
	}
}

// answerOld answers for the part of r that was applied already, if there is one: with the decisions, or with
// the advice to take a snapshot. We never promise or accept there: what we remembered of it is gone. Whoever
// was away asks about much at once, of which each answer tells nearly all, so one is enough for a turn.
func (e *Engine) answerOld(to string, r Range) {
	if r.empty() || r.Lo == 0 || r.Lo > e.window.applied || slices.Contains(e.answered, to) {
		return
	}
	e.answered = append(e.answered, to)
	batches, ok := e.log.from(r.Lo, MaxLogBatches)
	if !ok {
		e.send(Message{Kind: TakeSnapshot, To: to, Applied: e.window.applied})
		return
	}
	e.send(Message{Kind: Log, To: to, Range: Range{r.Lo, r.Lo + uint64(len(batches))}, Batches: batches, Applied: e.window.applied})
}

// onLog: a stretch of the agreed log, which may begin before our window and end beyond it.
func (e *Engine) onLog(m *Message) {
	e.heardApplied(m)
	before := e.known
	e.pull.rest, e.pull.restAt = m.Batches, m.Range.Lo
	e.takeRest()
	switch {
	case e.known > before && !e.follows():
		e.pull.hurry = m.From
	case uint64(len(m.Batches)) > min(MaxLogBatches, e.window.size)/8:
		e.greetAt = e.now // whoever feeds us goes on when it hears that we have taken that in
	}
}

// takeRest takes in what is in the window by now of the log last sent to us. The rest is kept until our caller has
// applied so much: a small window must not make a node that is far behind ask again and again.
func (e *Engine) takeRest() {
	p := &e.pull
	for len(p.rest) > 0 && p.restAt < e.window.end() {
		batch := p.rest[0]
		p.rest, p.restAt = p.rest[1:], p.restAt+1
		s := e.window.at(p.restAt - 1)
		if s == nil {
			continue // applied already
		}
		if !s.legal(&batch, e.id) {
			e.drop()
			p.rest = nil
			return
		}
		e.decide(s, batch)
	}
}

// onTakeSnapshot: what we miss is in no log any more, unless we found it elsewhere meanwhile. Whoever is not
// known here may be a member all the same, but then it tells nothing that those who are could not.
func (e *Engine) onTakeSnapshot(m *Message) {
	if e.peer(m.From) == nil && e.follower(m.From) == nil {
		return
	}
	e.heardApplied(m)
	if m.Applied > e.known {
		e.source = m.From
	}
}
