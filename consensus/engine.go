package consensus

import "time"

// Engine is one node's part in the agreement. Make it with New.
type Engine struct {
	cfg Config
	id  string
	now time.Duration // time while the loop ran: see Tick
	raw time.Duration // the newest time Tick was told

	window   window
	log      log
	eras     []*era  // of the window, oldest first; the last one stands
	escaped  uint64  // the last instance that Escape closed, while the caller's state names former members; 0 is never
	handed   uint64  // decisions handed out up to here; applied ≤ handed ≤ known
	known    uint64  // decided without a gap up to here
	need     uint64  // highest instance that we must come to know: see needs
	front    uint64  // highest instance known to be used for a batch: see uses
	in       Message // being taken in; here so that it is not allocated each time
	out      []Message
	spare    []Message // the slice that the last Ready lent out
	results  []Decision
	failed   []Failure
	answered []string // who was sent a part of the log since the last Ready
	source   string   // the member to take a snapshot from, to be told in the next Ready

	proposer  proposer
	pace      pace
	roundTrip time.Duration // to the nearest majority; 0 is not known
	slow      bool          // far slower than others: see lead
	peers     []*peer       // every voter of the window but us, by id
	stalls    []*stall      // of every voter of the window
	rules     bool          // we are one of those
	greetAt   time.Duration // when the next Status goes out
	stirred   time.Duration // when we last came to need an instance
	slept     time.Duration // until when we were asleep last
	upstream  string        // the voter an observer listens to
	turned    time.Duration // when it turned to that one
	assured   time.Duration // when we last heard a majority or, if we are no voter, were told by one that it does
	pull      pull
	followers []*follower
	former    []former
	lingers   bool // see Linger
	counters  Counters
}

// Ready is what an engine wants done. Its slices are lent until the next call of Ready.
type Ready struct {
	// Messages to send. Any of them may be lost, and the connection they travel on may be slow.
	Messages []Message
	// Decisions to apply, in order, each followed by a call of Applied.
	Decisions []Decision
	// Failures are proposals and barriers that will have no decision here.
	Failures []Failure
	// SnapshotFrom is "" or a member to take a snapshot from, for Install: this engine needs instances
	// that others no longer keep.
	SnapshotFrom string
}

// Decision is what one instance decided.
type Decision struct {
	Instance uint64
	Batch    Batch
	// Tags are those of our own proposals in this batch, one for each of its mutations; nil in a batch of others.
	Tags []uint64
	// Barriers are the tags of our own barriers that hold once this batch is applied.
	Barriers []uint64
}

// Failure is the end of a proposal or a barrier of ours without a decision.
type Failure struct {
	Tag uint64
	Err error // ErrReadOnly or ErrUnknown
}

// Counters count, from the engine's start, what a healthy cluster does little of.
type Counters struct {
	Dropped   uint64 // messages (or parts) that broke a rule of the protocol
	Conflicts uint64 // of these, claims of another decision than the one known: somebody is broken
	Lost      uint64 // own batches whose instance was decided otherwise, and that were proposed again
	Fills     uint64 // Prepares begun
	Rejected  uint64 // fills given up for another's higher ballot
	Pulls     uint64
	Resends   uint64 // Suggests, Prepares and Accepts sent again
}

// New returns an engine that goes on from start: Founding for the first voters of a new cluster, or a
// snapshot of a member for one that joins. It takes no part in deciding anything until it is among the
// voters.
func New(cfg Config, start Snapshot) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := start.check(uint64(cfg.Window)); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, id: cfg.ID, proposer: newProposer()}
	e.window = newWindow(uint64(cfg.Window))
	e.log = newLog(cfg.Retain, cfg.RetainBytes)
	e.pace.span = cfg.FillDelay
	e.restart(start)
	return e, nil
}

// Applied says that decision i, the next one in order, has been applied, and who the voters are as of
// then. None, or more than MaxVoters, means that those before stand. The window moves on by one.
func (e *Engine) Applied(i uint64, voters []string) {
	must(i == e.window.applied+1 && i <= e.handed, "applied out of order")
	s := e.window.at(i)
	e.log.append(i, s.learner.batch)
	next := e.eraAfter(i, voters)
	e.window.advance(next)
	e.forgetEras()
	if next.from == i+e.window.size {
		e.changed(next)
	}
}

