package server

import (
	"io"
	"net"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

// takenPeers notes what is handed over, and answers with what it was given.
type takenPeers struct {
	first chan string
}

func (p takenPeers) ServePeer(conn net.Conn, first []byte) {
	defer conn.Close()
	io.WriteString(conn, "peer")
	p.first <- string(first)
	io.Copy(io.Discard, conn)
}

func TestPeersAreHandedOver(t *testing.T) {
	peers := takenPeers{make(chan string, 1)}
	r := newRig(t, func(c *Config) { c.Peers, c.MaxConns = peers, 1 })
	member := r.dial()
	member.sendBytes([]byte(wire.PeerPreface + "more"))
	first := <-peers.first
	assert.Equal(t, wire.PeerPreface, first[:len(wire.PeerPreface)])
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
