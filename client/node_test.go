package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/server"
	"github.com/ha/doozerd/store"
)

// node is a real node; any number of servers may serve it.
type node struct {
	*peer.Node
	t testing.TB
}

func startNode(t testing.TB, history int) *node {
	t.Helper()
	n, err := peer.Start(peer.Config{
		Addr: "127.0.0.1:8046", History: history, Logger: slog.New(slog.DiscardHandler),
		Pulse: 24 * time.Hour, // nothing changes by itself
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return &node{n, t}
}

// listener is a server of a node at an address that stays the same when it
// is stopped and started again.
type listener struct {
	n    *node
	addr string
	s    *server.Server
	done chan error
}

// loopback is an address at which no other program is given a port: one that was given back is still free when
// it is taken again. Other systems than Linux have one such address only.
func loopback() string {
	if runtime.GOOS == "linux" {
		return "127.0.0.41"
	}
	return "127.0.0.1"
}

func (n *node) listen(secret string) *listener {
	l := &listener{n: n, addr: loopback() + ":0"}
	l.start(secret)
	n.t.Cleanup(l.stop)
	return l
}

func (l *listener) start(secret string) {
	l.n.t.Helper()
	nl, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.n.t.Fatal(err)
	}
	l.serve(nl, secret)
}

func (l *listener) serve(nl net.Listener, secret string) {
	l.n.t.Helper()
	s, err := server.New(server.Config{Node: l.n, RWSecret: secret, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.n.t.Fatal(err)
	}
	l.s, l.addr = s, nl.Addr().String()
	done := make(chan error, 1)
	l.done = done
	go func() { done <- s.Serve(nl) }()
}

func (l *listener) stop() {
	l.s.Close()
	<-l.done
}

// set writes past all servers and returns the rev.
func (n *node) set(path, body string) int64 {
	n.t.Helper()
	done := make(chan store.Event, 1)
	m := store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber, Body: []byte(body)}
	err := n.Propose(context.Background(), m, func(e store.Event, err error) {
		if e.Err == nil {
			e.Err = err
		}
		done <- e
	})
	if err != nil {
		n.t.Fatal(err)
	}
	e := <-done
	if e.Err != nil {
		n.t.Fatal(e.Err)
	}
	return e.Rev
}

// patient clients go on to try for longer than others. A slow machine must not fail.
var patient = client.Config{DialTimeout: time.Minute, RetryFor: time.Minute}

// dial connects to servers in this process.
func dial(t testing.TB, at ...*listener) *client.Client {
	t.Helper()
	cfg := patient
	for _, l := range at {
		cfg.Addrs = append(cfg.Addrs, l.addr)
	}
	c, err := client.DialConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// What each verb means is the server's to test; this is that both sides
// understand each other.
func TestAllVerbsAgainstANode(t *testing.T) {
	n := startNode(t, 0)
	c := dial(t, n.listen(""))
	ctx := t.Context()

	rev, err := c.Set(ctx, "/d/a", client.Missing, []byte("one"))
	assert.Equal(t, nil, err)
	_, err = c.Set(ctx, "/d/a", client.Missing, []byte("two"))
	assert.Equal(t, "REV_MISMATCH", fmt.Sprint(err))
	body, got, err := c.Get(ctx, "/d/a", client.Now)
	assert.Equal(t, []any{"one", rev, nil}, []any{string(body), got, err})
	assert.Equal(t, nil, c.Nop(ctx))
	dir, entries, err := c.Stat(ctx, "/d", client.Now)
	assert.Equal(t, []any{client.Dir, 1, nil}, []any{dir, entries, err})
	name, err := c.GetdirAt(ctx, "/d", 0, client.Now)
	assert.Equal(t, []any{"a", nil}, []any{name, err})
	_, err = c.GetdirAt(ctx, "/d", -1, client.Now)
	assert.Equal(t, "RANGE", fmt.Sprint(err))
	ev, err := c.WalkAt(ctx, "/d/*", 0, rev)
	assert.Equal(t, []any{"/d/a", rev, nil}, []any{ev.Path, ev.Rev, err})
	assert.Equal(t, nil, c.Del(ctx, "/d/a", rev))
	ev, err = c.Wait(ctx, "/d/*", rev+1)
	assert.Equal(t, []any{"/d/a", true, nil}, []any{ev.Path, ev.IsDel(), err})
	id, err := c.Self(ctx)
	assert.Equal(t, []any{n.ID(), nil}, []any{id, err})
	assert.Equal(t, nil, c.Access(ctx, ""))
	assert.Equal(t, "OTHER: permission denied", fmt.Sprint(c.Access(ctx, "x")))
}

// A wait whose ctx ended must be gone from the store when the server has
// answered its CANCEL; and that it has, the answer to a later request shows.
func TestCancelledWaitIsGoneFromTheServer(t *testing.T) {
	n := startNode(t, 0)
	c := dial(t, n.listen(""))
	before := n.Store().Waits()
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := c.Wait(ctx, "/never", 1)
			done <- err
		}()
		_, err := c.Self(t.Context())
		assert.Equal(t, nil, err)
		cancel()
		assert.Equal(t, context.Canceled, <-done)
	}
	_, err := c.Self(t.Context())
	assert.Equal(t, nil, err)
	assert.Equal(t, before, n.Store().Waits())
}

