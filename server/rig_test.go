package server

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// fakeNode is a node that decides at once, or when it is told to.
type fakeNode struct {
	store    *store.Store
	readOnly atomic.Bool

	mu      sync.Mutex
	hold    bool     // decide nothing until release
	held    []func() // decisions to be made
	refuse  error    // what Propose and Barrier return
	failure error    // what done is told instead of an event
	full    bool     // Propose and Barrier block
}

func newFakeNode() *fakeNode { return &fakeNode{store: store.New(100)} }

const fakeID = "ABCDEFGHIJKLMNOP"

func (n *fakeNode) ID() string          { return fakeID }
func (n *fakeNode) Writable() bool      { return !n.readOnly.Load() }
func (n *fakeNode) Store() *store.Store { return n.store }

func (n *fakeNode) Propose(ctx context.Context, m store.Mutation, done func(store.Event, error)) error {
	return n.decide(ctx, func() {
		if n.failure != nil {
			done(store.Event{}, n.failure)
		} else {
			done(n.store.Apply(m.Append(nil)), nil)
		}
	})
}

func (n *fakeNode) Barrier(ctx context.Context, done func(error)) error {
	return n.decide(ctx, func() { done(n.failure) })
}

func (n *fakeNode) decide(ctx context.Context, decision func()) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.full:
		n.mu.Unlock()
		<-ctx.Done()
		n.mu.Lock()
		return ctx.Err()
	case n.refuse != nil:
		return n.refuse
	case n.hold:
		n.held = append(n.held, decision)
	default:
		decision()
	}
	return nil
}

// underWay is how many decisions are held.
func (n *fakeNode) underWay() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.held)
}

// release decides everything that is held, and all that comes at once.
func (n *fakeNode) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hold = false
	for _, decision := range n.held {
		decision()
	}
	n.held = nil
}

// set sets a file, and del deletes one, past the server.
func (n *fakeNode) set(path, body string) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber, Body: []byte(body)}
	return n.store.Apply(m.Append(nil)).Rev
}

func (n *fakeNode) del(path string) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := store.Mutation{Op: store.Del, Path: path, Guard: store.Clobber}
	return n.store.Apply(m.Append(nil)).Rev
}

// install makes the store jump to a version of rev that has one file.
func (n *fakeNode) install(rev int64, path, body string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := store.NewBuilder(rev)
	if err := b.Add(store.Event{Rev: rev, Path: path, Body: []byte(body)}); err != nil {
		return err
	}
	return n.store.Install(b)
}

// A rig is a server under test.
type rig struct {
	t    testing.TB
	node *fakeNode
	srv  *Server
	log  *bytes.Buffer // of the server; whole once it is closed
}

// newRig returns a server of a fake node, configured by the functions given. It
// is closed when the test ends, and must have left nothing behind.
func newRig(t testing.TB, configure ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, node: newFakeNode(), log: new(bytes.Buffer)}
	config := Config{Node: r.node, Logger: slog.New(slog.NewTextHandler(r.log, nil))}
	for _, f := range configure {
		f(&config)
	}
	srv, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	r.srv = srv
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	if err := r.srv.Close(); err != nil {
		r.t.Error("closing:", err)
	}
	if n := r.srv.Stats().Conns; n != 0 {
		r.t.Error("connections left:", n)
	}
	if n := r.node.store.Waits(); n != 0 {
		r.t.Error("waits left:", n)
	}
	if err := r.node.store.Check(); err != nil {
		r.t.Error(err)
	}
}

// listen makes the server serve a loopback listener.
func (r *rig) listen() net.Listener {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	go r.srv.Serve(l)
	return l
}

// dial returns a client that is connected by TCP.
func (r *rig) dial() *testClient {
	r.t.Helper()
	theirs, ours := tcpPair(r.t)
	return r.connect(theirs, ours)
}

// pipe returns a client that is connected in memory, without buffers.
func (r *rig) pipe() *testClient {
	r.t.Helper()
	theirs, ours := net.Pipe()
	return r.connect(theirs, ours)
}

