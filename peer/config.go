package peer

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/version"
	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// Defaults of [Config].
const (
	DefaultCluster  = "local"
	DefaultHostname = "unknown"
	DefaultHistory  = 2000
	DefaultPulse    = time.Second

	DefaultFillDelay    = consensus.DefaultFillDelay
	DefaultTimeout      = 60 * time.Second
	DefaultWriteTimeout = 30 * time.Second
)

// Limits of what waits at a node. A proposal holds its place from Propose until
// it is answered; when there is none left, Propose blocks.
const (
	// MaxProposals bounds the proposals and barriers that wait at once.
	MaxProposals = 16 << 10

	// MaxProposalBytes bounds the encoded mutations that wait at once. A single
	// larger one goes alone.
	MaxProposalBytes = 64 << 20
)

// Config says what a node is. The zero value of every field but Addr is good.
type Config struct {
	// Addr is the host:port at which others reach the node. It is the node's
	// name in the cluster. Required.
	Addr string

	Cluster  string // name of the cluster, one path name; "" is DefaultCluster
	Hostname string // name of the host; "" is DefaultHostname
	Version  string // version of the program; "" is that of this module

	// ID names the process: one path name, never used before. Empty draws one
	// from 80 random bits.
	ID string

	// NS makes the founder list its address in /ctl/ns. A cluster that was
	// booted by another one is listed there instead.
	NS bool

	History int           // revs kept readable; 0 is DefaultHistory
	Pulse   time.Duration // between two sets of the applied file; 0 is DefaultPulse

	// FillDelay is how long to wait for a silent owner of an instance; 0 is DefaultFillDelay.
	FillDelay time.Duration

	// Timeout is the silence after which a voter is evicted; 0 is DefaultTimeout. It should be many times FillDelay.
	Timeout time.Duration

	// WriteTimeout is how long a proposal waits for a majority; 0 is DefaultWriteTimeout.
	WriteTimeout time.Duration

	// Engine tunes consensus. Its Window must be the same on all members, for ever. ID and FillDelay are set by the
	// node; Rand, if nil, is drawn.
	Engine consensus.Config

	// Attach are addresses of members, any of which will do. If Addr is among them, they are the list of those
	// that found the cluster together: see [Assembly]. None makes the node found a cluster of one.
	Attach []string

	// Patience is that of the assembly.
	Patience time.Duration

	// Secret is what members prove to each other; "" is none. TLS is how to dial them; nil is in the clear. See
	// package link.
	Secret string
	TLS    *tls.Config

	Logger *slog.Logger // nil is slog.Default()

	store *store.Store // of the node; nil makes one
}

// Validate returns an error that names the first field that cannot be used.
func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return fmt.Errorf("address to be reached at: %w", err)
	}
	if err := checkName("cluster name", c.Cluster); err != nil {
		return err
	}
	if err := checkName("id", c.ID); err != nil {
		return err
	}
	if len(c.ID) > wire.MaxPeerID {
		return fmt.Errorf("id of %d bytes, more than %d", len(c.ID), wire.MaxPeerID)
	}
	if c.History < 0 || c.History > store.MaxHistory {
		return fmt.Errorf("history of %d revs: must be 1 to %d", c.History, store.MaxHistory)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"pulse", c.Pulse}, {"fill delay", c.FillDelay}, {"timeout", c.Timeout}, {"write timeout", c.WriteTimeout},
	} {
		if d.value < 0 {
			return fmt.Errorf("%s of %v: must not be negative", d.name, d.value)
		}
	}
	timeout, fill := cmp.Or(c.Timeout, DefaultTimeout), cmp.Or(c.FillDelay, DefaultFillDelay)
	if timeout < leastTimeout*fill {
		return fmt.Errorf("timeout of %v: must be at least %d times the fill delay, which is %v", timeout, leastTimeout, fill)
	}
	return nil
}

// leastTimeout is how many fill delays the timeout is at least: those with nothing to do say no more than one
// thing in each.
const leastTimeout = 10

// ErrBadName reports a cluster name or id that cannot be part of a path.
var ErrBadName = errors.New("must be one path name: letters, digits, '.' and '-'")

// checkName accepts one path name, or none.
func checkName(what, name string) error {
	if name == "" {
		return nil
	}
	if strings.Contains(name, "/") || store.CheckPath("/"+name) != nil {
		return fmt.Errorf("%s %q: %w", what, name, ErrBadName)
	}
	return nil
}

// withDefaults returns c with every empty field filled in.
func (c Config) withDefaults() Config {
	c.Cluster = cmp.Or(c.Cluster, DefaultCluster)
	c.Hostname = cmp.Or(c.Hostname, DefaultHostname)
	c.Version = cmp.Or(c.Version, version.Version)
	if c.ID == "" {
		c.ID = NewID()
	}
	c.History = cmp.Or(c.History, DefaultHistory)
	c.Pulse = cmp.Or(c.Pulse, DefaultPulse)
	c.FillDelay = cmp.Or(c.FillDelay, DefaultFillDelay)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, DefaultWriteTimeout)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
