package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

// each runs f once per client, side by side, each with a connection of its
// own.
func each(t *testing.T, addr string, clients int, f func(client int, c *raw.Conn) error) {
	t.Helper()
	eachOf(t, []string{addr}, clients, f)
}

// eachOf is each with several nodes, of which the clients connect to one after
// the other.
func eachOf(t *testing.T, addrs []string, clients int, f func(client int, c *raw.Conn) error) {
	t.Helper()
	var work sync.WaitGroup
	for i := range clients {
		c := dial(t, addrs[i%len(addrs)])
		work.Go(func() {
			if err := f(i, c); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	work.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// TestCounter: clients add one by GET and a guarded SET. The acknowledged
// additions, and no others, are in the count; revs are dense.
func TestCounter(t *testing.T) {
	const clients, tries = 16, 200
	n := start(t)
	var acknowledged, refused atomic.Int64
	each(t, n.Addr, clients, func(_ int, c *raw.Conn) error {
		for range tries {
			before, err := c.Ask("GET path=/count")
			if err != nil {
				return err
			}
			count, _ := strconv.Atoi(before.Value)
			set, err := c.Ask("SET path=/count rev=%d value=%d", before.Rev, count+1)
			switch {
			case err != nil:
				return err
			case set.Err == 0:
				acknowledged.Add(1)
			case set.Err == codeRevMismatch:
				refused.Add(1)
			default:
				return fmt.Errorf("SET: %+v", set)
			}
		}
		return nil
	})
	c := dial(t, n.Addr)
	assert.Equal(t, fmt.Sprint(acknowledged.Load()), ask(t, c, "GET path=/count").Value)
	assert.Equal(t, int64(clients*tries), acknowledged.Load()+refused.Load())
	assert.Equal(t, int64(8+clients*tries), ask(t, c, "REV").Rev)
}

const codeRevMismatch = int64(5)

// TestOneWinner: many set the same body with guard 0; exactly one is told that
// it did, and its rev is the file's.
func TestOneWinner(t *testing.T) {
	n := start(t)
	won := oneWinner(t, []*Node{n})
	c := dial(t, n.Addr)
	for f, revs := range won {
		assert.Equal(t, []int64{ask(t, c, "GET path=/won/%d", f).Rev}, revs)
	}
	assert.Equal(t, int64(8+contestants*contests), ask(t, c, "REV").Rev)
}

// So many clients want to be the first to set each of so many files.
const contestants, contests = 16, 100

// oneWinner holds the contests at these nodes, and returns for each file the
// revs of those that were told that they set it.
func oneWinner(t *testing.T, nodes []*Node) [][]int64 {
	t.Helper()
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.Addr)
	}
	won := make([][]int64, contests)
	var mu sync.Mutex
	eachOf(t, addrs, contestants, func(_ int, c *raw.Conn) error {
		for f := range won {
			a, err := c.Ask("SET path=/won/%d rev=0 value=same", f)
			if err != nil || a.Err != 0 && a.Err != codeRevMismatch {
				return fmt.Errorf("%+v %v", a, err)
			}
			if a.Err == 0 {
				mu.Lock()
				won[f] = append(won[f], a.Rev)
				mu.Unlock()
			}
		}
		return nil
	})
	return won
}

// TestAnswersAreOnesOwn: pipelined writes of equal bodies each get a rev, no
// two the same, none left out, and each rev is that write's own event.
func TestAnswersAreOnesOwn(t *testing.T) {
	const clients, writes = 8, 500
	n := start(t, "-hist", "100000")
	revs := make([][]int64, clients)
	each(t, n.Addr, clients, func(client int, c *raw.Conn) error {
		revs[client] = make([]int64, writes)
		sent := make(chan error, 1)
		go func() {
			requests := make([]string, writes)
			for i := range requests {
				requests[i] = fmt.Sprintf("tag=%d SET path=/own/c%d/%d rev=-1 value=same", i, client, i)
			}
			sent <- c.Send(requests...)
		}()
		for range writes {
			a, err := c.RecvAnswer()
			if err != nil || a.Err != 0 {
				return fmt.Errorf("%+v %v", a, err)
			}
			revs[client][a.Tag] = a.Rev
		}
		return <-sent
	})
	c := dial(t, n.Addr)
	for client, revs := range revs {
		for i, rev := range revs {
			a := ask(t, c, "WAIT path=/own/** rev=%d", rev)
			assert.Equal(t, raw.Answer{Flags: 4, Rev: rev, Path: fmt.Sprintf("/own/c%d/%d", client, i), Value: "same"}, a)
		}
	}
	all := slices.Concat(revs...)
	slices.Sort(all)
	assert.Equal(t, int64(9), all[0])
	assert.Equal(t, int64(8+clients*writes), all[len(all)-1])
	assert.Equal(t, clients*writes, len(slices.Compact(all)))
}

// TestNopThenGet: what one client has been told is written, another sees after
// a NOP.
func TestNopThenGet(t *testing.T) {
	const clients, rounds = 8, 100
	n := start(t)
	var written atomic.Int64 // the highest rev that any writer was told
	each(t, n.Addr, clients, func(client int, c *raw.Conn) error {
		for range rounds {
			if client%2 == 0 {
				set, err := c.Ask("SET path=/linear rev=-1")
				if err != nil {
					return err
				}
				raise(&written, set.Rev)
				continue
			}
			atLeast := written.Load()
			if nop, err := c.Ask("NOP"); err != nil || nop.Err != 0 {
				return fmt.Errorf("NOP: %+v %v", nop, err)
			}
			got, err := c.Ask("GET path=/linear")
			if err != nil || got.Rev < atLeast {
				return fmt.Errorf("after rev %d and NOP: %+v %v", atLeast, got, err)
			}
		}
		return nil
	})
}

// raise sets v to n unless it is more already.
func raise(v *atomic.Int64, n int64) {
	for old := v.Load(); old < n && !v.CompareAndSwap(old, n); old = v.Load() {
	}
}
