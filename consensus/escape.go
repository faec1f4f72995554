package consensus

import "slices"

// Escape is the way out of a lost majority: this engine goes on as a cluster of one. It closes its window by
// Paxos with itself as sole voter: what it accepted is adopted, since it may have been acknowledged, and the
// rest are no-ops. All of it comes out as Decisions of the next Ready, and what was proposed here ends as it
// always does. What only others had accepted is lost, and so is, at a voter or an observer that is behind, what
// it had not heard of. Call it when nothing that Ready returned is left to apply.
//
// Only the operator can know that the others are gone for good: if they are not, there are two clusters. So the
// caller must refuse former members from then on, whatever they say (its cluster is another one, with another
// id). The caller's state goes on naming them: they do not count as voters, until the caller has taken them out
// of it and Applied names this engine alone. It must give a snapshot to nobody before that.
func (e *Engine) Escape() {
	alone := e.newEra(e.window.applied+1, []string{e.id})
	e.eras, e.escaped = []*era{alone}, e.window.end()-1
	for i := alone.from; i <= e.escaped; i++ {
		s := e.window.at(i)
		s.era = alone
		if !s.learner.decided {
			e.decide(s, s.acceptor.adopted())
		}
	}
	must(len(e.proposer.flights) == 0 && e.known == e.escaped, "escaped with an instance open")
	e.proposer.next = e.window.end()
	e.need, e.front = e.known, min(e.front, e.known)
	e.pull, e.source, e.upstream = pull{}, "", ""
	e.stalls, e.followers, e.former = nil, nil, nil
	e.meetVoters()
}

// adopted is what a filler would put if this acceptor were all there are.
func (a *acceptor) adopted() Batch {
	if !a.voted {
		return Batch{}
	}
	return a.batch
}

// namesFormer reports whether voters, decided at instance i, are not ours since the escape: those in the
// instances that it closed, and all that name anyone else, until they are us alone for the first time.
func (e *Engine) namesFormer(i uint64, voters []string) bool {
	if e.escaped == 0 {
		return false
	}
	if i <= e.escaped || !slices.Equal(voters, []string{e.id}) {
		return true
	}
	e.escaped = 0
	return false
}

// Escaping reports whether Escape was called, and Applied has not named this engine alone since, beyond the
// instances that it closed.
func (e *Engine) Escaping() bool { return e.escaped != 0 }
