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

// MaxWaiting bounds the proposals and barriers that wait for their batch.
const MaxWaiting = 1 << 16

var (
	// ErrVoters reports first voters that this version cannot rule.
	ErrVoters = errors.New("consensus needs exactly one voter in this version, the process itself")

	// ErrBusy reports that MaxWaiting proposals wait. Nothing was taken.
	ErrBusy = errors.New("too many proposals wait for agreement")
)

// Config is what an engine is made with.
type Config struct {
	// ID is the id of this process. It must never have been an engine's before:
	// a new process remembers nothing of what an older one has accepted.
	// Required.
	ID string
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if c.ID == "" {
		return errors.New("consensus: the id of this process is missing")
	}
	return nil
}

// Snapshot is a state of the agreement that an engine goes on from. In this
// version it can only be the beginning.
type Snapshot struct{ voters []string }

// Founding is the beginning of a cluster whose first voters are these.
func Founding(voters ...string) Snapshot { return Snapshot{voters} }

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

// New returns an engine that goes on from start. The error is that of
// [Config.Validate], or wraps [ErrVoters].
func New(c Config, start Snapshot) (*Engine, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if len(start.voters) != 1 || start.voters[0] != c.ID {
		return nil, fmt.Errorf("%w: the first voters are %q, the process is %q", ErrVoters, start.voters, c.ID)
	}
	return &Engine{id: c.ID}, nil
}

// Propose puts a mutation into the batch that is suggested next. Mutations are
// decided in the order of their proposals. tag is the caller's name for this
// one: it comes back in the [Decision]. The error is [ErrBusy].
func (e *Engine) Propose(tag uint64, mutation []byte) error {
	d := e.joinable()
	if full(d) {
		return ErrBusy
	}
	d.Batch.Mutations = append(d.Batch.Mutations, mutation)
	d.Tags = append(d.Tags, tag)
	return nil
}

// Barrier puts a barrier into the batch that is suggested next. Once that is
// applied, so is everything that was decided, at any voter, before this call.
// A batch that was suggested already would not do: it may be older than that.
// The error is [ErrBusy].
func (e *Engine) Barrier(tag uint64) error {
	d := e.joinable()
	if full(d) {
		return ErrBusy
	}
	d.Barriers = append(d.Barriers, tag)
	return nil
}

func full(d *Decision) bool { return len(d.Tags)+len(d.Barriers) >= MaxWaiting }

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
