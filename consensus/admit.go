package consensus

// protocol says, for each kind of message, what is true of it if its sender keeps the protocol, whatever it
// knows that we do not, and the other way round: so whoever sends another is broken.
var protocol = [kinds]struct {
	handle func(*Engine, *Message)
	// whole is about the message as it is.
	whole func(*Engine, *Message) bool
	// each is about every instance of Owner in Range that is in our window: only there do we know who the
	// voters are. It is nil for a kind that names no instances of one owner.
	each func(*Engine, *slot, *Message) bool
}{
	Suggest:      {(*Engine).onSuggest, suggestsOwn, putLegally},
	Skip:         {(*Engine).onSkip, skipsSome, nil},
	Prepare:      {(*Engine).onPrepare, anything, atOwnBallot},
	Promise:      {(*Engine).onPromise, votesLegally, promisesUs},
	Accept:       {(*Engine).onAccept, onlyNoopForMany, fillsLegally},
	Accepted:     {(*Engine).onAccepted, anything, byVoter},
	Reject:       {(*Engine).onReject, forBallot, byVoter},
	Decided:      {(*Engine).onDecided, onlyNoopForMany, legalBatch},
	Pull:         {(*Engine).onPull, asksForSome, nil},
	Log:          {(*Engine).onLog, namesItsBatches, nil},
	TakeSnapshot: {(*Engine).onTakeSnapshot, possiblyApplied, nil},
	Status:       {(*Engine).onStatus, toldInTime, nil},
}

// admits reports whether m breaks no rule, as far as we can know.
func (e *Engine) admits(m *Message) bool {
	if m.To != e.id || m.From == e.id || m.From == "" || m.Kind >= kinds || protocol[m.Kind].handle == nil {
		return false
	}
	rule := &protocol[m.Kind]
	return rule.whole(e, m) && e.mayBeOf(m.From, m.Skip) && (rule.each == nil || e.admitsEach(m, rule.each))
}

// admitsEach holds m to rule in each instance that it names. The first and the last are always the owner's.
func (e *Engine) admitsEach(m *Message, rule func(*Engine, *slot, *Message) bool) bool {
	if m.Range.empty() || m.Range.Lo == 0 {
		return false
	}
	for _, i := range []uint64{m.Range.Lo, m.Range.Hi - 1} {
		if s := e.window.at(i); s != nil && s.owner() != m.Owner {
			return false
		}
	}
	for s := range e.window.owned(m.Range, m.Owner) {
		if !rule(e, s, m) {
			return false
		}
	}
	return true
}

// mayBeOf reports whether id may skip r: unless that is nothing, some instance in it is its own. Beyond our
// window we cannot know.
func (e *Engine) mayBeOf(id string, r Range) bool {
	if r.empty() || e.window.inside(r) != r {
		return true
	}
	for range e.window.owned(r, id) {
		return true
	}
	return false
}

func anything(*Engine, *Message) bool { return true }

// suggestsOwn: a skip in the same message is of what its sender passes over.
func suggestsOwn(_ *Engine, m *Message) bool {
	return m.Range.single() && m.Ballot == 0 && m.Owner == m.From && m.Batch.Proposer == m.From && !m.Skip.contains(m.Range.Lo)
}

func skipsSome(_ *Engine, m *Message) bool { return !m.Skip.empty() }

// onlyNoopForMany: a batch is put to one instance.
func onlyNoopForMany(_ *Engine, m *Message) bool { return m.Batch.Noop() || m.Range.single() }

func forBallot(_ *Engine, m *Message) bool { return m.Ballot > 0 }

func asksForSome(_ *Engine, m *Message) bool { return !m.Range.empty() && m.Range.Lo > 0 }

func namesItsBatches(e *Engine, m *Message) bool {
	r := m.Range
	return r.Lo > 0 && r.Hi <= MaxInstance && r.Hi-r.Lo == uint64(len(m.Batches)) && possiblyApplied(e, m)
}

func possiblyApplied(_ *Engine, m *Message) bool { return m.Applied <= MaxInstance }

// toldInTime: what is echoed, we said before.
func toldInTime(e *Engine, m *Message) bool {
	return min(m.Sent, m.Echo, m.Held, m.RoundTrip) >= 0 && m.Echo <= e.now && possiblyApplied(e, m)
}

// votesLegally: a Promise tells of votes below it, in the instances that it is for.
func votesLegally(e *Engine, m *Message) bool {
	for k := range m.Votes {
		v := &m.Votes[k]
		if !m.Range.contains(v.Instance) || v.Ballot > m.Ballot {
			return false
		}
		s := e.window.at(v.Instance)
		if s != nil && (s.owner() != m.Owner || !s.era.isBallot(v.Ballot) || !s.legal(&v.Batch, e.id)) {
			return false
		}
	}
	return true
}

func promisesUs(e *Engine, s *slot, m *Message) bool {
	return byVoter(e, s, m) && s.era.mayUse(e.id, m.Ballot)
}

func byVoter(_ *Engine, s *slot, m *Message) bool {
	return s.era.index(m.From) >= 0 && s.era.isBallot(m.Ballot)
}

func atOwnBallot(_ *Engine, s *slot, m *Message) bool { return s.era.mayUse(m.From, m.Ballot) }

func legalBatch(e *Engine, s *slot, m *Message) bool { return s.legal(&m.Batch, e.id) }

// putLegally: within a ballot there is one value.
func putLegally(e *Engine, s *slot, m *Message) bool {
	return s.legal(&m.Batch, e.id) && !s.acceptor.differs(m.Ballot, &m.Batch)
}

func fillsLegally(e *Engine, s *slot, m *Message) bool {
	return atOwnBallot(e, s, m) && putLegally(e, s, m)
}
