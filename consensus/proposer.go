package consensus

import (
	"slices"
	"time"
)

// proposer holds our own proposals on their way to a decision: first waiting, then in flight as
// a suggestion, and waiting again if their instance was decided otherwise.
type proposer struct {
	next      uint64 // of our own instances, those below are used, those from here on are not
	seq       uint64 // of the last batch made
	waiting   []proposal
	lost      []*suggestion // to be suggested again before what waits, oldest first
	flights   []*suggestion // undecided, by instance
	busyUntil time.Duration // no use in thinking us idle before: we suggested something lately
}

type proposal struct {
	tag      uint64
	barrier  bool
	mutation []byte
}

// suggestion is a batch of ours and the instance we put it to.
type suggestion struct {
	instance uint64
	batch    Batch
	tags     []uint64 // of batch.Mutations
	barriers []uint64
	resend   backoff
}

func newProposer() proposer { return proposer{next: 1} }

// Propose hands in a mutation. It comes back in the Tags of exactly one Decision, or in a Failure; or
// not at all while no majority can be reached. The caller chooses the tag and must not modify the
// mutation any more. Errors: ErrReadOnly, ErrBusy; then nothing was taken.
func (e *Engine) Propose(tag uint64, mutation []byte) error {
	return e.enqueue(proposal{tag: tag, mutation: mutation})
}

// Barrier hands in a wish to know when everything decided so far is applied here. The tag comes back
// like a proposal's, in the Barriers of a Decision. A barrier is decided like a mutation (a majority takes part), so
// once it holds, this node's state is no older than any that anyone had seen before the call.
func (e *Engine) Barrier(tag uint64) error {
	return e.enqueue(proposal{tag: tag, barrier: true})
}

func (e *Engine) enqueue(p proposal) error {
	if !e.Writable() {
		return ErrReadOnly
	}
	if len(e.proposer.waiting) >= MaxWaiting {
		return ErrBusy
	}
	e.proposer.waiting = append(e.proposer.waiting, p)
	return nil
}

// Voters returns the voters that stand, sorted. The caller must not modify it.
func (e *Engine) Voters() []string { return e.standing().voters }

// Writable reports whether this engine is among the voters that stand.
func (e *Engine) Writable() bool { return e.standing().self >= 0 }

// suggestWaiting puts what waits to our next own instances, as long as few enough are in flight.
func (e *Engine) suggestWaiting() {
	p := &e.proposer
	if !e.Writable() {
		e.failWaiting()
		return
	}
	suggested := false
	for len(p.flights) < e.mostInFlight() && len(p.lost)+len(p.waiting) > 0 {
		s := e.nextOwn()
		if s == nil {
			e.needs(e.window.end() - 1) // the window must move before we can go on
			break
		}
		e.suggest(s, p.take(e.cfg.BatchBytes))
		suggested = true
	}
	if suggested {
		e.keepLead()
	}
}

// mostInFlight is how many batches of ours may be undecided. A slow voter has one, whatever waits shares the
// next: each of its batches uses up a whole lead of instances, and who follows the log must keep up.
func (e *Engine) mostInFlight() int {
	if e.slow {
		return 1
	}
	return e.cfg.MaxInFlight
}

// nextOwn returns our first instance in the window that is neither used nor promised to a filler.
func (e *Engine) nextOwn() *slot {
	for s := range e.window.owned(Range{e.proposer.next, e.window.end()}, e.id) {
		if !s.learner.decided && s.acceptor.promised == 0 {
			return s
		}
	}
	return nil
}

// take returns the oldest lost suggestion, or else a new batch of what waits.
func (p *proposer) take(maxBytes int) *suggestion {
	if len(p.lost) > 0 {
		f := p.lost[0]
		p.lost = p.lost[1:]
		return f
	}
	p.seq++
	f := &suggestion{batch: Batch{Seq: p.seq}}
	taken, bytes := 0, 0
	for taken < len(p.waiting) && taken < MaxBatch {
		w := p.waiting[taken]
		if w.barrier {
			taken++
			f.barriers = append(f.barriers, w.tag)
			continue
		}
		if bytes += len(w.mutation); bytes > maxBytes && len(f.tags) > 0 {
			break
		}
		taken++
		f.tags = append(f.tags, w.tag)
		f.batch.Mutations = append(f.batch.Mutations, w.mutation)
	}
	rest := copy(p.waiting, p.waiting[taken:])
	clear(p.waiting[rest:])
	p.waiting = p.waiting[:rest]
	return f
}