func TestWatchSurvivesItsServers(t *testing.T) {
	const events, perServer = 3000, 100
	n := startNode(t, 2*events)
	servers := []*listener{n.listen(""), n.listen("")}
	c := dial(t, servers...)
	first := n.set("/w/first", "")

	var writing sync.WaitGroup
	defer writing.Wait() // the last write is none that the watch waits for
	writing.Go(func() {
		for i := range events {
			n.set(fmt.Sprintf("/w/%d", i%7), fmt.Sprint(i))
			n.set("/elsewhere", "")
		}
	})
	seen := 0
	for ev, err := range c.Watch(t.Context(), "/w/*", first+1) {
		if err != nil {
			t.Fatal(err)
		}
		want := client.Event{
			Rev:   first + 1 + int64(2*seen),
			Path:  fmt.Sprintf("/w/%d", seen%7),
			Body:  []byte(fmt.Sprint(seen)),
			Flags: client.FlagSet,
		}
		assert.Equal(t, want, ev)
		if seen++; seen == events {
			break
		}
		if seen%perServer == 0 {
			// The watch is at one of the two: end both, one after the other.
			for _, l := range servers {
				l.stop()
				l.start("")
			}
		}
	}
	assert.Equal(t, events, seen)
}

func TestWatchIsTooLateWhenHistoryIsGone(t *testing.T) {
	n := startNode(t, 10)
	c := dial(t, n.listen(""))
	from := n.set("/w", "")
	var errs []error
	for ev, err := range c.Watch(t.Context(), "/w", from) {
		if errs = append(errs, err); err == nil {
			assert.Equal(t, from, ev.Rev)
			for range 20 {
				n.set("/w", "")
			}
		}
	}
	assert.Equal(t, 2, len(errs))
	assert.Equal(t, "TOO_LATE", fmt.Sprint(errs[1]))
}

func TestListingsShowOneRev(t *testing.T) {
	const files = 1500
	n := startNode(t, 10*files)
	c := dial(t, n.listen(""))
	want := make([]string, files)
	for i := range want {
		want[i] = fmt.Sprintf("%05d", i)
		n.set("/d/"+want[i], want[i])
	}
	var names, paths []string
	for name, err := range c.Getdir(t.Context(), "/d", client.Now) {
		assert.Equal(t, nil, err)
		if names = append(names, name); len(names)%100 == 0 {
			n.set(fmt.Sprintf("/d/-%d", len(names)), "")
		}
	}
	assert.Equal(t, want, names)

	rev, err := c.Rev(t.Context())
	assert.Equal(t, nil, err)
	for ev, err := range c.Walk(t.Context(), "/d/0*", rev) {
		assert.Equal(t, nil, err)
		assert.Equal(t, "/d/"+string(ev.Body), ev.Path)
		if paths = append(paths, string(ev.Body)); len(paths)%100 == 0 {
			n.set("/d/0", "")
		}
	}
	assert.Equal(t, want, paths)
}

// A listing that is broken off leaves the client as good as new.
func TestListingThatIsBrokenOff(t *testing.T) {
	n := startNode(t, 10000)
	c := dial(t, n.listen(""))
	for i := range 1000 {
		n.set(fmt.Sprintf("/d/%d", i), "")
	}
	for range 50 {
		seen := 0
		for _, err := range c.Walk(t.Context(), "/d/*", client.Now) {
			assert.Equal(t, nil, err)
			if seen++; seen == 100 {
				break
			}
		}
	}
	_, err := c.Self(t.Context())
	assert.Equal(t, nil, err)
}

