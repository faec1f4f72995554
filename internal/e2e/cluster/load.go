package cluster

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ha/doozerd/internal/e2e/raw"
)

// Load is clients that write as fast as they are answered: each has one connection, one set under way, and files of its own.
// They are cheap, so that the machine is there for the nodes.
type Load struct {
	stop    chan struct{}
	group   sync.WaitGroup
	writers []*writer
}

// writer is one client of a Load.
type writer struct {
	conn  net.Conn
	frame []byte
	acks  []Ack
}

// Ack is one write that was answered.
type Ack struct {
	At   time.Time
	Took time.Duration
}

// bodySize is how long what a Load writes is, in bytes.
const bodySize = 128

// NewLoad begins to write with that many clients, spread over the hosts.
func (c *Cluster) NewLoad(clients int, hosts ...int) (*Load, error) {
	l := &Load{stop: make(chan struct{})}
	for k := range clients {
		conn, err := net.Dial("tcp", c.Addr(hosts[k%len(hosts)]))
		if err != nil {
			l.End()
			return nil, err
		}
		frame := raw.Frame(raw.Request(fmt.Sprintf("SET path=/load/f%d rev=-1 value=%d*v", k, bodySize)))
		l.writers = append(l.writers, &writer{conn: conn, frame: frame})
	}
	for _, w := range l.writers {
		l.group.Go(func() { w.run(l.stop) })
	}
	return l, nil
}

// run ends when it is told to, or with its connection.
func (w *writer) run(stop <-chan struct{}) {
	answer := make([]byte, 4096)
	for {
		select {
		case <-stop:
			return
		default:
		}
		began := time.Now()
		if _, err := w.conn.Write(w.frame); err != nil {
			return
		}
		if _, err := io.ReadFull(w.conn, answer[:4]); err != nil {
			return
		}
		size := binary.BigEndian.Uint32(answer)
		if size > uint32(len(answer)) {
			return
		}
		if _, err := io.ReadFull(w.conn, answer[:size]); err != nil {
			return
		}
		if a, err := raw.Parse(answer[:size]); err != nil || a.Err != 0 {
			return
		}
		now := time.Now()
		w.acks = append(w.acks, Ack{now, now.Sub(began)})
	}
}

// endPatience is how long the writes under way at the end may take; those at a node that is stopped never end.
const endPatience = 5 * time.Second

// End ends the load and returns the writes that were answered, in the order of their answers.
func (l *Load) End() []Ack {
	close(l.stop)
	for _, w := range l.writers {
		_ = w.conn.SetDeadline(time.Now().Add(endPatience))
	}
	l.group.Wait()
	var all []Ack
	for _, w := range l.writers {
		w.conn.Close()
		all = append(all, w.acks...)
	}
	slices.SortFunc(all, func(a, b Ack) int { return a.At.Compare(b.At) })
	return all
}
