package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

func TestConfigValidate(t *testing.T) {
	good := Config{Node: newFakeNode(), Logger: slog.New(slog.DiscardHandler)}
	for _, tt := range []struct {
		change func(*Config)
		want   string // in the error; "": none
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.RWSecret, c.ROSecret = "a", "b" }, ""},
		{func(c *Config) { c.MaxValue = MaxMaxValue }, ""},
		{func(c *Config) { c.Node = nil }, "node"},
		{func(c *Config) { c.Logger = nil }, "logger"},
		{func(c *Config) { c.ROSecret = "b" }, "DOOZER_RWSECRET"},
		{func(c *Config) { c.MaxValue = -1 }, "-1 bytes"},
		{func(c *Config) { c.MaxValue = MaxMaxValue + 1 }, "not 1 to"},
		{func(c *Config) { c.MaxConns = -1 }, "connections is negative: -1"},
		{func(c *Config) { c.MaxWaits = -1 }, "waiting requests"},
		{func(c *Config) { c.MaxWrites = -1 }, "writes"},
		{func(c *Config) { c.MaxUnread = -1 }, "unread"},
		{func(c *Config) { c.MaxUnread = 3 << 20 }, ""},
		{func(c *Config) { c.MaxUnread = 3<<20 - 1 }, "3145727 unread bytes"},
		{func(c *Config) { c.MaxValue, c.MaxUnread = 2<<20, 3<<20 }, "5242880"},
		{func(c *Config) { c.WriteTimeout = -1 }, "timeout"},
	} {
		c := good
		tt.change(&c)
		err := c.Validate()
		if tt.want == "" {
			assert.Equal(t, nil, err)
			continue
		}
		assert.T(t, err != nil && strings.Contains(err.Error(), tt.want), tt.want, err)
		_, newErr := New(c)
		assert.Equal(t, err, newErr)
	}
	assert.Equal(t, DefaultMaxUnread, good.withDefaults().MaxUnread)
}

// A script is a listener that does what it is told, one thing per Accept.
type script struct {
	steps  chan func() (net.Conn, error)
	closed chan struct{}
}

func newScript(steps ...func() (net.Conn, error)) *script {
	l := &script{make(chan func() (net.Conn, error), len(steps)), make(chan struct{})}
	for _, s := range steps {
		l.steps <- s
	}
	return l
}

func (l *script) Accept() (net.Conn, error) {
	select {
	case step := <-l.steps:
		return step()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *script) Close() error   { close(l.closed); return nil }
func (l *script) Addr() net.Addr { return nil }

func failing(err error) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
}

// A lack of file descriptors passes: the server tries again, less and less
// often, and says so once.
func TestAcceptErrorsThatPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		theirs, ours := net.Pipe()
		fail := failing(syscall.EMFILE)
		l := newScript(fail, fail, fail, func() (net.Conn, error) { return ours, nil })
		served := make(chan error)
		start := time.Now()
		go func() { served <- rig.srv.Serve(l) }()
		client := &testClient{t: t, nc: theirs, in: wire.NewReader(theirs, wire.MaxFrame)}
		client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
		assert.Equal(t, (5+10+20)*time.Millisecond, time.Since(start))
		go rig.srv.Close()
		assert.Equal(t, ErrClosed, <-served)
		assert.Equal(t, 1, strings.Count(rig.log.String(), "cannot accept"))
	})
}

func TestCloseWhileAcceptingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		served := make(chan error)
		go func() { served <- rig.srv.Serve(newScript(failing(syscall.ENFILE))) }()
		synctest.Wait()
		go rig.srv.Close()
		assert.Equal(t, ErrClosed, <-served)
	})
}

func TestAcceptErrorsThatStay(t *testing.T) {
	rig := newRig(t)
	broken := errors.New("broken")
	l := newScript(func() (net.Conn, error) { return nil, broken })
	assert.Equal(t, broken, rig.srv.Serve(l))
	_, err := l.Accept()
	assert.Equal(t, net.ErrClosed, err)
}

func TestTooManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, func(c *Config) { c.MaxConns = 2 })
		a, b := rig.pipe(), rig.pipe()
		for _, c := range []*testClient{a, b} {
			c.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
		}
		for range 3 {
			rig.pipe().expectEnd()
		}
		assert.Equal(t, Stats{Conns: 2, Refused: 3}, rig.srv.Stats())
		assert.Equal(t, 1, strings.Count(rig.log.String(), "too many connections"))
		<-time.After(logInterval)
		rig.pipe().expectEnd()
		assert.Equal(t, 2, strings.Count(rig.log.String(), "too many connections"))

		a.hangUp()
		c := rig.pipe()
		c.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	})
}

