// Package consensus puts batches of mutations into one agreed order.
//
// It is a pure state machine: proposals go in, decided batches come out. It
// reads no clock, draws no randomness, starts no goroutine, logs nothing and
// knows no network, so that one test can drive it through any schedule. A
// mutation is opaque to it: nothing here looks inside one.
//
// The invariant it keeps: instances are decided densely from 1, each exactly
// once, and [Engine.Ready] hands them out in that order. A batch carries its
// proposer and a sequence number: by these it is known, never by its content,
// because two clients may well propose the same bytes.
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

// Config says who takes part. Both fields are required.
type Config struct {
	ID     string   // of this process; no process has ever had it
	Voters []string // ids of the first voters: in this version ID and nobody else
}

// Validate says what is wrong with c. The error wraps [ErrVoters] if that is
// the voters.
func (c Config) Validate() error {
	if c.ID == "" {
		return errors.New("consensus: the id of this process is missing")
	}
	if len(c.Voters) != 1 || c.Voters[0] != c.ID {
		return fmt.Errorf("%w: got %q at %q", ErrVoters, c.Voters, c.ID)
	}
	return nil
}

// Batch is what one instance decides. Proposer and Seq are its identity. One
// without mutations was made for barriers.
type Batch struct {
	Proposer  string   // id of the voter that made it
	Seq       uint64   // dense from 1, counted by the proposer
	Mutations [][]byte // in order; nobody may modify them once proposed
}

// Ready is what an engine wants done. Its slices are lent until the next call
// of [Engine.Ready].
type Ready struct {
	Decisions []Decision // to apply, in order
}

// Decision is what one instance decided.
type Decision struct {
	Instance uint64 // dense from 1
	Batch    Batch
	Tags     []uint64 // of our own proposals in it, one for each of its mutations; nil if it is another's
	Barriers []uint64 // tags of our own barriers that hold once it is applied
}

// Engine is one node's part in the agreement. Make it with [New]. It is not
// safe for concurrent use: one loop owns it.
type Engine struct {
	id       string
	waiting  []Decision // the batch that is not suggested yet, or nothing
	lent     []Decision // what the last Ready lent out
	instance uint64     // the newest one that has a batch, and so the number of that
}

// New returns the engine of a cluster that has decided nothing yet. The error
// is that of [Config.Validate].
func New(c Config) (*Engine, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Engine{id: c.ID}, nil
}

// Propose puts a mutation into the batch that is suggested next. Mutations are
// decided in the order of their proposals. tag is the caller's name for this
// one: it comes back in the [Decision].
func (e *Engine) Propose(tag uint64, mutation []byte) {
	d := e.joinable()
	d.Batch.Mutations = append(d.Batch.Mutations, mutation)
	d.Tags = append(d.Tags, tag)
}

// Barrier puts a barrier into the batch that is suggested next. Once that is
// applied, so is everything that was decided, at any voter, before this call.
// A batch that was suggested already would not do: it may be older than that.
func (e *Engine) Barrier(tag uint64) {
	d := e.joinable()
	d.Barriers = append(d.Barriers, tag)
}

// joinable returns the one batch that is not suggested yet. With one voter it
// is clear already which instance will decide it, and batches are as many as
// instances.
func (e *Engine) joinable() *Decision {
	if len(e.waiting) == 0 {
		e.instance++
		batch := Batch{Proposer: e.id, Seq: e.instance}
		e.waiting = append(e.waiting, Decision{Instance: e.instance, Batch: batch})
	}
	return &e.waiting[0]
}

// Ready suggests what waits and returns what is to be done. Call it after every
// turn of the loop: proposals that came since the last call become one batch.
func (e *Engine) Ready() Ready {
	clear(e.lent)
	e.waiting, e.lent = e.lent[:0], e.waiting
	return Ready{Decisions: e.lent}
}
