package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// Defaults of [Config].
const (
	DefaultDialTimeout = 3 * time.Second
	DefaultRetryFor    = 10 * time.Second
	DefaultMinBackoff  = 20 * time.Millisecond
	DefaultMaxBackoff  = 2 * time.Second
	DefaultHeartbeat   = 5 * time.Second
)

// MaxAddrs is how many addresses a client takes, from a Config, a URI or a
// DzNS.
const MaxAddrs = 256

// Config says how to reach a cluster. Only Addrs is needed; the zero value of
// any other field stands for its default.
type Config struct {
	// Addrs are members of the cluster, host:port each; without a port, 8046.
	// They are tried in random order until one answers. Any member will do,
	// and several let the client survive the loss of one.
	Addrs []string

	// Secret, if not nil, is sent with ACCESS on each new connection, blank
	// as well. A server that refuses it fails the connection with
	// [ErrPermission].
	Secret *string

	// TLS, if not nil, is what to speak TLS with. An empty ServerName stands
	// for the host of the address.
	TLS *tls.Config

	// DialTimeout bounds the making of one connection: TCP, TLS, ACCESS, and
	// the server's catching up with what the client has seen before.
	DialTimeout time.Duration

	// RetryFor is how long a client whose connection is lost goes on looking
	// for a server before its requests and watches fail. (The first
	// connection tries each address only once.)
	RetryFor time.Duration

	// MinBackoff and MaxBackoff bound the pause after each round of addresses
	// none of which answered, and before a connection is replaced that broke
	// within MaxBackoff. The pause doubles from one bound to the other with
	// each failure in a row. Those taken lie between half of that and all of
	// it, at random.
	MinBackoff, MaxBackoff time.Duration

	// Heartbeat is for how long a server that owes answers may be silent
	// before it is asked for a sign of life, and then how long it has to give
	// one before it is given up. Within three heartbeats of its last word, a
	// dead server is noticed.
	Heartbeat time.Duration

	// Rand returns random numbers in [0,1), for the order of addresses and
	// for the pauses; math/rand/v2's by default. It is called from one
	// goroutine at a time.
	Rand func() float64

	// DialFunc makes the TCP connection; a net.Dialer by default.
	DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Validate says what is wrong with the first field that is.
func (c Config) Validate() error {
	if len(c.Addrs) == 0 {
		return errors.New("client: no address given")
	}
	if len(c.Addrs) > MaxAddrs {
		return fmt.Errorf("client: %d addresses, more than %d", len(c.Addrs), MaxAddrs)
	}
	for _, a := range c.Addrs {
		if _, err := withPort(a); err != nil {
			return fmt.Errorf("client: %w", err)
		}
	}
	return c.validateTimes()
}

func (c Config) validateTimes() error {
	for _, t := range []struct {
		name string
		d    time.Duration
	}{
		{"DialTimeout", c.DialTimeout},
		{"RetryFor", c.RetryFor},
		{"MinBackoff", c.MinBackoff},
		{"MaxBackoff", c.MaxBackoff},
		{"Heartbeat", c.Heartbeat},
	} {
		if t.d < 0 {
			return fmt.Errorf("client: %s is negative: %v", t.name, t.d)
		}
	}
	least := cmp.Or(c.MinBackoff, DefaultMinBackoff)
	if most := cmp.Or(c.MaxBackoff, DefaultMaxBackoff); least > most {
		return fmt.Errorf("client: MinBackoff %v is above MaxBackoff %v", least, most)
	}
	return nil
}

// withDefaults returns a copy of its own, defaults filled in.
func (c Config) withDefaults() Config {
	c.Addrs = slices.Clone(c.Addrs)
	for i, a := range c.Addrs {
		// What cannot be parsed has been refused by Validate.
		c.Addrs[i], _ = withPort(a)
	}
	c.DialTimeout = cmp.Or(c.DialTimeout, DefaultDialTimeout)
	c.RetryFor = cmp.Or(c.RetryFor, DefaultRetryFor)
	c.MinBackoff = cmp.Or(c.MinBackoff, DefaultMinBackoff)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, DefaultMaxBackoff)
	c.Heartbeat = cmp.Or(c.Heartbeat, DefaultHeartbeat)
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	if c.DialFunc == nil {
		c.DialFunc = new(net.Dialer).DialContext
	}
	return c
}

// withPort returns a host:port for what a URI or a Config gives as an
// address, which may lack the port.
func withPort(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port, err = net.SplitHostPort(bracketed(addr) + ":" + wire.DefaultPort)
	}
	if err != nil {
		return "", fmt.Errorf("address %q is neither host nor host:port", addr)
	}
	if host == "" {
		return "", fmt.Errorf("address %q has no host", addr)
	}
	return net.JoinHostPort(host, cmp.Or(port, wire.DefaultPort)), nil
}

// bracketed puts a bare IPv6 address into the brackets that a port needs.
func bracketed(host string) string {
	if strings.Contains(host, ":") && net.ParseIP(host) != nil {
		return "[" + host + "]"
	}
	return host
}
