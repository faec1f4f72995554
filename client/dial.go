package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

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
	cn := newConn(addr, nc, c.cfg.Heartbeat, c.saw)
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
	if cfg.ServerName != "" {
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
// ConnError names the address, and says which time ran out. A dialer may notice
// that a moment before ctx does.
func dialCause(ctx context.Context, err error) error {
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		<-ctx.Done()
	}
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
