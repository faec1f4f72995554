package consensus

// learner counts who accepted what in one instance, and keeps the decision.
type learner struct {
	newest  [MaxVoters]uint64 // by voter: 1 + the highest ballot it was heard to accept at; 0 is none
	decided bool
	batch   Batch // meaningful if decided
}

func (l *learner) hear(voter int, ballot uint64) {
	l.newest[voter] = max(l.newest[voter], ballot+1)
}

func (l *learner) heard(voter int, ballot uint64) bool { return l.newest[voter] == ballot+1 }

// count returns how many voters accepted at ballot, as far as heard. One that went on to a higher ballot
// no longer counts: that may delay a decision, never change it.
func (l *learner) count(ballot uint64) int {
	n := 0
	for _, b := range l.newest {
		if b == ballot+1 {
			n++
		}
	}
	return n
}

// learnVote notes that id accepted at ballot in s. Only the voters of that very instance count.
func (e *Engine) learnVote(s *slot, id string, ballot uint64) {
	voter := s.era.index(id)
	must(voter >= 0, "vote of somebody who is no voter of the instance")
	s.learner.hear(voter, ballot)
}

// checkQuorum decides s if a majority of its voters accepted at the ballot we accepted at. At another
// ballot we do not know the value; a pull will tell.
func (e *Engine) checkQuorum(s *slot) {
	if a := &s.acceptor; a.voted && s.learner.count(a.ballot) >= s.era.quorum() {
		e.decide(s, a.batch)
	}
}

// decide keeps a decision, once and for all.
func (e *Engine) decide(s *slot, batch Batch) {
	if s.learner.decided {
		if !s.learner.batch.Same(&batch) {
			e.drop()
			e.counters.Conflicts++
		}
		return
	}
	s.learner.decided, s.learner.batch = true, batch
	if !batch.Noop() {
		e.uses(s.instance)
	}
	if s.own != nil {
		e.settle(s)
	}
	for next := s; next != nil && next.learner.decided && next.instance == e.known+1; next = e.window.at(e.known + 1) {
		e.known++
	}
}

// needs notes that we cannot stop below instance i: a batch was put to it, somebody has applied it, or a change
// of voters waits for it.
func (e *Engine) needs(i uint64) {
	if i > e.need {
		e.need = i
		e.stir()
	}
}

// uses notes that a batch was put to instance i. The front is what others keep ahead of; it must not follow what
// they themselves skip and fill, or an idle cluster would run for ever.
func (e *Engine) uses(i uint64) {
	e.front = max(e.front, i)
	e.needs(i)
}

func (e *Engine) onAccepted(m *Message) {
	e.heardSkip(m.From, m.Skip)
	for s := range e.window.owned(m.Range, m.Owner) {
		if m.Ballot == 0 {
			e.uses(s.instance)
			if p := e.peer(m.Owner); p != nil {
				p.used = e.now
			}
			e.announce(e.skipTo(s.instance)) // its owner may not reach us, and it waits for ours below
		}
		e.learnVote(s, m.From, m.Ballot)
		e.checkQuorum(s)
	}
}

// onDecided: whoever knows a decision may tell it.
func (e *Engine) onDecided(m *Message) {
	for s := range e.window.owned(m.Range, m.Owner) {
		e.decide(s, m.Batch)
	}
}