func TestListingsOfNothing(t *testing.T) {
	n := startNode(t, 100)
	c := dial(t, n.listen(""))
	n.set("/file", "")
	for _, v := range []struct{ dir, want string }{{"/none", "NOENT"}, {"/file", "NOTDIR"}, {"bad", "BAD_PATH"}} {
		var errs []string
		for _, err := range c.Getdir(t.Context(), v.dir, client.Now) {
			errs = append(errs, fmt.Sprint(err))
		}
		assert.Equal(t, []string{v.want}, errs)
	}
	for ev := range c.Walk(t.Context(), "/none/**", client.Now) {
		t.Errorf("found %v", ev)
	}
}

func TestDialURI(t *testing.T) {
	ctx := t.Context()
	app := startNode(t, 0)
	appAt := app.listen("app")
	names := startNode(t, 0)
	dzns := names.listen("boot")
	names.set("/ctl/ns/app/0", "no address:at:all")
	names.set("/ctl/ns/app/"+app.ID(), appAt.addr)

	uri, boot := "doozer:?cn=app&sk=app&ca=127.0.0.1:1", "doozer:?sk=boot&ca="+dzns.addr
	for _, v := range []struct{ uri, boot, want string }{
		{uri, boot, ""},
		{"doozer:?sk=app&ca=" + appAt.addr, boot, ""},
		{"doozer:?cn=ignored&sk=app&ca=" + appAt.addr, "", ""},
		{"doozer:?cn=app", boot, "no secret"},
		{"doozer:?cn=none&ca=" + appAt.addr, boot, `unknown cluster name "none": there is no address under /ctl/ns/none at the DzNS`},
		{"doozer:?cn=*", boot, `unknown cluster name "*": there is no address under /ctl/ns/* at the DzNS`},
		{uri, "doozer:?sk=app&ca=" + dzns.addr, "DzNS: OTHER: permission denied"},
		{uri, "http://x", "invalid uri"},
		{"doozer", boot, "invalid uri"},
		{"doozer:?cn=app", "", "invalid uri: it has no ca, the address of a node"},
		{uri, "doozer:?cn=other", "DzNS: invalid uri: it has no ca, the address of a node"},
	} {
		c, err := client.DialURI(ctx, v.uri, v.boot, patient)
		if err != nil {
			assert.Equal(t, v.want, err.Error())
			continue
		}
		id, err := c.Self(ctx)
		assert.Equal(t, []any{app.ID(), nil}, []any{id, err})
		_, err = c.Set(ctx, "/x", client.Clobber, nil)
		switch v.want {
		case "no secret":
			assert.Equal(t, "OTHER: permission denied", fmt.Sprint(err))
		default:
			assert.Equal(t, nil, err)
		}
		assert.Equal(t, nil, c.Close())
	}
}

// Many goroutines, a server that dies all the time: each Set that was
// acknowledged is there, and each of the others says that it may be.
func TestWritesAgainstADyingServer(t *testing.T) {
	n := startNode(t, 100000)
	servers := []*listener{n.listen(""), n.listen("")}
	c := dial(t, servers...)
	const writers, writes = 8, 200

	done := make(chan error, writers)
	for w := range writers {
		go func() { done <- writeAll(c, fmt.Sprintf("/w/%d", w), writes) }()
	}
	for range writers {
		for _, l := range servers {
			l.stop()
			l.start("")
		}
		assert.Equal(t, nil, <-done)
	}
}

// writeAll counts a file up, and fails if an acknowledged number is not in it.
func writeAll(c *client.Client, path string, writes int) error {
	ctx := context.Background()
	for i := range writes {
		want := fmt.Sprint(i)
		rev, err := c.Set(ctx, path, client.Clobber, []byte(want))
		if err != nil && !errors.Is(err, client.ErrUnknownOutcome) {
			return err
		}
		body, got, getErr := c.Get(ctx, path, client.Now)
		if getErr != nil {
			return getErr
		}
		if err == nil && (string(body) != want || got != rev) {
			return fmt.Errorf("%s: set %s at %d, read %s at %d", path, want, rev, body, got)
		}
	}
	return nil
}
