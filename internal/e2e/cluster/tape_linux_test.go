package cluster

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/bmizerany/assert"
)

// A speech is what went over one connection, one way, from its beginning.
type speech struct {
	to    string // the address of the node that heard it
	bytes []byte
	next  uint32 // sequence number of what comes next
}

// A tape records what host 1 and others say to each other's nodes.
type tape struct {
	fd   int
	end  atomic.Bool
	done chan struct{}
	said map[string]*speech // by addresses and ports
}

const (
	maxSpeech  = 256 << 10                      // recorded of one connection
	everything = uint16(syscall.ETH_P_ALL) << 8 // in the order of the network
)

// record begins a tape: it listens to the wire of host 1.
func (c *Cluster) record(t *testing.T) *tape {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, int(everything))
	assert.Equal(t, nil, err)
	wire, err := net.InterfaceByName(c.yard + "1")
	assert.Equal(t, nil, err)
	assert.Equal(t, nil, syscall.Bind(fd, &syscall.SockaddrLinklayer{Protocol: everything, Ifindex: wire.Index}))
	look := syscall.Timeval{Usec: 50_000} // whether to end
	assert.Equal(t, nil, syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &look))
	p := &tape{fd: fd, done: make(chan struct{}), said: map[string]*speech{}}
	go p.listen()
	return p
}

func (p *tape) listen() {
	defer close(p.done)
	packet := make([]byte, maxPacket)
	for !p.end.Load() {
		if n, _, err := syscall.Recvfrom(p.fd, packet, 0); err == nil {
			p.hear(packet[:n])
		}
	}
}

// hear takes in a packet of IPv4 and TCP that goes to a node.
func (p *tape) hear(packet []byte) {
	const ipv4, tcp, port, syn = 4, 6, 8046, 2
	if len(packet) < 40 || packet[0]>>4 != ipv4 || packet[9] != tcp {
		return
	}
	from, to := net.IP(packet[12:16]).String(), net.IP(packet[16:20]).String()
	segment := packet[4*(packet[0]&15) : binary.BigEndian.Uint16(packet[2:])]
	if binary.BigEndian.Uint16(segment[2:]) != port {
		return
	}
	seq, key := binary.BigEndian.Uint32(segment[4:]), from+to+string(segment[:2])
	if segment[13]&syn != 0 {
		p.said[key] = &speech{to: to + ":8046", next: seq + 1}
		return
	}
	s, body := p.said[key], segment[4*(segment[12]>>4):]
	if s == nil || seq != s.next || len(s.bytes) > maxSpeech {
		return
	}
	s.bytes = append(s.bytes, body...)
	s.next += uint32(len(body))
}

// stop ends the recording and returns what members said, clients left out.
func (p *tape) stop() (said []speech) {
	p.end.Store(true)
	<-p.done
	syscall.Close(p.fd)
	for _, s := range p.said {
		if len(s.bytes) > 4 && s.bytes[0] == 0xd0 {
			said = append(said, *s)
		}
	}
	return said
}
