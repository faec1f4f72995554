package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
)

// A trial is a work that was done, and what its cluster showed in the end.
type trial struct {
	*Work
	began time.Time
	last  int64
	nodes []shown
}

// operation adds one that lasted for the first half of the kth millisecond.
func (s *trial) operation(k int, o operation) {
	o.path = "/f"
	o.called = s.began.Add(time.Duration(k) * time.Millisecond)
	o.returned = o.called.Add(time.Millisecond / 2)
	s.record(&o)
}

// event is one that a watch saw in the kth millisecond.
func (s *trial) event(k int, rev int64, body string) seen {
	return seen{client.Event{Rev: rev, Path: "/f", Body: []byte(body)}, s.began.Add(time.Duration(k)*time.Millisecond + time.Millisecond/2)}
}

// goodTrial is a work that nothing is wrong with: two watches, of which one has seen less, an outcome that one
// of the writers does not know, and a last write that nobody saw, because the cluster ended.
func goodTrial() *trial {
	s := &trial{Work: &Work{acked: make(chan struct{}), ctx: context.Background()}, began: time.Now(), last: 30}
	s.operation(0, operation{body: "a", guard: client.Clobber, rev: 10})
	s.operation(1, operation{read: true, body: "a", rev: 10})
	s.operation(2, operation{body: "refused", guard: 5, refused: true})
	s.operation(3, operation{body: "b", guard: client.Clobber, unknown: true})
	s.operation(4, operation{body: "c", guard: client.Clobber, rev: 30})
	s.operation(5, operation{read: true, body: "c", rev: 30})
	s.operation(6, operation{body: "d", guard: client.Clobber, rev: 40})
	events := []seen{s.event(0, 10, "a"), s.event(3, 20, "b"), s.event(4, 30, "c")}
	s.watches = []*watch{{events: events}, {events: events[:2]}}
	s.nodes = []shown{{rev: 35, files: []client.Event{events[2].Event}}}
	return s
}

// TestVerdict: each thing that is wrong with a work is found.
func TestVerdict(t *testing.T) {
	refused := &client.ConnError{Addr: "10.77.1.1:8046", Err: io.EOF}
	for _, c := range []struct {
		name  string
		spoil func(*trial)
		want  string // in the error; empty if there is none
	}{
		{"nothing", func(*trial) {}, ""},
		{"the last write was read", func(s *trial) { s.operation(7, operation{read: true, body: "d", rev: 40}) }, ""},
		{"the last write must not be lost", func(s *trial) { s.last = 40 }, "was not seen by the watch"},
		{"a client failed", func(s *trial) { s.suspect(s.history[0], client.ErrBadPath) }, "bad path"},
		{"a node was lost", func(s *trial) { s.suspect(s.history[0], refused) }, ""},
		{"a watch lost its server", func(s *trial) { s.watches[1].err = refused }, ""},
		{"a watch was too late", func(s *trial) { s.watches[1].err = &client.Error{Code: client.TooLate} }, "a watch ended"},
		{"a watch missed what its writer does not know", func(s *trial) {
			s.watches[1].events = append(s.watches[1].events[:1:1], s.watches[0].events[2])
		}, "and another then"},
		{"both watches missed a write", func(s *trial) {
			for _, f := range s.watches {
				f.events = []seen{s.event(3, 20, "b"), s.event(4, 30, "c")}
			}
		}, "was not seen by the watch"},
		{"a watch saw what was refused", func(s *trial) { s.watches[0].events[1] = s.event(2, 20, "refused") }, "was refused happened"},
		{"a watch saw an event twice", func(s *trial) {
			s.watches[0].events = append(s.watches[0].events, s.event(5, 31, "a"))
		}, "happened at rev 10 and at rev 31"},
		{"a watch went back", func(s *trial) { s.watches[0].events = append(s.watches[0].events, s.event(5, 5, "d")) }, "saw rev 5 after 30"},
		{"a watch saw what nobody wrote", func(s *trial) {
			s.watches[0].events = append(s.watches[0].events, s.event(5, 31, "e"))
		}, "saw what nobody wrote"},
		{"a read of what nobody wrote", func(s *trial) { s.operation(7, operation{read: true, body: "e", rev: 50}) }, "was read nobody wrote"},
		{"a read of a write that failed", func(s *trial) { s.operation(7, operation{read: true, body: "refused", rev: 50}) }, "not linearizable"},
		{"a read at another rev", func(s *trial) { s.operation(7, operation{read: true, body: "c", rev: 31}) }, "happened elsewhere"},
		{"a read of what watches missed", func(s *trial) {
			s.operation(7, operation{body: "e", guard: client.Clobber, unknown: true})
			s.operation(8, operation{read: true, body: "e", rev: 25})
		}, "was read was not seen"},
		{"a read of what is new", func(s *trial) {
			s.operation(7, operation{body: "e", guard: client.Clobber, unknown: true})
			s.operation(8, operation{read: true, body: "e", rev: 50})
		}, ""},
		{"a read of what is old", func(s *trial) { s.operation(7, operation{read: true, body: "c", rev: 30}) }, "not linearizable"},
		{"a rev that was given before", func(s *trial) { s.operation(7, operation{body: "e", guard: client.Clobber, rev: 40}) }, "not linearizable"},
		{"hardly a read", func(s *trial) { s.reads, s.done = 5, 100 }, "only 5 reads"},
		{"a node has what nobody saw", func(s *trial) { s.nodes[0].files[0].Body = []byte("b") }, "a node has rev 30"},
		{"a node has nothing", func(s *trial) { s.nodes[0].files = nil }, "a node has 0 files"},
		{"a node is behind", func(s *trial) { s.nodes[0] = shown{25, []client.Event{s.event(3, 20, "b").Event}} }, ""},
	} {
		s := goodTrial()
		c.spoil(s)
		holds(t, c.name, c.want, s.verdict(s.last, s.nodes...))
	}
}

