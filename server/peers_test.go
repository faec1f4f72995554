package server

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
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
