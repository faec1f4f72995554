package server

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/peer/link"
)

// takenPeers notes what is handed over, and answers with what comes then.
type takenPeers struct {
	first chan string
}

func (p takenPeers) ServePeer(conn net.Conn, first []byte) {
	defer conn.Close()
	p.first <- string(first)
	io.Copy(conn, conn)
}

func TestPeersAreHandedOver(t *testing.T) {
	peers := takenPeers{make(chan string, 1)}
	r := newRig(t, func(c *Config) { c.Peers, c.MaxConns = peers, 1 })
	member := r.dial()
	member.sendBytes([]byte(wire.PeerPreface))
	assert.Equal(t, wire.PeerPreface, <-peers.first)
	member.sendBytes([]byte("peer"))
	answer := make([]byte, 4)
	_, err := io.ReadFull(member.nc, answer)
	assert.Equal(t, nil, err)
	assert.Equal(t, "peer", string(answer))

	// It does not count as a client any more.
	assert.Equal(t, 0, r.srv.Stats().Conns)
	client := r.dial()
	client.send(req(REV))
	client.receive()
}

func TestOnlyTheFirstBytesMakeAPeer(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Peers = takenPeers{} })
	client := r.dial()
	client.send(req(REV))
	client.receive()
	client.sendBytes([]byte(wire.PeerPreface))
	client.expectEnd()

	almost := r.dial()
	almost.sendBytes([]byte(wire.PeerPreface[:3] + "x"))
	almost.expectEnd()
}

func TestWithoutPeersTheyAreClosed(t *testing.T) {
	r := newRig(t)
	member := r.dial()
	member.sendBytes([]byte(wire.PeerPreface))
	member.expectEnd()
}

// Members get through to a server that takes no more clients.
func TestPeersOfAFullServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peers := takenPeers{make(chan string, 1)}
		r := newRig(t, func(c *Config) { c.Peers, c.MaxConns = peers, 1 })
		client := r.pipe()
		client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})

		another := r.pipe()
		another.send(req(REV))
		another.expectEnd()

		silent := r.pipe()
		began := time.Now()
		silent.expectEnd()
		assert.Equal(t, strangerTimeout, time.Since(began))

		for range maxStrangers {
			r.pipe()
		}
		synctest.Wait()
		r.pipe().expectEnd() // at once
		assert.Equal(t, strangerTimeout, time.Since(began))
		time.Sleep(strangerTimeout)
		synctest.Wait()

		member := r.pipe()
		go member.sendBytes([]byte(wire.PeerPreface))
		assert.Equal(t, wire.PeerPreface, <-peers.first)
		member.hangUp()
		assert.Equal(t, Stats{Conns: 1, Refused: 3 + maxStrangers}, r.srv.Stats())
	})
}

// linked is one end of a real link.
type linked struct {
	*link.Transport
	addr string
	met  chan link.Remote
	got  chan string
}

func (l *linked) Receive(_ link.Remote, body []byte) { l.got <- string(body) }
func (l *linked) Met(_ string, found link.Remote)    { l.met <- found }
func (l *linked) Hailed(link.Remote)                 {}
func (l *linked) Lost(string)                        {}
func (l *linked) Unreachable(string, error)          {}

// startLinked starts a server that hands over to a transport, by TLS.
func startLinked(t *testing.T, id string, cert tls.Certificate, pool *x509.CertPool) *linked {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	assert.Equal(t, nil, err)
	l := &linked{addr: listener.Addr().String(), met: make(chan link.Remote, 1), got: make(chan string, 1)}
	l.Transport, err = link.New(link.Config{
		ID: id, Addr: l.addr, Name: "test", Cluster: func() string { return "K" },
		TLS:    &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool},
		Logger: slog.New(slog.DiscardHandler),
	}, l)
	assert.Equal(t, nil, err)
	r := newRig(t, func(c *Config) { c.Peers = l })
	t.Cleanup(l.Close)
	go r.srv.Serve(tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven,
	}))
	return l
}

// Members that prove themselves by certificates speak through the port of clients.
func TestLinksThroughServers(t *testing.T) {
	cert, pool := certificate(t)
	a, b := startLinked(t, "A", cert, pool), startLinked(t, "B", cert, pool)
	a.Want([]link.Peer{{ID: "B", Addr: b.addr}})
	assert.Equal(t, link.Remote{ID: "B", Addr: b.addr, Cluster: "K"}, <-a.met)
	a.Send(link.Peer{ID: "B", Addr: b.addr}, []byte("hello"))
	assert.Equal(t, "hello", <-b.got)
}
