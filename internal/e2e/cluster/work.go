package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/e2e"
)

// Work is clients that write and read all the while, and watches that follow. They move on to other nodes when
// they lose one, and keep account of what they were told.
type Work struct {
	cluster *Cluster
	dir     string          // no other work was ever done in
	hosts   int             // 1 to hosts are known to the clients
	ctx     context.Context // of the watches
	cancel  context.CancelFunc
	load    context.Context // of the clients
	stop    context.CancelFunc
	clients sync.WaitGroup
	follow  sync.WaitGroup
	number  atomic.Int64 // of the last body
	watches []*watch
	from    int64 // rev from which the watches see all

	mu      sync.Mutex
	history []*operation
	errs    []error
	reads   int           // that count
	done    int           // writes acknowledged
	acked   chan struct{} // closed with the next one
	last    time.Time     // when the last one was
	gap     time.Duration
}

// What a Work is.
const (
	workers    = 6
	watchers   = 3
	workFiles  = 5
	workThink  = 8 * time.Millisecond // on average, between two operations of a client
	opPatience = 4 * time.Second      // after which a client gives an operation up
)

// Work begins. The clients know hosts 1 to hosts, which must be up.
func (c *Cluster) Work(hosts int) (*Work, error) {
	w := &Work{cluster: c, dir: fmt.Sprint("/clients/", c.works.Add(1)), hosts: hosts, acked: make(chan struct{})}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.load, w.stop = context.WithCancel(w.ctx)
	for k := range watchers {
		if err := w.watch(k); err != nil {
			w.cancel()
			return nil, err
		}
	}
	if err := w.watchByCommand(); err != nil {
		w.cancel()
		return nil, err
	}
	for k := range workers {
		w.clients.Go(func() { w.client(k) })
	}
	if err := w.Progress(workers); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Close ends the work without a verdict.
func (w *Work) Close() {
	w.cancel()
	w.clients.Wait()
	w.follow.Wait()
}

// config returns how to reach the cluster, first at host k. dials counts the connections.
func (w *Work) config(k int, dials *atomic.Int64) client.Config {
	addrs := w.cluster.Addrs(w.hosts)
	k %= len(addrs)
	addrs = slices.Concat(addrs[k:], addrs[:k])
	return client.Config{
		Addrs:       addrs,
		RetryFor:    e2e.Patience,
		DialTimeout: time.Second,
		MaxBackoff:  200 * time.Millisecond,
		Heartbeat:   time.Second,
		DialFunc: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials != nil {
				dials.Add(1)
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
}

// client does one operation after the other.
func (w *Work) client(k int) {
	var dials atomic.Int64
	cl, err := client.DialConfig(w.ctx, w.config(k, &dials))
	if err != nil {
		w.fail(err)
		return
	}
	defer cl.Close()
	random := rand.New(rand.NewPCG(uint64(k), 77))
	known := map[string]int64{}
	for w.load.Err() == nil {
		o := &operation{client: k, path: fmt.Sprintf("%s/f%d", w.dir, random.IntN(workFiles)), called: time.Now()}
		switch dice := random.IntN(10); {
		case dice < 3:
			o.guard = client.Clobber
			w.write(cl, o)
		case dice < 6:
			o.guard = known[o.path]
			w.write(cl, o)
		default:
			w.read(cl, o, &dials)
		}
		if !o.unknown && !o.refused {
			known[o.path] = o.rev
		} else {
			delete(known, o.path)
		}
		w.pause(random)
	}
}

// pause is thinking, not waiting for anything: without it the load would be all that the machine can do.
func (w *Work) pause(random *rand.Rand) {
	select {
	case <-time.After(time.Duration(random.Int64N(int64(2 * workThink)))):
	case <-w.load.Done():
	}
}

func (w *Work) write(cl *client.Client, o *operation) {
	o.body = fmt.Sprintf("%d of %d", w.number.Add(1), o.client)
	ctx, cancel := context.WithTimeout(w.ctx, opPatience)
	defer cancel()
	rev, err := cl.Set(ctx, o.path, o.guard, []byte(o.body))
	o.returned, o.rev = time.Now(), rev
	switch {
	case err == nil:
	case errors.Is(err, client.ErrRevMismatch) && !errors.Is(err, client.ErrUnknownOutcome):
		o.refused = true
	default:
		o.unknown = true
		w.suspect(o, err)
	}
	w.record(o)
}

// suspect fails the work unless err is what clients must expect where nodes fail.
func (w *Work) suspect(o *operation, err error) {
	if !expected(err) {
		w.fail(fmt.Errorf("%v: %w", o, err))
	}
}

// expected reports whether an error says that no node could be reached, or that the one that was takes no writes.
func expected(err error) bool {
	var answer *client.Error
	switch {
	case errors.Is(err, client.ErrProtocol), errors.Is(err, client.ErrPermission), errors.Is(err, client.ErrCancelled):
		return false
	case errors.As(err, &answer):
		return answer.Code == client.ReadOnly || answer.Code == client.Other
	}
	return isLost(err)
}

// isLost reports whether an error says that no node could be reached in time.
func isLost(err error) bool {
	var lost *client.ConnError
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &lost)
}

// read is NOP, then GET, and counts if both went over one connection.
func (w *Work) read(cl *client.Client, o *operation, dials *atomic.Int64) {
	o.read, o.unknown = true, true
	ctx, cancel := context.WithTimeout(w.ctx, opPatience)
	defer cancel()
	before := dials.Load()
	err := cl.Nop(ctx)
	if err == nil {
		var body []byte
		body, o.rev, err = cl.Get(ctx, o.path, client.Now)
		o.body = string(body)
	}
	o.returned = time.Now()
	if err != nil {
		w.suspect(o, err)
	}
	o.unknown = err != nil || dials.Load() != before
	w.record(o)
}

func (w *Work) record(o *operation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, o)
	switch {
	case o.unknown:
		return
	case o.read:
		w.reads++
		return
	}
	w.done++
	close(w.acked)
	w.acked = make(chan struct{})
	if !w.last.IsZero() {
		w.gap = max(w.gap, o.returned.Sub(w.last))
	}
	w.last = o.returned
}

func (w *Work) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() == nil {
		w.errs = append(w.errs, err)
	}
}

// Gap returns the longest time between two writes that were acknowledged, since it was called before.
func (w *Work) Gap() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	gap := w.gap
	w.gap = 0
	return gap
}

// Progress waits until that many further writes have been acknowledged.
func (w *Work) Progress(writes int) error {
	late := time.After(e2e.Patience)
	done, acked := w.acknowledged()
	for goal := done + writes; done < goal; done, acked = w.acknowledged() {
		select {
		case <-acked:
		case <-late:
			return fmt.Errorf("no progress: %d of %d writes in %v", done-goal+writes, writes, e2e.Patience)
		}
	}
	return nil
}

func (w *Work) acknowledged() (done int, next <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done, w.acked
}
