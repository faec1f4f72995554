package client

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ha/doozerd/internal/wire"
)

// maxSecrets is how many secrets a client remembers from calls of Access, the
// newest. A server has two, and the blank one.
const maxSecrets = 8

// Client is a connection to a cluster that outlives the servers it is made
// to. It is safe for concurrent use.
//
// Invariant: there is at most one connection at a time; the next one is made
// after the last has been closed and its goroutines have ended.
type Client struct {
	cfg  Config
	ctx  context.Context // ends when the client is closed
	stop context.CancelFunc
	wg   sync.WaitGroup // the search

	cur  atomic.Pointer[conn] // nil while there is none; set under mu
	seen atomic.Int64         // the newest rev that a server has told of

	mu      sync.Mutex
	closed  bool
	search  *search // under way; nil if none is
	secrets []string

	addrs    []string // only for the search: the next one to try is the first
	failures int      // only for the search: how often in a row it found nothing good
}

// Dial connects to one address, host:port (without a port, 8046), with the
// defaults of [Config].
func Dial(ctx context.Context, addr string) (*Client, error) {
	return DialConfig(ctx, Config{Addrs: []string{addr}})
}

// DialConfig connects to the first address that answers, each being tried
// once. The error names the addresses and wraps the cause of each, a
// *[ConnError]; a refused secret is an *[Error], [ErrPermission]. When ctx
// ends after DialConfig has returned, that does not matter to the client.
func DialConfig(ctx context.Context, cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := newClient(cfg.withDefaults())
	cn, err := c.tryAll(ctx)
	if err != nil {
		c.stop()
		return nil, err
	}
	c.cur.Store(cn)
	return c, nil
}

func newClient(cfg Config) *Client {
	c := &Client{cfg: cfg, addrs: shuffled(cfg.Addrs, cfg.Rand)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	if cfg.Secret != nil {
		c.secrets = []string{*cfg.Secret}
	}
	return c
}

// Close ends the connection and every request and watch under way, which
// fail with [ErrClosed], and returns when all of the client's goroutines have
// ended. Further calls do nothing. The error is always nil.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	cn := c.cur.Load()
	c.mu.Unlock()

	c.stop()
	if cn != nil {
		cn.close(ErrClosed)
	}
	c.wg.Wait()
	return nil
}

// Access gives a secret, for this connection and those that replace it.
// [ErrPermission] if the server does not know it; what was allowed before
// remains so.
func (c *Client) Access(ctx context.Context, secret string) error {
	r := plain(wire.Request_ACCESS)
	r.Value = []byte(secret)
	for {
		x, err := c.begin(ctx, r)
		if err != nil {
			return err
		}
		if _, err := c.finish(ctx, x); err != nil {
			return err
		}
		c.remember(secret)
		if c.cur.Load() == x.call.cn {
			return nil
		}
		// A connection made meanwhile may not have been given the secret.
	}
}

func (c *Client) remember(secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.secrets, secret) {
		return
	}
	// A new slice: the search may be reading the old one.
	c.secrets = append(slices.Clone(c.secrets), secret)
	if n := len(c.secrets); n > maxSecrets {
		c.secrets = c.secrets[n-maxSecrets:]
	}
}

// saw notes a rev that a server has told of. The connection's reader calls it,
// so that by the time the connection is replaced all its answers have counted.
func (c *Client) saw(rev int64) {
	for {
		seen := c.seen.Load()
		if rev <= seen || c.seen.CompareAndSwap(seen, rev) {
			return
		}
	}
}
