package link

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// Defaults of Config.
const (
	// DefaultMaxLinks bounds the links to others, and those from others. It is
	// far beyond a cluster's voters and observers.
	DefaultMaxLinks = 1024

	// DefaultMaxHandshakes is how many accepted connections may be proving
	// themselves at once.
	DefaultMaxHandshakes = 256

	// DefaultMaxQueueFrames is how many frames may wait for one link.
	DefaultMaxQueueFrames = 16384

	// DefaultMaxQueueBytes is how much may wait for one link, in bytes. As
	// much again may be in the hands of its writer.
	DefaultMaxQueueBytes = 16 << 20

	// DefaultDialTimeout leaves room to ask again once, which TCP does after a
	// second.
	DefaultDialTimeout = 2 * time.Second

	// DefaultHandshakeTimeout is how long a connection may take to prove
	// itself, TLS included.
	DefaultHandshakeTimeout = 5 * time.Second

	// DefaultWriteTimeout is how long the other side may take nothing of what
	// is sent. It is short because what is lost in a cut network is found
	// again by connecting anew, and not before.
	DefaultWriteTimeout = 5 * time.Second

	// DefaultSilence is how long a link from another process may be silent.
	// Members send several times a second.
	DefaultSilence = 10 * time.Second

	// DefaultMaxBackoff is the longest pause between two attempts to connect,
	// and so about how long a process that was restarted waits to be found.
	DefaultMaxBackoff = time.Second

	// minBackoff is the first pause.
	minBackoff = 20 * time.Millisecond
)

// Config says who this process is and what it asks of others. A limit or
// timeout of 0 means its default.
type Config struct {
	ID   string // of this process
	Addr string // host:port, by which others reach it
	Name string // of its cluster

	// Window is that of the engine, which is the same on all members, for
	// ever: who votes on an instance follows from it.
	Window uint32

	// Cluster returns the id of its cluster, empty as long as there is none.
	// It is called often, from many goroutines. Where it changes, links to
	// others are opened anew.
	Cluster func() string

	// Secret is what members prove to know. Empty: there is none.
	Secret string

	// TLS is how to dial: the certificates that this process trusts, and its
	// own. The address that is dialled must be in the other's certificate. If
	// it is set, accepted connections must be TLS, too; if there is no secret,
	// they must have shown a certificate that was verified and that is for the
	// host that their process says it is at.
	TLS *tls.Config

	Logger *slog.Logger

	MaxLinks       int // to others, and from others
	MaxHandshakes  int // accepted connections that have not proved themselves; the oldest gives way
	MaxQueueFrames int // of one link
	MaxQueueBytes  int // of one link; a longer frame is taken if nothing else waits

	DialTimeout      time.Duration
	HandshakeTimeout time.Duration
	WriteTimeout     time.Duration
	Silence          time.Duration
	MaxBackoff       time.Duration // not shorter than 20 ms
}

// Validate names the first thing that is wrong with c, if anything is.
func (c Config) Validate() error {
	for _, text := range []struct {
		name, value string
		limit       int
	}{
		{"id", c.ID, wire.MaxPeerID},
		{"address", c.Addr, wire.MaxPeerAddr},
		{"cluster name", c.Name, wire.MaxPeerName},
	} {
		if n := len(text.value); n == 0 || n > text.limit {
			return fmt.Errorf("link: %s of %d bytes, which is not 1 to %d", text.name, n, text.limit)
		}
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return fmt.Errorf("link: malformed address: %w", err)
	}
	if c.Cluster == nil {
		return errors.New("link: a function that returns the cluster's id is required")
	}
	if c.Logger == nil {
		return errors.New("link: a logger is required")
	}
	return errors.Join(c.validateTLS(), c.validateLimits())
}

func (c Config) validateTLS() error {
	switch {
	case c.TLS == nil:
		return nil
	case c.TLS.InsecureSkipVerify:
		return errors.New("link: certificates must be verified")
	case c.Secret == "" && len(c.TLS.Certificates) == 0 && c.TLS.GetClientCertificate == nil:
		return errors.New("link: without a secret, TLS needs a certificate to show")
	}
	return nil
}

func (c Config) validateLimits() error {
	for _, limit := range []struct {
		name       string
		value, min int64
	}{
		{"links", int64(c.MaxLinks), 0},
		{"handshakes", int64(c.MaxHandshakes), 0},
		{"queued frames", int64(c.MaxQueueFrames), 0},
		{"queued bytes", int64(c.MaxQueueBytes), 0},
		{"dial timeout", int64(c.DialTimeout), 0},
		{"handshake timeout", int64(c.HandshakeTimeout), 0},
		{"write timeout", int64(c.WriteTimeout), 0},
		{"silence", int64(c.Silence), 0},
		{"longest pause", int64(c.withDefaults().MaxBackoff), int64(minBackoff)},
	} {
		if limit.value < limit.min {
			return fmt.Errorf("link: the limit of %s is %d, less than %d", limit.name, limit.value, limit.min)
		}
	}
	return nil
}

// withDefaults returns c with every limit set.
func (c Config) withDefaults() Config {
	c.MaxLinks = cmp.Or(c.MaxLinks, DefaultMaxLinks)
	c.MaxHandshakes = cmp.Or(c.MaxHandshakes, DefaultMaxHandshakes)
	c.MaxQueueFrames = cmp.Or(c.MaxQueueFrames, DefaultMaxQueueFrames)
	c.MaxQueueBytes = cmp.Or(c.MaxQueueBytes, DefaultMaxQueueBytes)
	c.DialTimeout = cmp.Or(c.DialTimeout, DefaultDialTimeout)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, DefaultHandshakeTimeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, DefaultWriteTimeout)
	c.Silence = cmp.Or(c.Silence, DefaultSilence)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, DefaultMaxBackoff)
	return c
}
