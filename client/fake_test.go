package client_test

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/wire"
)

// network is a set of fake servers, each of which follows a script. Its
// connections live in memory, so tests run in synctest's time.
type network struct {
	t  *testing.T
	wg sync.WaitGroup

	mu      sync.Mutex
	scripts map[string][]func(*remote)
	dials   []dialed
}

// dialed is one attempt to connect.
type dialed struct {
	addr string
	at   time.Duration // since the network was made
}

func newNetwork(t *testing.T) *network {
	n := &network{t: t, scripts: make(map[string][]func(*remote))}
	t.Cleanup(n.wg.Wait)
	return n
}

// serve lets each connection to addr follow the next script. When there are
// none left, and anywhere else, connections are refused.
func (n *network) serve(addr string, scripts ...func(*remote)) {
	n.scripts[addr] = append(n.scripts[addr], scripts...)
}

func (n *network) dialer() func(context.Context, string, string) (net.Conn, error) {
	start := time.Now()
	return func(_ context.Context, network, addr string) (net.Conn, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.dials = append(n.dials, dialed{addr, time.Since(start)})
		if len(n.scripts[addr]) == 0 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		script := n.scripts[addr][0]
		n.scripts[addr] = n.scripts[addr][1:]
		here, there := net.Pipe()
		n.wg.Go(func() { n.run(script, there) })
		return here, nil
	}
}

func (n *network) run(script func(*remote), nc net.Conn) {
	defer nc.Close()
	script(&remote{t: n.t, nc: nc, r: wire.NewReader(nc, wire.MaxFrame)})
}

// dialled returns the addresses in the order in which they were tried.
func (n *network) dialled() (addrs []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.dials {
		addrs = append(addrs, d.addr)
	}
	return addrs
}

// config tries the addresses in the order given and backs off by the longest
// pauses.
func (n *network) config(addrs ...string) client.Config {
	return client.Config{
		Addrs:    addrs,
		Rand:     func() float64 { return 0.9999999999 },
		DialFunc: n.dialer(),
	}
}

// client connects to the first address that has a script.
func (n *network) client(addrs ...string) *client.Client {
	n.t.Helper()
	c, err := client.DialConfig(n.t.Context(), n.config(addrs...))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	return c
}

// remote is one connection as a fake server sees it. What it finds wrong fails
// the test and ends the script.
type remote struct {
	t  *testing.T
	nc net.Conn
	r  *wire.Reader

	rev int64 // told last
}

// next returns the next request, or nil when the client has hung up.
func (p *remote) next() *wire.Request {
	body, err := p.r.Next()
	if err != nil {
		return nil
	}
	var r wire.Request
	if err := wire.Decode(body, &r); err != nil {
		p.fatalf("bad request: %v", err)
	}
	return &r
}

// want returns the next request, which must have one of the verbs.
func (p *remote) want(verbs ...wire.Request_Verb) *wire.Request {
	r := p.next()
	if r == nil {
		p.fatalf("client hung up instead of %v", verbs)
	}
	if !slices.Contains(verbs, r.GetVerb()) {
		p.fatalf("got %v, want %v", r, verbs)
	}
	return r
}

// send writes an answer with the tag of r. That the client may have hung up
// is for the client's side of the test to judge.
func (p *remote) send(r *wire.Request, a *wire.Response) {
	a.Tag = r.Tag
	frame, err := wire.AppendFrame(nil, a)
	if err != nil {
		p.fatalf("%v", err)
	}
	p.raw(frame)
}

func (p *remote) raw(b []byte) { _, _ = p.nc.Write(b) }

// hello answers the first requests of a connection, or whoever asks for the rev later.
func (p *remote) hello(rev int64) {
	p.rev = rev
	p.send(p.want(wire.Request_REV), &wire.Response{Rev: &rev})
}

// rest answers nothing more and waits for the client to hang up.
func (p *remote) rest() {
	for p.next() != nil {
	}
}

// stay answers nothing more but what the rev is, until the client hangs up.
func (p *remote) stay() {
	for r := p.next(); r != nil; r = p.next() {
		if r.GetVerb() == wire.Request_REV {
			p.send(r, &wire.Response{Rev: &p.rev})
		}
	}
}

func (p *remote) fatalf(format string, args ...any) {
	p.t.Errorf("fake server: "+format, args...)
	runtime.Goexit()
}

// file answers a GET.
func file(rev int64, body string) *wire.Response {
	return &wire.Response{Rev: &rev, Value: []byte(body)}
}

// event answers a WAIT or a WALK.
func event(rev int64, path, body string) *wire.Response {
	flags := client.FlagSet
	return &wire.Response{Rev: &rev, Path: &path, Value: []byte(body), Flags: &flags}
}

// refusal answers anything.
func refusal(code wire.Response_Err, detail string) *wire.Response {
	a := &wire.Response{ErrCode: &code}
	if detail != "" {
		a.ErrDetail = &detail
	}
	return a
}
