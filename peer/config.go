package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/version"
	"github.com/ha/doozerd/store"
)

// Defaults of [Config].
const (
	DefaultCluster  = "local"
	DefaultHostname = "unknown"
	DefaultHistory  = 2000
	DefaultPulse    = time.Second
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

	Logger *slog.Logger // nil is slog.Default()
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
	if c.History < 0 || c.History > store.MaxHistory {
		return fmt.Errorf("history of %d revs: must be 1 to %d", c.History, store.MaxHistory)
	}
	if c.Pulse < 0 {
		return fmt.Errorf("pulse of %v: must not be negative", c.Pulse)
	}
	return nil
}

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
	orString := func(s *string, def string) {
		if *s == "" {
			*s = def
		}
	}
	orString(&c.Cluster, DefaultCluster)
	orString(&c.Hostname, DefaultHostname)
	orString(&c.Version, version.Version)
	if c.ID == "" {
		c.ID = NewID()
	}
	if c.History == 0 {
		c.History = DefaultHistory
	}
	if c.Pulse == 0 {
		c.Pulse = DefaultPulse
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
