package cluster

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ha/doozerd/internal/e2e/raw"
)

// Load is clients that write as fast as they are answered: each has one connection, one set under way, and
// files of its own. They are cheap, so that the machine is there for the nodes.
type Load struct {
	stop    chan struct{}
	group   sync.WaitGroup
	writers []*writer
}

// A Dialer connects the kth client of a load to addr.
type Dialer func(k int, addr string) (Client, error)

// A Client writes the same again and again.
type Client interface {
	Set() error // returns when the write was answered; an error ends the client
	SetDeadline(time.Time) error
	Close() error
}

// writer is one client of a Load, and what it was told.
type writer struct {
	Client
	acks []Ack
}

// Ack is one write that was answered.
type Ack struct {
	At   time.Time
	Took time.Duration
}

// BodySize is how long what a Load writes is, in bytes.
const BodySize = 128

// NewLoad begins to write with that many clients, spread over the hosts.
func (c *Cluster) NewLoad(clients int, hosts ...int) (*Load, error) {
	var addrs []string
	for _, n := range hosts {
		addrs = append(addrs, c.Addr(n))
	}
	return BeginLoad(DialDoozer, clients, addrs...)
}

// BeginLoad begins to write with that many clients, spread over the addresses.
func BeginLoad(dial Dialer, clients int, addrs ...string) (*Load, error) {
	l := &Load{stop: make(chan struct{})}
	for k := range clients {
		c, err := dial(k, addrs[k%len(addrs)])
		if err != nil {
			l.End()
			return nil, err
		}
		l.writers = append(l.writers, &writer{Client: c})
	}
	for _, w := range l.writers {
		l.group.Go(func() { w.run(l.stop) })
	}
	return l, nil
}

// run ends when it is told to, or with its connection.
func (w *writer) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		began := time.Now()
		if w.Set() != nil {
			return
		}
		now := time.Now()
		w.acks = append(w.acks, Ack{now, now.Sub(began)})
	}
}

// doozer is a client that knows just one frame.
type doozer struct {
	net.Conn
	in     *bufio.Reader
	frame  []byte
	answer [4096]byte
}

// DialDoozer is the Dialer of clients of doozerd.
func DialDoozer(k int, addr string) (Client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	frame := raw.Frame(raw.Request(fmt.Sprintf("SET path=/load/f%d rev=-1 value=%d*v", k, BodySize)))
	return &doozer{Conn: conn, in: bufio.NewReader(conn), frame: frame}, nil
}

func (d *doozer) Set() error {
	if _, err := d.Write(d.frame); err != nil {
		return err
	}
	size := d.answer[:4]
	if _, err := io.ReadFull(d.in, size); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size)
	if n > uint32(len(d.answer)) {
		return fmt.Errorf("an answer of %d bytes", n)
	}
	if _, err := io.ReadFull(d.in, d.answer[:n]); err != nil {
		return err
	}
	a, err := raw.Parse(d.answer[:n])
	if err == nil && a.Err != 0 {
		err = fmt.Errorf("error %d", a.Err)
	}
	return err
}

// endPatience is how long the writes under way at the end may take; those at a node that is stopped never end.
const endPatience = 5 * time.Second

// End ends the load and returns the writes that were answered, in the order of their answers.
func (l *Load) End() []Ack {
	close(l.stop)
	for _, w := range l.writers {
		_ = w.SetDeadline(time.Now().Add(endPatience))
	}
	l.group.Wait()
	var all []Ack
	for _, w := range l.writers {
		w.Close()
		all = append(all, w.acks...)
	}
	slices.SortFunc(all, func(a, b Ack) int { return a.At.Compare(b.At) })
	return all
}
