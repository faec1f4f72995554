package consensus

// skipTo gives our own unused instances below hi away as no-ops and returns the range to tell the others, empty if
// there is nothing to tell. A skip is decided at once: nobody but us could have put anything else there, and now we
// never shall. That holds whatever we promised to a filler. A skip always names its range: what a
// message merely seems to imply may be wrong, because the one before it was lost.
func (e *Engine) skipTo(hi uint64) Range {
	p := &e.proposer
	r := e.window.inside(Range{p.next, hi})
	if r.empty() {
		return Range{}
	}
	p.next = r.Hi
	skipped := false
	for s := range e.window.owned(r, e.id) {
		must(s.own == nil, "skipped an own instance that is used")
		if !s.learner.decided {
			e.decide(s, Batch{})
			skipped = true
		}
	}
	if !skipped {
		return Range{}
	}
	return r
}

// skipFor is what we skip on hearing a suggestion at i: what we did not use below i, since everyone waits
// for it, and ahead of need what is to be our lead. That is renewed when a quarter of it is used up.
func (e *Engine) skipFor(i uint64) Range {
	lead := e.lead()
	if e.proposer.next < i+leastLead(lead) {
		return e.skipTo(i + lead)
	}
	return Range{}
}

// keepLead renews our lead after a suggestion of our own, which has used it up.
func (e *Engine) keepLead() {
	if lead := e.lead(); lead > 0 {
		e.announce(e.skipTo(e.front + lead))
	}
}

// goBeyond skips our own instances up to those that m says are prepared, as far as we have not used them: that
// is always legal, and whatever we would suggest there now would be rejected. Beyond our window we do not know
// who may prepare.
func (e *Engine) goBeyond(m *Message) {
	if m.Owner == e.id && m.Range.Lo < e.window.end() {
		e.announce(e.skipTo(m.Range.Hi))
	}
}

// idle reports whether we have nothing to say and have not for a while.
func (e *Engine) idle() bool {
	p := &e.proposer
	busy := len(p.waiting)+len(p.lost)+len(p.flights) > 0
	return !busy && e.now >= p.busyUntil
}

// announce tells every voter of the window what we skipped.
func (e *Engine) announce(skip Range) {
	if skip.empty() {
		return
	}
	for _, p := range e.peers {
		e.send(Message{Kind: Skip, To: p.id, Skip: skip})
	}
}

// tellOthers tells a skip to those voters of the window that the message which carried it was not for.
func (e *Engine) tellOthers(carried *era, skip Range) {
	if skip.empty() || len(e.eras) == 1 {
		return
	}
	for _, p := range e.peers {
		if carried.index(p.id) < 0 {
			e.send(Message{Kind: Skip, To: p.id, Skip: skip})
		}
	}
}

func (e *Engine) onSkip(m *Message) { e.heardSkip(m.From, m.Skip) }

// heardSkip learns that from's own instances in r are no-ops. One that it suggested a batch at is not:
// it has used its ballot 0 there.
func (e *Engine) heardSkip(from string, r Range) {
	for s := range e.window.owned(r, from) {
		if s.acceptor.voted && !s.acceptor.batch.Noop() {
			e.drop()
			continue
		}
		e.decide(s, Batch{})
	}
}
