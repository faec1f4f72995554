package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// Defaults of Config.
const (
	// DefaultMaxConns keeps connections, some ten kilobytes each while they are
	// idle, well inside of what a process may open.
	DefaultMaxConns = 16384

	// DefaultMaxWaits is how many requests may wait on one connection.
	DefaultMaxWaits = 16384

	// DefaultMaxWrites is how many writes may be under way on one connection.
	DefaultMaxWrites = 1024

	// DefaultMaxUnread is how much one connection may leave unread, in bytes,
	// unless the value limit asks for more.
	DefaultMaxUnread = 64 << 20

	// DefaultWriteTimeout is how long a client may take nothing of what is
	// being sent to it.
	DefaultWriteTimeout = 10 * time.Second
)

// MaxMaxValue is the largest MaxValue that can be configured, in bytes: a
// request and an answer with such a value, or an error that repeats what such a
// request held, still fit a frame.
const MaxMaxValue = wire.MaxFrame - 2*wire.FrameSlack

// Node is what a server needs of the node that it serves. All methods may be
// called from any goroutine.
type Node interface {
	// ID is the node's id, the answer to SELF.
	ID() string

	// Writable reports whether the node takes writes now: it is a voter.
	Writable() bool

	// Store is the node's store. It is always the same one.
	Store() *store.Store

	// Propose hands over a mutation. done is called exactly once, when it was
	// decided and applied here, with its event; or with an error: one that is
	// or wraps something with a method ReadOnly() bool, such as ErrReadOnly,
	// if the node takes no writes any more and this one has not happened, or
	// else any other if its outcome is unknown. done is called on the node's
	// loop and does not block.
	//
	// Propose blocks while the node's queue is full. It returns an error if
	// ctx ends meanwhile or the node takes nothing more: then done is never
	// called.
	Propose(ctx context.Context, m store.Mutation, done func(store.Event, error)) error

	// Barrier is like Propose, for nothing: done is called once everything
	// that was decided before is applied here.
	Barrier(ctx context.Context, done func(error)) error
}

// Peers is what a server hands the connections of other members to, which come to
// the same port as clients.
type Peers interface {
	// ServePeer serves a connection of which first was read already: it begins
	// with wire.PeerPreface and is valid until ServePeer returns. ServePeer
	// closes the connection, and returns when it has ended. Who made it has
	// proved nothing yet.
	ServePeer(conn net.Conn, first []byte)
}

// Config says how to serve a node. A limit or timeout of 0 means its default.
type Config struct {
	Node   Node
	Logger *slog.Logger

	// Desk answers for the node itself. nil: nobody does.
	Desk Desk

	// Ready reports whether the node has anything to serve yet. While it has not, the connections of clients are closed
	// as soon as they ask for something, as if nobody listened. nil: it always has.
	Ready func() bool

	// Peers takes the connections of other members, to which no limit of
	// clients applies from then on. If it is nil they are closed.
	Peers Peers

	// RWSecret is the token that gives all access; if it is empty everybody
	// has it. ROSecret is the token that gives access to read; if it is empty
	// everybody has that.
	RWSecret, ROSecret string

	// MaxValue is the longest value that may be set, in bytes: 1 to
	// MaxMaxValue, by default 1 MiB. A longer one is answered OTHER.
	MaxValue int

	// MaxConns is how many clients' connections may be open. Those beyond are
	// closed at once; or, if there are Peers, as soon as their first bytes show
	// that they are not a member's. By default DefaultMaxConns.
	MaxConns int

	// MaxWaits is how many requests may wait on one connection: WAITs, and
	// reads at a rev to come. Those beyond are answered OTHER. By default
	// DefaultMaxWaits.
	MaxWaits int

	// MaxWrites is how many SETs, DELs and NOPs may be under way on one
	// connection. Beyond it no further request is read until one of them is
	// answered. By default DefaultMaxWrites.
	MaxWrites int

	// MaxUnread is how much memory one connection may keep by not reading its
	// answers, in bytes. Answers in a row that share one value count it once.
	// Beyond it the connection is cut, so it is at least 1 MiB, where reading
	// pauses, and two values. By default DefaultMaxUnread, or that if it is
	// more.
	MaxUnread int

	// WriteTimeout is how long the client may take nothing of what is being
	// sent to it before its connection is cut, and how long the last answers
	// may take when a connection ends. By default DefaultWriteTimeout.
	WriteTimeout time.Duration
}

// Validate names the first thing that is wrong with c, if anything is.
func (c Config) Validate() error {
	switch {
	case c.Node == nil:
		return errors.New("server: a node is required")
	case c.Logger == nil:
		return errors.New("server: a logger is required")
	case c.ROSecret != "" && c.RWSecret == "":
		return errors.New("server: a secret for reading (DOOZER_ROSECRET) without one for writing" +
			" (DOOZER_RWSECRET) would let everybody write: set both, or only that for writing")
	case c.MaxValue < 0 || c.MaxValue > MaxMaxValue:
		return fmt.Errorf("server: a value limit of %d bytes, which is not 1 to %d", c.MaxValue, MaxMaxValue)
	}
	return c.validateLimits()
}

func (c Config) validateLimits() error {
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"connections", int64(c.MaxConns)},
		{"waiting requests", int64(c.MaxWaits)},
		{"writes under way", int64(c.MaxWrites)},
		{"unread bytes", int64(c.MaxUnread)},
		{"write timeout", int64(c.WriteTimeout)},
	} {
		if limit.value < 0 {
			return fmt.Errorf("server: the limit of %s is negative: %d", limit.name, limit.value)
		}
	}
	if c = c.withDefaults(); c.MaxUnread < c.leastUnread() {
		return fmt.Errorf("server: a limit of %d unread bytes, which is less than 1 MiB and two values: %d",
			c.MaxUnread, c.leastUnread())
	}
	return nil
}

// leastUnread is what clients need that do read, but have large answers.
func (c Config) leastUnread() int { return pauseUnread + 2*c.MaxValue }

// withDefaults returns c with every limit set.
func (c Config) withDefaults() Config {
	c.MaxValue = cmp.Or(c.MaxValue, wire.DefaultMaxValue)
	c.MaxConns = cmp.Or(c.MaxConns, DefaultMaxConns)
	c.MaxWaits = cmp.Or(c.MaxWaits, DefaultMaxWaits)
	c.MaxWrites = cmp.Or(c.MaxWrites, DefaultMaxWrites)
	c.MaxUnread = cmp.Or(c.MaxUnread, max(DefaultMaxUnread, c.leastUnread()))
	c.WriteTimeout = cmp.Or(c.WriteTimeout, DefaultWriteTimeout)
	return c
}