// connect makes the server serve ours, and returns the client at theirs.
func (r *rig) connect(theirs, ours net.Conn) *testClient {
	c := &testClient{t: r.t, nc: theirs, in: wire.NewReader(theirs, wire.MaxFrame), ended: make(chan struct{})}
	go func() {
		r.srv.ServeConn(ours)
		close(c.ended)
	}()
	r.t.Cleanup(func() { theirs.Close() })
	return c
}

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t testing.TB) (theirs, ours net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	theirs, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return theirs, ours
}

// A testClient is a client that checks every step.
type testClient struct {
	t     testing.TB
	nc    net.Conn
	in    *wire.Reader
	ended chan struct{} // closed when the server is done with the connection
}

// sendBytes sends just these bytes.
func (c *testClient) sendBytes(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatal("sending:", err)
	}
}

// send sends requests in one write.
func (c *testClient) send(requests ...*wire.Request) {
	c.t.Helper()
	c.sendBytes(framesOf(c.t, requests...))
}

func framesOf(t testing.TB, requests ...*wire.Request) []byte {
	t.Helper()
	var b []byte
	var err error
	for _, r := range requests {
		if b, err = wire.AppendFrame(b, r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// receive returns the next answer.
func (c *testClient) receive() *wire.Response {
	c.t.Helper()
	body, err := c.in.Next()
	if err != nil {
		c.t.Fatal("receiving:", err)
	}
	m := new(wire.Response)
	if err := wire.Decode(body, m); err != nil {
		c.t.Fatal("receiving:", err)
	}
	return m
}

// call sends a request and returns the next answer.
func (c *testClient) call(r *wire.Request) *wire.Response {
	c.t.Helper()
	c.send(r)
	return c.receive()
}

// expect receives an answer and compares it with the one wanted.
func (c *testClient) expect(want *wire.Response, note ...any) {
	c.t.Helper()
	if got := c.receive(); got.String() != want.String() {
		c.t.Fatalf("answer %v, want %v %v", got, want, note)
	}
}

// roundTrip is a call whose answer is known.
func (c *testClient) roundTrip(r *wire.Request, want *wire.Response, note ...any) {
	c.t.Helper()
	c.send(r)
	c.expect(want, note...)
}

// expectEnd waits until the server has closed the connection without a further
// answer, and is done with it.
func (c *testClient) expectEnd() {
	c.t.Helper()
	if body, err := c.in.Next(); err == nil {
		c.t.Fatalf("answered with % x instead of closing", body)
	}
	<-c.ended
}

// hangUp closes the client's side and waits for the server to be done.
func (c *testClient) hangUp() {
	c.t.Helper()
	c.nc.Close()
	<-c.ended
}

// Requests and answers, short enough for tables.

func ptr[T any](v T) *T { return &v }

func req(v wire.Request_Verb, set ...func(*wire.Request)) *wire.Request {
	r := &wire.Request{Tag: ptr[int32](1), Verb: &v}
	for _, f := range set {
		f(r)
	}
	return r
}

func withTag(n int32) func(*wire.Request)    { return func(r *wire.Request) { r.Tag = &n } }
func withPath(p string) func(*wire.Request)  { return func(r *wire.Request) { r.Path = &p } }
func withRev(n int64) func(*wire.Request)    { return func(r *wire.Request) { r.Rev = &n } }
func withOffset(n int32) func(*wire.Request) { return func(r *wire.Request) { r.Offset = &n } }
func withOther(n int32) func(*wire.Request)  { return func(r *wire.Request) { r.OtherTag = &n } }
func withValue(v string) func(*wire.Request) {
	return func(r *wire.Request) { r.Value = []byte(v) }
}
func noTag(r *wire.Request) { r.Tag = nil }

func fails(code wire.Response_Err) *wire.Response {
	return &wire.Response{Tag: ptr[int32](1), ErrCode: &code}
}

func failsOther(detail string) *wire.Response {
	return &wire.Response{Tag: ptr[int32](1), ErrCode: wire.Response_OTHER.Enum(), ErrDetail: &detail}
}