// A connection that is refused leaves nothing behind.
func TestRefusedConnectionsAreForgotten(t *testing.T) {
	const n, size = 20000, 32
	rig := newRig(t, func(c *Config) { c.MaxConns = 1 })
	rig.pipe().roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	before := heap()
	for range n {
		_, ours := net.Pipe()
		rig.srv.ServeConn(ours)
	}
	kept := int64(heap()) - int64(before)
	assert.T(t, kept < n*size, kept)
}

func TestServe(t *testing.T) {
	rig := newRig(t)
	addr := rig.listen().Addr().String()
	var clients []*testClient
	for range 3 {
		nc, err := net.Dial("tcp", addr)
		assert.Equal(t, nil, err)
		defer nc.Close()
		c := &testClient{t: t, nc: nc, in: wire.NewReader(nc, wire.MaxFrame)}
		c.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
		clients = append(clients, c)
	}
	assert.Equal(t, nil, rig.srv.Close())
	for _, c := range clients {
		_, err := c.in.Next()
		assert.Equal(t, io.EOF, err)
	}
	_, err := net.Dial("tcp", addr)
	assert.T(t, errors.Is(err, syscall.ECONNREFUSED), err)
	late := newScript()
	assert.Equal(t, ErrClosed, rig.srv.Serve(late))
	<-late.closed
	rig.dial().expectEnd()
	assert.Equal(t, nil, rig.srv.Close(), "again")
}

// What is answered when Close is called is still delivered.
func TestCloseDeliversAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		client := rig.pipe()
		client.send(req(WAIT, withPath("/a"), withRev(1)), req(WAIT, withPath("/b"), withRev(1)), req(REV))
		synctest.Wait()
		go rig.srv.Close()
		synctest.Wait()
		client.expect(&wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
		client.expectEnd()
	})
}

// Even if others than the reader are still writing it.
func TestCloseDeliversWhatIsBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		client := rig.pipe()
		client.send(req(WAIT, withPath("/a"), withRev(1)))
		synctest.Wait()
		rig.node.set("/a", "v")
		synctest.Wait()
		go rig.srv.Close()
		synctest.Wait()
		assert.Equal(t, "v", string(client.receive().Value))
		client.expectEnd()
	})
}

// A client that takes a little now and then has no more time than others.
func TestCloseDoesNotWaitForSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		client := rig.pipe()
		client.send(req(WAIT, withPath("/a"), withRev(1)))
		synctest.Wait()
		rig.node.set("/a", strings.Repeat("v", 10000))
		var reading sync.WaitGroup
		reading.Go(func() {
			for err := error(nil); err == nil; _, err = client.nc.Read(make([]byte, 1)) {
				<-time.After(closeTimeout / 10)
			}
		})
		start := time.Now()
		assert.Equal(t, nil, rig.srv.Close())
		assert.Equal(t, closeTimeout, time.Since(start))
		reading.Wait()
	})
}

func TestCloseDoesNotWaitForeverForClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		for range 3 {
			rig.pipe().send(req(REV))
		}
		synctest.Wait()
		start := time.Now()
		assert.Equal(t, nil, rig.srv.Close())
		assert.Equal(t, closeTimeout, time.Since(start))
		assert.Equal(t, uint64(0), rig.srv.Stats().Cut)
	})
}

// certificate returns a certificate for 127.0.0.1, and who trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	assert.Equal(t, nil, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotAfter:    time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	assert.Equal(t, nil, err)
	parsed, err := x509.ParseCertificate(der)
	assert.Equal(t, nil, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// A tap counts the writes to a connection.
type tap struct {
	net.Conn
	writes chan int
}

func (c *tap) Write(b []byte) (int, error) {
	c.writes <- len(b)
	return c.Conn.Write(b)
}

func TestTLS(t *testing.T) {
	cert, pool := certificate(t)
	rig := newRig(t)
	rig.node.set("/small", "v")
	value := strings.Repeat("v", 1<<20)
	theirs, ours := tcpPair(t)
	out := &tap{ours, make(chan int, 1000)}
	client := rig.connect(
		tls.Client(theirs, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}),
		tls.Server(out, &tls.Config{Certificates: []tls.Certificate{cert}}))

	client.roundTrip(req(SET, withPath("/large"), withRev(0), withValue(value)), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](2)})
	client.send(req(GET, withPath("/large")), req(WAIT, withPath("/large"), withRev(1)))
	for range 2 {
		assert.T(t, string(client.receive().Value) == value)
	}
	for len(out.writes) > 0 {
		<-out.writes
	}
	client.roundTrip(req(GET, withPath("/small")), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](1), Value: []byte("v")})
	assert.Equal(t, 1, len(out.writes), "size and body are one record")
	client.hangUp()
}