// suggest uses our instance s for f, at ballot 0 and once: that is what makes a Prepare needless. Our
// instances passed over on the way are skipped in the same message.
func (e *Engine) suggest(s *slot, f *suggestion) {
	p := &e.proposer
	skip := e.skipTo(s.instance)
	must(p.next <= s.instance && s.own == nil && !s.acceptor.voted, "own instance used twice")
	p.next = s.instance + 1
	p.busyUntil = e.now + e.patience()
	f.instance, f.batch.Proposer = s.instance, e.id
	f.resend.start(e.now, e.patience())
	p.flights = append(p.flights, f)
	s.own = f
	accepted := s.acceptor.accept(0, f.batch)
	must(accepted, "own suggestion below our promise")
	e.learnVote(s, e.id, 0)
	e.uses(s.instance)
	e.broadcast(s.era, Message{Kind: Suggest, Owner: e.id, Range: one(s.instance), Batch: f.batch, Skip: skip})
	e.tellOthers(s.era, skip)
	e.checkQuorum(s)
}

// settle is called when an instance that we suggested something at is decided. Lost means decided
// otherwise, never merely prepared or rejected: only then is it safe to propose the same batch again.
func (e *Engine) settle(s *slot) {
	p := &e.proposer
	p.flights = slices.DeleteFunc(p.flights, func(f *suggestion) bool { return f == s.own })
	if !s.own.batch.Same(&s.learner.batch) {
		e.counters.Lost++
		p.lost = append(p.lost, s.own)
	}
}

// resendSuggestions repeats what is undecided to the voters that have not answered: whoever missed a
// suggestion has nothing to ask for.
func (e *Engine) resendSuggestions() {
	for _, f := range e.proposer.flights {
		if !f.resend.due(e.now) {
			continue
		}
		s := e.window.at(f.instance)
		for k, v := range s.era.voters {
			if v != e.id && !s.learner.heard(k, 0) {
				e.counters.Resends++
				e.sendSuggestion(v, f)
			}
		}
	}
}

func (e *Engine) sendSuggestion(to string, f *suggestion) {
	e.send(Message{Kind: Suggest, To: to, Owner: e.id, Range: one(f.instance), Batch: f.batch})
}

// failWaiting ends what we can no longer propose because we are no voter any more. What is in flight may still win.
func (e *Engine) failWaiting() {
	p := &e.proposer
	for _, f := range p.lost {
		e.fail(f, ErrReadOnly)
	}
	for _, w := range p.waiting {
		e.failed = append(e.failed, Failure{w.tag, ErrReadOnly})
	}
	clear(p.waiting)
	p.lost, p.waiting = nil, p.waiting[:0]
}

// Withdraw takes back the proposals and barriers with tags up to upTo that no other engine can have accepted:
// those that wait for their batch, and those whose batch lost its instance. They do not happen, and no Failure
// comes of them. It returns their tags. Of the others up to upTo a Decision or a Failure may still come.
func (e *Engine) Withdraw(upTo uint64) (tags []uint64) {
	p := &e.proposer
	p.waiting = slices.DeleteFunc(p.waiting, func(w proposal) bool {
		if w.tag <= upTo {
			tags = append(tags, w.tag)
		}
		return w.tag <= upTo
	})
	p.lost = slices.DeleteFunc(p.lost, func(f *suggestion) bool {
		all := slices.Concat(f.tags, f.barriers)
		if slices.Max(all) > upTo {
			return false // one batch, one fate
		}
		tags = append(tags, all...)
		return true
	})
	return tags
}

func (e *Engine) fail(f *suggestion, err error) {
	for _, tags := range [][]uint64{f.tags, f.barriers} {
		for _, t := range tags {
			e.failed = append(e.failed, Failure{t, err})
		}
	}
}
