package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// writeChunk is how much is written under one deadline, in bytes: a slow network
// may take long for all that waits, but not for this.
const writeChunk = 256 << 10

// keepAlive finds out within about half a minute that the other machine is gone,
// on a connection over which nothing is sent.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// dialTCP connects to addr, over IPv4 or IPv6, whichever answers first.
func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	return dialBy(ctx, &net.Dialer{KeepAliveConfig: keepAlive}, addr)
}

// dialBy connects to addr. The error is syscall.ECONNREFUSED only if all addresses of that name refuse, but for
// those of a kind that this host has not: a dialer returns the error that came first, and the process may
// listen at another one that is out of reach.
func dialBy(ctx context.Context, d *net.Dialer, addr string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, "tcp", addr)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return conn, err
	}
	all, unresolved := resolve(ctx, d.Resolver, addr)
	if unresolved != nil {
		return nil, unresolved
	}
	if len(all) == 1 {
		return nil, err
	}
	for _, one := range all {
		if conn, err := d.DialContext(ctx, "tcp", one); !errors.Is(err, syscall.ECONNREFUSED) && !isForeign(one, err) {
			return conn, err
		}
	}
	return nil, err
}

// isForeign reports whether addr could not be dialled because this host has no IPv6.
func isForeign(addr string, err error) bool {
	return addr[0] == '[' && (errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT))
}

// resolve returns the addresses that addr may mean, each with its port.
func resolve(ctx context.Context, r *net.Resolver, addr string) (all []string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ips, err := r.LookupNetIP(ctx, "ip", host)
	for _, ip := range ips {
		all = append(all, net.JoinHostPort(ip.String(), port))
	}
	return all, err
}

// secure does the dialer's handshake of TLS on conn, which leads to addr.
func secure(ctx context.Context, conn net.Conn, addr string, c *tls.Config) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	c = c.Clone()
	c.ServerName = host
	c.MinVersion = tls.VersionTLS13
	secured := tls.Client(conn, c)
	return secured, secured.HandshakeContext(ctx)
}

// writeAll writes b. Each part of it has to be taken within timeout, and none is
// begun after ctx has ended.
func writeAll(ctx context.Context, conn net.Conn, b []byte, timeout time.Duration) error {
	for len(b) > 0 {
		_ = conn.SetWriteDeadline(time.Now().Add(timeout))
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := conn.Write(b[:min(len(b), writeChunk)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// A patient reads from a connection as long as something comes now and then.
type patient struct {
	conn    net.Conn
	in      io.Reader // of conn
	silence time.Duration
}

func (p patient) Read(b []byte) (int, error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(p.silence))
	return p.in.Read(b)
}

// hangUp closes a connection at once. TLS would wait to take leave.
func hangUp(conn net.Conn) {
	beneath(conn).Close()
}

// beneath returns what conn runs over, conn itself if nothing.
func beneath(conn net.Conn) net.Conn {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return over.NetConn()
	}
	return conn
}

// explain names the common errors of the network.
func explain(err error) error {
	for _, e := range []struct{ is, named error }{
		{syscall.ECONNREFUSED, ErrNobody},
		{os.ErrDeadlineExceeded, ErrTimeout},
		{context.DeadlineExceeded, ErrTimeout},
		{syscall.ETIMEDOUT, ErrTimeout},
		{io.EOF, ErrGone},
		{io.ErrUnexpectedEOF, ErrGone},
		{syscall.ECONNRESET, ErrGone},
		{syscall.EPIPE, ErrGone},
	} {
		if errors.Is(err, e.is) {
			return fmt.Errorf("%w (%w)", e.named, err)
		}
	}
	return err
}