// tlsPipe returns a client that is connected in memory, by TLS, and what the
// server's side runs over.
func (r *rig) tlsPipe() (*testClient, *deadlines) {
	r.t.Helper()
	cert, pool := certificate(r.t.(*testing.T))
	theirs, ours := net.Pipe()
	under := &deadlines{Conn: ours}
	return r.connect(
		tls.Client(theirs, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}),
		tls.Server(under, &tls.Config{Certificates: []tls.Certificate{cert}})), under
}

// deadlines remembers the deadline of writing.
type deadlines struct {
	net.Conn
	write atomic.Pointer[time.Time]
}

func (c *deadlines) SetWriteDeadline(t time.Time) error {
	c.write.Store(&t)
	return c.Conn.SetWriteDeadline(t)
}

// TLS may have something to say at any time, and cannot go on if that fails: so
// no deadline of an answer is left behind.
func TestNoDeadlineIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, under := newRig(t).tlsPipe()
		client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
		synctest.Wait()
		assert.T(t, under.write.Load().IsZero(), under.write.Load())
	})
}

// The farewell of TLS is not for a client that takes nothing.
func TestClientThatNeverReadsByTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		client, _ := rig.tlsPipe()
		client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
		start := time.Now()
		client.send(req(REV))
		<-client.ended
		assert.Equal(t, DefaultWriteTimeout, time.Since(start))
		assert.Equal(t, uint64(1), rig.srv.Stats().Cut)
		client.expectEnd()
	})
}

// TLS, which cannot go on after a write that took too long, is no reason to cut who
// is slow, but not stuck.
func TestClientThatReadsSlowlyByTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		rig.node.set("/a", strings.Repeat("v", 1<<20))
		client, _ := rig.tlsPipe()
		client.send(req(GET, withPath("/a")))
		start := time.Now()
		for range 64 {
			<-time.After(DefaultWriteTimeout / 8)
			_, err := io.ReadFull(client.nc, make([]byte, 16<<10))
			assert.Equal(t, nil, err)
		}
		assert.T(t, time.Since(start) > 7*DefaultWriteTimeout)
	})
}

// Whoever does not speak TLS to a TLS port is gone soon.
func TestPlainClientOfTLS(t *testing.T) {
	cert, _ := certificate(t)
	theirs, ours := tcpPair(t)
	client := newRig(t).connect(theirs, tls.Server(ours, &tls.Config{Certificates: []tls.Certificate{cert}}))
	client.send(req(REV))
	<-client.ended
}

func TestKeepAliveIsSetOverTLS(t *testing.T) {
	_, ours := tcpPair(t)
	defer ours.Close()
	assert.T(t, tcpConn(ours) == ours)
	assert.T(t, tcpConn(tls.Server(ours, nil)) == ours)
	pipe, _ := net.Pipe()
	assert.T(t, tcpConn(pipe) == nil)
}

// FuzzServe sends arbitrary bytes: the connection ends when they do, and
// nothing of it is left.
func FuzzServe(f *testing.F) {
	for _, r := range []*wire.Request{
		req(GET, withPath("/f")), req(SET, withPath("/s"), withRev(-1), withValue("v")), req(DEL, withPath("/f"), withRev(1)),
		req(WAIT, withPath("/**"), withRev(1)), req(WAIT, withPath("/q"), withRev(9)), req(GET, withPath("/f"), withRev(99)),
		req(WALK, withPath("/**"), withOffset(1)), req(GETDIR, withPath("/"), withOffset(0)), req(STAT, withPath("/d")),
		req(CANCEL, withOther(1)), req(ACCESS), req(NOP), req(SELF), req(REV),
	} {
		f.Add(framesOf(f, r, r))
	}
	f.Add(append([]byte{0, 1, 16, 0, 0x2a, 0xfc, 0x9f, 4}, make([]byte, 1<<16+4092)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		rig := newRig(t, func(c *Config) { c.MaxValue = 1000 })
		plant(rig.node)
		client := rig.pipe()
		go io.Copy(io.Discard, client.nc)
		client.nc.Write(in)
		client.hangUp()
		rig.close()
		if !bytes.Equal(nil, rig.log.Bytes()) {
			t.Fatal("logged: " + rig.log.String())
		}
	})
}

// Whoever helped a connection has ended once Close returns.
func TestCloseWaitsForTheCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Node: newFakeNode(), Logger: slog.New(slog.DiscardHandler)})
		assert.Equal(t, nil, err)
		c := &conn{srv: s}
		c.help(func(*conn) {})
		c.helpers.Wait()
		synctest.Wait()
		assert.Equal(t, int32(1), s.crew.resting.Load())
		assert.Equal(t, nil, s.Close())
		assert.Equal(t, int32(0), s.crew.resting.Load())
	})
}