// Tick tells the engine the time, on any clock that does not go back. Call it before every turn of the
// loop, and when NextTick says. A step longer than FillDelay counts as FillDelay: while our own loop
// stood still, the silence of others proves nothing.
func (e *Engine) Tick(now time.Duration) {
	step := now - e.raw
	if step <= 0 {
		return
	}
	e.raw = now
	e.now += min(step, e.cfg.FillDelay)
	if e.asleep() {
		e.slept = e.now
	}
	e.pace.roll(e.now, e.patience())
	e.greet()
	e.resendSuggestions()
	e.watchOwners()
	e.pullMissing()
	e.dropFollowers()
}

// Ready returns what is to be done, and forgets it. Call it after every turn of the loop: proposals that
// came since the last call become one batch now.
func (e *Engine) Ready() Ready {
	e.suggestWaiting()
	e.hurryPull()
	e.feedFollowers()
	r := Ready{Messages: e.out, Decisions: e.decisions(), Failures: e.failed, SnapshotFrom: e.source}
	e.out, e.spare = emptied(e.spare), e.out
	e.failed, e.source, e.answered = nil, "", e.answered[:0]
	return r
}

// decisions hands out what was decided, each instance once and in order; nothing above a gap.
func (e *Engine) decisions() []Decision {
	e.results = emptied(e.results)
	for e.handed < e.known {
		e.handed++
		s := e.window.at(e.handed)
		must(s != nil && s.learner.decided, "handed out an undecided instance")
		d := Decision{Instance: e.handed, Batch: s.learner.batch}
		if s.own != nil && s.own.batch.Same(&d.Batch) {
			d.Tags, d.Barriers = s.own.tags, s.own.barriers
		}
		e.results = append(e.results, d)
	}
	return e.results
}

// maxSpare is for how many elements a slice that was lent keeps its room. Whoever was cut off for a second may
// have said a hundred thousand things in one turn, and never will again.
const maxSpare = 1024

// emptied returns s to be filled anew; nothing that was shared in it is kept.
func emptied[T any](s []T) []T {
	if cap(s) > maxSpare {
		return nil
	}
	clear(s)
	return s[:0]
}

// LastApplied returns the highest instance the caller has applied.
func (e *Engine) LastApplied() uint64 { return e.window.applied }

// Alone reports whether there is no other voter and nobody who follows.
func (e *Engine) Alone() bool { return len(e.peers) == 0 && len(e.followers) == 0 }

// Trim gives up the log that is kept for others to catch up from. Who needs it takes a snapshot.
func (e *Engine) Trim() {
	for e.log.count > 1 {
		e.log.dropFirst()
	}
}

// Window returns how many instances may be undecided at once.
func (e *Engine) Window() uint64 { return e.window.size }

// Counters returns the counts so far.
func (e *Engine) Counters() Counters { return e.counters }

// Step takes in a message. What breaks a rule of the protocol is dropped and counted, whoever sent it.
// The message must have come from From.
func (e *Engine) Step(m Message) {
	e.in = m
	if e.admits(&e.in) {
		protocol[m.Kind].handle(e, &e.in)
	} else {
		e.drop()
	}
	e.in = Message{} // holds nobody's batch
}

func (e *Engine) drop() { e.counters.Dropped++ }

func (e *Engine) send(m Message) {
	must(m.To != e.id, "message to ourselves")
	m.From = e.id
	e.out = append(e.out, m)
}

// broadcast sends m to every voter of era but ourselves.
func (e *Engine) broadcast(era *era, m Message) {
	for _, v := range era.voters {
		if v != e.id {
			m.To = v
			e.send(m)
		}
	}
}

// must holds our own state to its invariants, always. What others send is checked, never asserted.
func must(ok bool, broken string) {
	if !ok {
		panic("consensus: " + broken)
	}
}
