package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/server"
	"github.com/ha/doozerd/store"
	"github.com/ha/doozerd/web"
)

// What follows tells package web, in its own words, what the node and the
// client port know.

// timedNode is a node whose agreement is timed.
type timedNode struct {
	*peer.Node
	times *web.Latencies
}

// Propose is the node's, timed.
func (n timedNode) Propose(ctx context.Context, m store.Mutation, done func(store.Event, error)) error {
	begin := time.Now()
	return n.Node.Propose(ctx, m, func(e store.Event, err error) {
		n.times.Wrote(begin, e.Err, err)
		done(e, err)
	})
}

// Barrier is the node's, timed.
func (n timedNode) Barrier(ctx context.Context, done func(error)) error {
	begin := time.Now()
	return n.Node.Barrier(ctx, func(err error) {
		n.times.Passed(begin, err)
		done(err)
	})
}

type traffic struct{ *server.Server }

// Traffic tells what the client port does.
func (t traffic) Traffic() web.Traffic {
	s := t.Stats()
	return web.Traffic{Conns: s.Conns, Refused: s.Refused, Cut: s.Cut, Requests: t.Requests()}
}

type agreement struct{ *peer.Node }

// Agreement tells what consensus did.
func (a agreement) Agreement() web.Agreement {
	s, lost := a.Status(), a.Losses()
	c := s.Counters
	return web.Agreement{
		Decisions: s.Instance, Fills: c.Fills, Rejected: c.Rejected, Lost: c.Lost,
		Pulls: c.Pulls, Resends: c.Resends, Dropped: c.Dropped + lost.Impossible, Conflicts: c.Conflicts,
		Unknown: lost.Unknown, Frames: lost.Frames,
	}
}

type members struct{ *peer.Node }

// Status tells how the node sees its cluster.
func (n members) Status() web.Status {
	s := n.Node.Status()
	told := web.Status{CutOff: !s.Majority}
	for _, m := range s.Members {
		told.Members = append(told.Members, member(m, s))
	}
	for _, words := range s.Trouble {
		told.Trouble = append(told.Trouble, sentence(words))
	}
	return told
}

func member(m peer.MemberStatus, s *peer.Status) web.Member {
	told := web.Member{
		ID: m.ID, Addr: m.Addr, Hostname: m.Hostname, Version: m.Version,
		Role: roleOf(m), Slot: m.Slot, Self: m.Self, Applied: m.Rev, Lag: -1, Silence: -1,
	}
	switch {
	case m.Self:
		told.Applied, told.Lag, told.Silence = s.Rev, 0, 0
	case m.Known:
		told.Lag, told.RoundTrip, told.Silence = int64(m.Lag), m.RoundTrip, m.Silence
	}
	return told
}

func roleOf(m peer.MemberStatus) web.Role {
	switch {
	case m.Addr == "":
		return web.Unregistered
	case m.Voter:
		return web.Voter
	}
	return web.Observer
}

// sentence makes one of words: a capital letter and a full stop.
func sentence(words string) string {
	return strings.ToUpper(words[:1]) + words[1:] + "."
}

// stuckAfter is how long a node's loop may give no sign before its process
// should be restarted, unless it turns more slowly than that by itself.
const stuckAfter = 10 * time.Second

// live says why the process should be restarted: the loop has made no new status
// since long ago. It learns when it is asked.
func live(n *peer.Node, fill time.Duration) func() error {
	patience := max(stuckAfter, 2*fill)
	var mu sync.Mutex
	var seen *peer.Status
	var since time.Time
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if s := n.Status(); s != seen {
			seen, since = s, time.Now()
		}
		if still := time.Since(since); still > patience {
			return fmt.Errorf("the node's loop has stood still for %v", still.Round(time.Second))
		}
		return nil
	}
}

// errEnding reports a node that is about to end.
var errEnding = errors.New("the node is ending")

// ready says why clients should not be sent to the node.
func ready(n *peer.Node) func(context.Context) error {
	return func(ctx context.Context) error {
		switch {
		case !n.Ready():
			return errors.New("the node has not joined its cluster yet")
		case n.Writable():
			return passes(ctx, n)
		case !n.Status().Majority:
			return errors.New("no majority is heard of: what is read here may be out of date")
		}
		return nil
	}
}

// passes says why a barrier, which is what a write needs, does not pass.
func passes(ctx context.Context, n *peer.Node) error {
	passed := make(chan error, 1)
	if err := n.Barrier(ctx, func(err error) { passed <- err }); err != nil {
		return fmt.Errorf("nothing can be written: %w", err)
	}
	select {
	case err := <-passed:
		return err
	case <-n.Done():
		return errEnding
	case <-ctx.Done():
		return errors.New("nothing can be written: there is no agreement in time")
	}
}