// holds holds an error to the text that must be in it; there must be none if that is empty.
func holds(t *testing.T, name, want string, err error) {
	t.Helper()
	if want == "" {
		assert.Equal(t, nil, err, name)
		return
	}
	assert.T(t, err != nil && strings.Contains(err.Error(), want), fmt.Sprintf("%s: %v", name, err))
}

// TestExpectedErrors: what clients may be told where nodes fail, and what not.
func TestExpectedErrors(t *testing.T) {
	lost := &client.ConnError{Addr: "10.77.1.1:8046", Err: io.EOF}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{lost, true},
		{context.DeadlineExceeded, true},
		{fmt.Errorf("%w: %w", client.ErrUnknownOutcome, lost), true},
		{&client.Error{Code: client.ReadOnly}, true},
		{&client.Error{Code: client.Other, Detail: "not written: no majority of the voters answered in time"}, true},
		{&client.Error{Code: client.Other, Detail: "permission denied"}, false},
		{&client.Error{Code: client.RevMismatch}, false},
		{&client.Error{Code: client.TooLate}, false},
		{&client.ConnError{Addr: "10.77.1.1:8046", Err: fmt.Errorf("%w: answer without a tag", client.ErrProtocol)}, false},
		{errors.New("anything else"), false},
	} {
		assert.Equal(t, c.want, expected(c.err), c.err)
	}
}

// TestExitStatuses: a process ends because it was asked to, or killed, or the cluster is judged to have failed.
func TestExitStatuses(t *testing.T) {
	for _, c := range []struct{ status, want string }{
		{"0", ""}, {"137", ""}, {"1", `ended with status "1"`}, {"2", `ended with status "2"`}, {"", `ended with status ""`},
	} {
		cluster := &Cluster{Options: Options{Hosts: 1}, dir: t.TempDir()}
		assert.Equal(t, nil, os.WriteFile(cluster.file("status", 1), []byte(c.status+"\n"), 0o600))
		holds(t, "status "+c.status, c.want, cluster.ended())
	}
}
