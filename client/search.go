package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// search is the looking for a connection to replace one. All requests that
// need it share it. cn and err are set before done is closed.
type search struct {
	old   *conn // may be nil
	leave bool  // old still works: let its requests finish first

	done chan struct{}
	cn   *conn
	err  error
}

// connection returns the connection in use, or finds one. It may break at any
// time.
func (c *Client) connection(ctx context.Context) (*conn, error) {
	if cn := c.cur.Load(); cn != nil {
		return cn, nil
	}
	s, cn, err := c.joinSearch()
	if err != nil || cn != nil {
		return cn, err
	}
	select {
	case <-s.done:
		return s.cn, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// joinSearch returns the search under way, begins one, or returns the
// connection that one has just found.
func (c *Client) joinSearch() (*search, *conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	if cn := c.cur.Load(); cn != nil {
		return nil, cn, nil
	}
	if c.search == nil {
		c.beginSearch(&search{})
	}
	return c.search, nil, nil
}

// replace begins the search for another connection than cn, unless somebody
// has begun it already.
func (c *Client) replace(cn *conn, leave bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && c.cur.CompareAndSwap(cn, nil) {
		c.beginSearch(&search{old: cn, leave: leave})
	}
}

// beginSearch needs c.mu.
func (c *Client) beginSearch(s *search) {
	s.done = make(chan struct{})
	c.search = s
	c.wg.Go(func() {
		c.retire(s)
		c.find(s)
		c.publish(s)
	})
}

// retire ends the connection to be replaced and puts its address last.
func (c *Client) retire(s *search) {
	if s.old == nil {
		return
	}
	if s.leave {
		s.old.leave(c.ctx)
	}
	s.old.close(errLeft)
	c.addrs = rotated(c.addrs)
	c.failures = c.failuresAfter(s)
}

// failuresAfter judges the connection that is to be replaced. One that broke
// soon without having answered anything is one failure more, so that servers
// that do nothing but accept are not asked ever faster.
func (c *Client) failuresAfter(s *search) int {
	switch {
	case s.leave || time.Since(s.old.born) > c.cfg.MaxBackoff:
		return 0
	case s.old.served.Load():
		return 1
	}
	return c.failures + 1
}

// find tries all addresses, round after round, for RetryFor.
func (c *Client) find(s *search) {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.RetryFor)
	defer cancel()
	for {
		if !sleep(ctx, c.backoff()) {
			break
		}
		cn, err := c.tryAll(ctx)
		if err == nil {
			s.cn = cn
			return
		}
		c.failures++
		if s.err == nil || ctx.Err() == nil {
			s.err = err
		}
		if errors.Is(err, ErrPermission) {
			break
		}
	}
	if s.err == nil {
		s.err = fmt.Errorf("no server found within %v: %w", c.cfg.RetryFor, ctx.Err())
	}
}

// publish lets everybody use what the search has found.
func (c *Client) publish(s *search) {
	c.mu.Lock()
	c.search = nil
	closed := c.closed
	if closed {
		s.err = ErrClosed
	} else {
		c.cur.Store(s.cn)
	}
	c.mu.Unlock()

	if closed && s.cn != nil {
		s.cn.close(ErrClosed)
		s.cn = nil
	}
	close(s.done)
}

// backoff returns how long to wait before the next round: nothing before the
// first, and then a random time between half of what the failures so far
// stand for and all of it.
func (c *Client) backoff() time.Duration {
	if c.failures == 0 {
		return 0
	}
	d := c.cfg.MinBackoff
	for n := 1; n < c.failures && d < c.cfg.MaxBackoff; n++ {
		d *= 2
	}
	d = min(d, c.cfg.MaxBackoff)
	return d/2 + time.Duration(c.cfg.Rand()*float64(d/2))
}

// sleep reports whether it slept for d before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tryAll tries each address once. That of the connection it returns is then
// the first. A secret refused by one is not tried at others: it is the
// cluster's.
func (c *Client) tryAll(ctx context.Context) (*conn, error) {
	var failed error
	for range c.addrs {
		cn, err := c.dial(ctx, c.addrs[0])
		if err == nil || errors.Is(err, ErrPermission) {
			return cn, err
		}
		c.addrs = rotated(c.addrs)
		failed = also(failed, err)
	}
	return nil, failed
}

// also joins the errors of several addresses on one line.
func also(a, b error) error {
	if a == nil {
		return b
	}
	return fmt.Errorf("%w; %w", a, b)
}

// dial makes a connection that is ready for use: it has been given the
// secrets, has answered, and has applied all that this client has seen.
func (c *Client) dial(ctx context.Context, addr string) (*conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.DialTimeout, errDialTimeout)
	defer cancel()
	nc, err := c.dialNet(ctx, addr)
	if err != nil {
		return nil, &ConnError{Addr: addr, Err: dialCause(ctx, err)}
	}
	cn := newConn(addr, nc, c.cfg.Heartbeat)
	if err := c.hello(ctx, cn); err != nil {
		cn.close(err)
		return nil, cn.helloError(ctx, err)
	}
	return cn, nil
}

