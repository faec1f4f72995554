// Package consensus puts batches of mutations into one agreed order.
//
// It is a pure state machine: proposals go in, decided batches come out. It
// reads no clock, draws no randomness, starts no goroutine, logs nothing and
// knows no network, so that one test can drive it through any schedule. A
// mutation is opaque to it: nothing here looks inside one.
//
// The invariant it keeps: instances are decided densely from 1, each exactly
// once, and [Engine.Output] hands them out in that order. A batch carries its
// proposer and a sequence number, and only by these may a proposer recognise
// its own: two clients may well propose the same bytes.
//
// This version rules clusters of one voter. Its own acceptance is the
// majority, so a batch is decided as soon as it is suggested: there is nobody
// to send a message to and nothing to wait for.
package consensus

import (
	"errors"
	"fmt"
)

// ErrVoters reports a set of voters that this version cannot rule.
var ErrVoters = errors.New("consensus needs exactly one voter in this version")

// Config says who takes part. Every field is required.
type Config struct {
	Self   string   // id of this process
	Voters []string // ids of the voters: Self and, in this version, nobody else
}

// Validate returns an error that wraps [ErrVoters] and names the voters if
// they are not Self alone.
func (c Config) Validate() error {
	if c.Self == "" {
		return errors.New("consensus: the id of this process is missing")
	}
	if len(c.Voters) != 1 || c.Voters[0] != c.Self {
		return fmt.Errorf("%w: got %q at %q", ErrVoters, c.Voters, c.Self)
	}
	return nil
}

// A Batch is what one instance decides.
type Batch struct {
	Proposer  string   // id of the voter that proposed it
	Seq       uint64   // the proposer's number for it, dense from 1
	Mutations [][]byte // in order; none at all if it carries only barriers
}

// A Decision is a batch at its place in the agreed order.
type Decision struct {
	Instance int64 // dense, from 1
	Batch    Batch
}

// Engine is the consensus state of one voter. It is not safe for concurrent
// use: one goroutine owns it.
type Engine struct {
	self     string
	open     *Batch // takes proposals until it is suggested; nil if there are none
	lastSeq  uint64 // of the newest batch, open or not
	instance int64  // the newest one decided
}

// New returns the engine of a voter that has decided nothing yet. The error
// is that of [Config.Validate].
func New(c Config) (*Engine, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Engine{self: c.Self}, nil
}

// Propose puts a mutation into the batch that has not been suggested yet and
// returns that batch's sequence number. Mutations of one batch keep the order
// of their proposals. The engine keeps the bytes: the caller must not change
// them any more.
func (e *Engine) Propose(mutation []byte) (seq uint64) {
	b := e.joinable()
	b.Mutations = append(b.Mutations, mutation)
	return b.Seq
}

// Barrier joins the batch that has not been suggested yet and returns its
// sequence number. Whoever has applied that batch has applied everything that
// was decided, at any voter, before Barrier was called. A batch that was
// suggested already would not do: it may have been decided before.
func (e *Engine) Barrier() (seq uint64) {
	return e.joinable().Seq
}

// joinable returns the one batch that has not been suggested yet.
func (e *Engine) joinable() *Batch {
	if e.open == nil {
		e.lastSeq++
		e.open = &Batch{Proposer: e.self, Seq: e.lastSeq}
	}
	return e.open
}

// Output suggests what waits and returns what has been decided since the last
// call, in the order of instances. The caller applies it all, in that order.
func (e *Engine) Output() []Decision {
	if e.open == nil {
		return nil
	}
	b := *e.open
	e.open = nil
	e.instance++
	return []Decision{{Instance: e.instance, Batch: b}}
}
