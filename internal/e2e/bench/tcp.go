package main

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/ha/doozerd/internal/e2e"
	"github.com/ha/doozerd/internal/e2e/raw"
	"github.com/ha/doozerd/internal/e2e/report"
)

// shape is how a load comes: so many clients, or one that pipelines.
type shape struct {
	name      string
	clients   int
	pipelined bool
}

var shapes = []shape{
	{"1 client", 1, false},
	{"64 clients", 64, false},
	{"256 clients", 256, false},
	{"1 client, pipelined", 1, true},
}

// request is one kind of request, the same for all clients but for the path.
type request struct {
	name string
	text func(client int) string
	goal float64 // of the echo's rate; 0 is for orientation
}

var requests = []request{
	{"GET", func(int) string { return "tag=1 GET path=/bench/get" }, 0.7},
	{"SET", func(i int) string {
		return fmt.Sprintf("tag=1 SET path=/bench/set%d rev=-1 value=%d*v", i, bodySize)
	}, 0},
}

func measureTCP(b *bench) error {
	return b.withNode(func(n *e2e.Node) error {
		for _, r := range requests {
			if err := b.besideEcho(n.Addr, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// besideEcho measures one kind of request in every shape.
func (b *bench) besideEcho(addr string, r request) error {
	reply, err := replyTo(addr, r.text(0))
	if err != nil {
		return err
	}
	hexReply := hex.EncodeToString(reply)
	bare, err := startRole("-role", "echo", "-reply", hexReply)
	if err != nil {
		return err
	}
	defer bare.stop()
	collecting, err := startRole("-role", "echo", "-collect", "-reply", hexReply)
	if err != nil {
		return err
	}
	defer collecting.stop()
	for _, s := range shapes {
		l := r.load(s)
		addrs := []string{addr, bare.addr}
		if s.pipelined {
			addrs = append(addrs, collecting.addr)
		}
		rates, err := l.compare(addrs)
		if err != nil {
			return err
		}
		b.add(r.row(s.name, rates[0], rates[1]))
		if s.pipelined {
			b.add(r.row(s.name+", beside an echo that collects answers", rates[0], rates[2]))
		}
	}
	return nil
}

// compare measures the rates of several servers in turns.
func (l load) compare(addrs []string) ([][]float64, error) {
	const rounds, span, warmUp = 9, 400 * time.Millisecond, 200 * time.Millisecond
	var measurements []func() (float64, error)
	for _, addr := range addrs {
		if _, err := l.rate(addr, warmUp); err != nil {
			return nil, err
		}
		measurements = append(measurements, func() (float64, error) { return l.rate(addr, span) })
	}
	return interleave(rounds, measurements...)
}

func (r request) row(shape string, ours, echo []float64) row {
	what := r.name + ", " + shape
	detail := fmt.Sprintf(" of the echo (%.0f of %.0f per s)", report.Median(ours), report.Median(echo))
	if r.goal == 0 {
		return forOrientation(what, fmt.Sprintf("%.2f", ratio(ours, echo))+detail)
	}
	return atLeast(what, r.goal, ratio(ours, echo), "%.2f", detail)
}

// replyTo asks once and returns the answer's whole frame.
func replyTo(addr, text string) ([]byte, error) {
	c, err := raw.Dial(addr, e2e.Patience)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	// What is read must be there, and a rev be as long as it will be.
	for range 200 {
		a, err := c.Ask("SET path=/bench/get rev=-1 value=%d*v", bodySize)
		if err != nil || a.Err != 0 {
			return nil, fmt.Errorf("setting up: %+v %w", a, err)
		}
	}
	if err := c.Send(text); err != nil {
		return nil, err
	}
	message, err := c.RecvBytes()
	return raw.Frame(message), err
}