// dialNet makes the TCP connection, and speaks TLS over it if configured.
func (c *Client) dialNet(ctx context.Context, addr string) (net.Conn, error) {
	nc, err := c.cfg.DialFunc(ctx, "tcp", addr)
	if err != nil || c.cfg.TLS == nil {
		return nc, err
	}
	t := tls.Client(nc, tlsConfig(c.cfg.TLS, addr))
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("tls: %w", err), nc.Close())
	}
	return t, nil
}

// tlsConfig fills in the server's name.
func tlsConfig(cfg *tls.Config, addr string) *tls.Config {
	if cfg.ServerName != "" || cfg.InsecureSkipVerify {
		return cfg
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.ServerName = host
	return cfg
}

// errDialTimeout is a timeout to whoever asks an error whether it is one.
var errDialTimeout = fmt.Errorf("no answer in time: %w", os.ErrDeadlineExceeded)

// dialCause drops the address and the network from an error of net, as
// ConnError names the address, and says which time ran out.
func dialCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// helloError names the address if err does not, and leaves a server's refusal
// as it is. The connection has been closed.
func (cn *conn) helloError(ctx context.Context, err error) error {
	var answer *Error
	var lost *ConnError
	switch {
	case errors.Is(err, errGone):
		return cn.err
	case errors.As(err, &answer), errors.As(err, &lost):
		return err
	}
	return &ConnError{Addr: cn.addr, Err: dialCause(ctx, err)}
}

// hello gives the secrets, asks for the rev, all in one go, and waits until
// the server has caught up with what this client has seen.
func (c *Client) hello(ctx context.Context, cn *conn) error {
	c.mu.Lock()
	secrets := c.secrets
	c.mu.Unlock()

	var greeting []*wire.Request
	for _, secret := range secrets {
		r := plain(wire.Request_ACCESS)
		r.Value = []byte(secret)
		greeting = append(greeting, r)
	}
	greeting = append(greeting, plain(wire.Request_REV))
	rev, err := askAll(ctx, cn, greeting)
	if err != nil {
		return err
	}
	return c.catchUp(ctx, cn, rev)
}

// askAll sends requests together and returns the rev of the last answer, or
// the first error.
func askAll(ctx context.Context, cn *conn, requests []*wire.Request) (rev int64, err error) {
	var calls []*call
	for _, r := range requests {
		cl, err := cn.start(r, false)
		if err != nil {
			return 0, err
		}
		calls = append(calls, cl)
	}
	for _, cl := range calls {
		resp, err := cl.wait(ctx)
		if err == nil {
			err = answerError(resp)
		}
		if err != nil {
			return 0, err
		}
		rev = resp.GetRev()
	}
	return rev, nil
}

// catchUp waits until the server, which was at rev, has applied what this
// client has seen. Any answer to a read at a rev to come, an error as well,
// says that the rev has come, or that there are no reads to go back.
func (c *Client) catchUp(ctx context.Context, cn *conn, rev int64) error {
	seen := c.seen.Load()
	if rev >= seen {
		c.saw(rev)
		return nil
	}
	cl, err := cn.start(readAt(wire.Request_STAT, "/", seen), true)
	if err != nil {
		return err
	}
	if _, err = cl.wait(ctx); ctx.Err() != nil {
		return &ConnError{Addr: cn.addr, Err: fmt.Errorf("%w: it is at rev %d, not yet %d", ErrBehind, rev, seen)}
	}
	return err
}

// rotated puts the first address last.
func rotated(addrs []string) []string {
	return append(addrs[1:len(addrs):len(addrs)], addrs[0])
}

// shuffled returns the addresses in random order.
func shuffled(addrs []string, random func() float64) []string {
	s := slices.Clone(addrs)
	for i := len(s) - 1; i > 0; i-- {
		j := int(random() * float64(i+1))
		s[i], s[j] = s[j], s[i]
	}
	return s
}
