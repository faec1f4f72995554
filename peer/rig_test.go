package peer

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// A rig is a cluster of cores on a network of its own, where every message takes one turn of the clock.
type rig struct {
	t     *testing.T
	now   time.Duration
	cores map[string]*Core
	at    map[string]string // the process at each address
	order []string          // ids, as they came
	cut   map[string]bool   // who neither sends nor receives
	mail  []func()

	timeout time.Duration // of those that are started
}

const (
	rigTurn    = 5 * time.Millisecond
	rigTimeout = 3 * time.Second
)

func newRig(t *testing.T) *rig {
	return &rig{t: t, cores: map[string]*Core{}, at: map[string]string{}, cut: map[string]bool{}, timeout: rigTimeout}
}

func (r *rig) config(id, addr string) Config {
	return Config{
		ID: id, Addr: addr, Hostname: "host", Version: "1.0", NS: true, Timeout: r.timeout, WriteTimeout: 5 * time.Second,
		Engine: consensus.Config{Rand: rand.New(rand.NewPCG(1, uint64(len(r.order)))), Window: 64},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// found starts the first voters: A, B, … at 10.0.0.1:1, 10.0.0.2:1, …
func (r *rig) found(n, slots int) {
	f := Founding{Cluster: "CLUSTER", Slots: slots}
	for k := range n {
		f.Voters = append(f.Voters, Voter{string(rune('A' + k)), fmt.Sprintf("10.0.0.%d:1", k+1)})
	}
	for _, v := range f.Voters {
		c, err := Found(r.config(v.ID, v.Addr), f)
		r.add(v.ID, v.Addr, c, err)
	}
}

// join starts a process that joins by another.
func (r *rig) join(id, addr, via string) {
	c, err := Join(r.config(id, addr), r.cores[via].Cluster(), via)
	r.add(id, addr, c, err)
}

func (r *rig) add(id, addr string, c *Core, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	r.cores[id], r.at[addr] = c, id
	r.order = append(r.order, id)
}

// kill ends a process. The kernel of its host closes its links.
func (r *rig) kill(id string) {
	delete(r.cores, id)
	r.order = slices.DeleteFunc(r.order, func(other string) bool { return other == id })
	for _, c := range r.cores {
		c.Lost(id)
	}
}

// turn lets time pass by one turn: every core hears what was sent in the last one.
func (r *rig) turn() {
	r.now += rigTurn
	mail := r.mail
	r.mail = nil
	for _, deliver := range mail {
		deliver()
	}
	for _, id := range r.order {
		c := r.cores[id]
		c.Tick(r.now)
		r.meet(c)
		r.send(id, c.Ready())
	}
}

// meet tells c who is at the addresses of the members that it knows, as its links would.
func (r *rig) meet(c *Core) {
	if r.cut[c.config.ID] || !c.Joined() {
		return
	}
	for _, m := range membersOf(c.store.Snapshot()) {
		if id, ok := r.at[m.addr]; ok && !r.cut[id] && r.cores[id] == nil {
			c.Refused(m.addr)
		}
		if id, ok := r.at[m.addr]; ok && id != m.id && !r.cut[id] && r.cores[id] != nil && c.met[m.addr] != id {
			c.Met(m.addr, id)
		}
	}
}

func (r *rig) send(from string, o Output) {
	for _, m := range o.Messages {
		r.post(from, m.To, func(c *Core) { c.Step(m) })
	}
	for _, n := range o.Notes {
		r.post(from, n.To, func(c *Core) { c.Take(n) })
	}
}

func (r *rig) post(from, to string, deliver func(*Core)) {
	sender := r.cores[from].Cluster()
	r.mail = append(r.mail, func() {
		c := r.cores[to]
		if c != nil && !r.cut[from] && !r.cut[to] && c.Cluster() == sender {
			deliver(c)
		}
	})
}

// until runs until ok, or fails when that takes longer than limit.
func (r *rig) until(what string, limit time.Duration, ok func() bool) {
	r.t.Helper()
	for end := r.now + limit; !ok(); r.turn() {
		if r.now > end {
			r.t.Fatalf("not within %v: %s\n%s", limit, what, r.dump())
		}
	}
}

// run lets time pass.
func (r *rig) run(d time.Duration) {
	for end := r.now + d; r.now < end; {
		r.turn()
	}
}

func (r *rig) dump() (s string) {
	for _, id := range r.order {
		c := r.cores[id]
		s += fmt.Sprintf("%s: writable %v, rev %d\n", id, c.Writable(), c.Store().Snapshot().Rev())
		for e := range c.Store().Snapshot().All(store.MustParseGlob("/ctl/**")) {
			s += fmt.Sprintf("   %d %s %q\n", e.Rev, e.Path, e.Body)
		}
	}
	return s
}

// set writes a file at a node and waits for the answer.
func (r *rig) set(at, path, body string) error {
	r.t.Helper()
	return r.write(at, setting(path, body))
}

func (r *rig) write(at string, m store.Mutation) (err error) {
	r.t.Helper()
	answered := false
	r.cores[at].Propose(m.Append(nil), func(e store.Event, failure error) {
		answered, err = true, failure
		if err == nil {
			err = e.Err
		}
	})
	r.until("an answer to a set of "+m.Path, 20*time.Second, func() bool { return answered })
	return err
}

func (r *rig) file(at, path string) string { return bodyOf(r.cores[at].Store().Snapshot(), path) }

// voters returns who takes writes.
func (r *rig) voters() (ids []string) {
	for _, id := range r.order {
		if r.cores[id].Writable() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// areVoters reports whether exactly these take writes, and all cores agree on the tree.
func (r *rig) areVoters(ids ...string) func() bool {
	return func() bool {
		if !slices.Equal(r.voters(), ids) {
			return false
		}
		for _, id := range ids {
			if !slices.Equal(r.cores[id].engine.Voters(), ids) {
				return false
			}
		}
		return true
	}
}

// check holds all living nodes that are not cut off to the same content, once it is quiet.
func (r *rig) check() {
	r.t.Helper()
	var first *Core
	equal := func() bool {
		first = nil
		for _, id := range r.order {
			c := r.cores[id]
			switch {
			case r.cut[id]:
			case first == nil:
				first = c
			case c.Store().Snapshot().Rev() != first.Store().Snapshot().Rev():
				return false
			}
		}
		return true
	}
	r.until("all at one rev", 10*time.Second, equal)
	for _, id := range r.order {
		if c := r.cores[id]; !r.cut[id] {
			if got, want := dump(r.t, c.Store().Snapshot()), dump(r.t, first.Store().Snapshot()); !slices.Equal(got, want) {
				r.t.Errorf("%s has %v, %s has %v", id, got, first.config.ID, want)
			}
			if err := c.Store().Check(); err != nil {
				r.t.Errorf("%s: %v", id, err)
			}
		}
	}
}
