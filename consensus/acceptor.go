package consensus

// acceptor is the memory that Paxos rests on, for one instance. It is never undone while the process lives.
type acceptor struct {
	promised uint64 // nothing below this ballot is accepted any more
	voted    bool
	ballot   uint64 // of batch
	batch    Batch  // accepted last; meaningful if voted
}

// promise answers a Prepare: false if a higher ballot was promised.
func (a *acceptor) promise(ballot uint64) bool {
	if ballot < a.promised {
		return false
	}
	a.promised = ballot
	return true
}

// accept answers a Suggest or an Accept: false if a higher ballot was promised.
func (a *acceptor) accept(ballot uint64, batch Batch) bool {
	if ballot < a.promised {
		return false
	}
	must(!a.voted || a.ballot <= ballot, "accepted a lower ballot after a higher")
	a.promised, a.voted, a.ballot, a.batch = ballot, true, ballot, batch
	return true
}

// differs reports whether another batch than this was accepted at this very ballot: whoever put both broke the rules.
func (a *acceptor) differs(ballot uint64, batch *Batch) bool {
	return a.voted && a.ballot == ballot && !a.batch.Same(batch)
}

// onSuggest: the owner's value at ballot 0 needs no Prepare, because no lower ballot exists.
func (e *Engine) onSuggest(m *Message) {
	e.heardSkip(m.From, m.Skip)
	s := e.window.at(m.Range.Lo)
	if s == nil {
		e.answerOld(m.From, m.Range)
		e.heardBeyond(m)
		return
	}
	e.uses(s.instance)
	e.acceptSuggestion(s, m)
}

func (e *Engine) acceptSuggestion(s *slot, m *Message) {
	self := s.era.self
	switch {
	case s.learner.decided:
		e.answerDecided(s, m.From)
	case self < 0: // an observer has no vote
	case s.acceptor.voted && s.acceptor.ballot == 0: // heard again: only the owner missed our answer
		e.learnVote(s, m.From, 0)
		e.send(Message{Kind: Accepted, To: m.From, Owner: m.From, Range: m.Range})
		e.checkQuorum(s)
	case !s.acceptor.accept(0, m.Batch):
		e.rejectSuggestion(s, m)
	default:
		e.learnVote(s, m.From, 0)
		e.learnVote(s, e.id, 0)
		e.pace.heard++
		skip := e.skipFor(s.instance)
		e.broadcast(s.era, Message{Kind: Accepted, Owner: m.From, Range: m.Range, Skip: skip})
		e.tellOthers(s.era, skip)
		e.checkQuorum(s)
	}
}

// The owner does not know that its instance is decided, so it was filled; and probably not that instance only.
func (e *Engine) answerDecided(s *slot, owner string) {
	answer := bundle{engine: e, to: owner}
	for next := range e.window.owned(Range{s.instance, e.window.end()}, owner) {
		if !next.learner.decided {
			break
		}
		answer.add(next, Message{Kind: Decided, Batch: next.learner.batch})
	}
	answer.flush()
}

// The owner does not know that its instances are prepared, or it would have gone on beyond them; so the answer names
// all that we promised away in a row.
func (e *Engine) rejectSuggestion(s *slot, m *Message) {
	r := m.Range
	for next := range e.window.owned(Range{s.instance, e.window.end()}, m.From) {
		if next.era != s.era || next.acceptor.promised == 0 {
			break
		}
		r.Hi = next.instance + 1
	}
	e.send(Message{Kind: Reject, To: m.From, Owner: m.From, Range: r, Ballot: s.acceptor.promised})
}

// onPrepare: one Prepare asks about many instances of one owner, and the answer names exactly those it
// covers. An instance decided here is answered with its decision; silence about one is not a promise.
func (e *Engine) onPrepare(m *Message) {
	e.answerOld(m.From, m.Range)
	e.goBeyond(m)
	fresh := false
	reply := bundle{engine: e, to: m.From}
	for s := range e.window.owned(m.Range, m.Owner) {
		if s.era.self < 0 {
			continue
		}
		fresh = fresh || !s.learner.decided && m.Ballot > s.acceptor.promised
		reply.toPrepare(s, m.Ballot)
	}
	reply.flush()
	if fresh {
		e.giveWay(m.Owner, m.Ballot)
	}
}

func (b *bundle) toPrepare(s *slot, ballot uint64) {
	switch {
	case s.learner.decided:
		b.add(s, Message{Kind: Decided, Batch: s.learner.batch})
	case s.acceptor.promise(ballot):
		b.add(s, Message{Kind: Promise, Ballot: ballot, Votes: s.votes()})
	default:
		b.add(s, Message{Kind: Reject, Ballot: s.acceptor.promised})
	}
}

// votes is what a Promise for s must carry.
func (s *slot) votes() []Vote {
	if a := &s.acceptor; a.voted {
		return []Vote{{s.instance, a.ballot, a.batch}}
	}
	return nil
}

// onAccept: a filler puts the no-op, or a value that may have been chosen, at a ballot it prepared.
func (e *Engine) onAccept(m *Message) {
	e.answerOld(m.From, m.Range)
	toFiller, toAll := bundle{engine: e, to: m.From}, bundle{engine: e}
	for s := range e.window.owned(m.Range, m.Owner) {
		e.acceptFill(s, m, &toFiller, &toAll)
	}
	toFiller.flush()
	toAll.flush()
}

func (e *Engine) acceptFill(s *slot, m *Message, toFiller, toAll *bundle) {
	switch {
	case s.learner.decided:
		toFiller.add(s, Message{Kind: Decided, Batch: s.learner.batch})
	case s.era.self < 0: // an observer has no vote
	case !s.acceptor.accept(m.Ballot, m.Batch):
		toFiller.add(s, Message{Kind: Reject, Ballot: s.acceptor.promised})
	default:
		e.learnVote(s, m.From, m.Ballot)
		e.learnVote(s, e.id, m.Ballot)
		toAll.add(s, Message{Kind: Accepted, Ballot: m.Ballot})
		e.checkQuorum(s)
	}
}
