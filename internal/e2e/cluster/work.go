package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/e2e"
)

// Work is clients that write and read all the while, and watches that follow. They move on to other nodes when they lose
// one, and keep account of what they were told.
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

// seen is an event that a watch saw, and when.
type seen struct {
	client.Event
	at time.Time
}

// A watch follows the files of the work.
type watch struct {
	mu      sync.Mutex
	events  []seen
	changed chan struct{} // closed with each event
	err     error
}

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

// watch begins a watch, at host k at first.
func (w *Work) watch(k int) error {
	cl, err := client.DialConfig(w.ctx, w.config(k, nil))
	if err != nil {
		return err
	}
	f := &watch{changed: make(chan struct{})}
	w.watches = append(w.watches, f)
	rev, err := cl.Rev(w.ctx)
	if err != nil {
		return err
	}
	w.from = rev
	w.follow.Go(func() {
		defer cl.Close()
		for e, err := range cl.Watch(w.ctx, w.dir+"/*", rev) {
			w.saw(f, e, err)
		}
	})
	return nil
}

// watchByCommand begins the watch of a person: doozer watch.
func (w *Work) watchByCommand() error {
	cmd := exec.CommandContext(w.ctx, w.cluster.bins.Doozer, "-a", "doozer:?ca="+strings.Join(w.cluster.Addrs(w.hosts), "&ca="), "-r", fmt.Sprint(w.from), "watch", w.dir+"/*")
	cmd.Env = append(e2e.Environ(), w.cluster.Env...)
	said := new(strings.Builder)
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("doozer watch: %w", err)
	}
	f := &watch{changed: make(chan struct{})}
	w.watches = append(w.watches, f)
	w.follow.Go(func() {
		for r := bufio.NewReader(out); ; {
			e, err := printed(r)
			if err != nil {
				err = fmt.Errorf("doozer watch ended: %w, %w: %s", err, cmd.Wait(), said)
			}
			if w.saw(f, e, err); err != nil {
				return
			}
		}
	})
	return nil
}

// printed reads one event as doozer watch prints it: a line with path, rev, what was done and the length of the body, and then
// the body.
func printed(r *bufio.Reader) (e client.Event, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return e, err
	}
	var did string
	var size int
	if _, err := fmt.Sscanf(line, "%s %d %s %d\n", &e.Path, &e.Rev, &did, &size); err != nil || did != "set" {
		return e, fmt.Errorf("not the event of a set: %q (%w)", line, err)
	}
	body := make([]byte, size+1) // and the end of its line
	_, err = io.ReadFull(r, body)
	e.Body = body[:size]
	return e, err
}

// saw tells a watch its next event, or its end, unless that is the end of the work.
func (w *Work) saw(f *watch, e client.Event, err error) {
	if err == nil || w.ctx.Err() == nil {
		f.take(e, err)
	}
}

func (f *watch) take(e client.Event, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; err == nil {
		f.events = append(f.events, seen{e, time.Now()})
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// last is the rev of the newest event.
func (f *watch) last() int64 {
	if len(f.events) == 0 {
		return 0
	}
	return f.events[len(f.events)-1].Rev
}

// until waits until the watch has seen rev.
func (f *watch) until(rev int64) error {
	late := time.After(e2e.Patience)
	for {
		f.mu.Lock()
		err, changed, last := f.err, f.changed, f.last()
		f.mu.Unlock()
		if err != nil || last >= rev {
			return err
		}
		select {
		case <-changed:
		case <-late:
			return fmt.Errorf("the watch does not come from rev %d to rev %d", last, rev)
		}
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

// End ends the work and judges it. Each of the voters, given as hosts, must take a write; all nodes that run must have the same files; each watch must have
// seen every event once and in order; and the history must be linearizable.
func (w *Work) End(voters ...int) error {
	defer w.Close()
	w.stop()
	w.clients.Wait()
	rev, err := w.lastWrites(voters)
	if err != nil {
		return err
	}
	files, err := w.same(rev, w.cluster.Running())
	if err != nil {
		return err
	}
	if err := w.followed(rev); err != nil {
		return err
	}
	w.Close()
	return w.verdict(math.MaxInt64, shown{rev, files})
}

// EndWithCluster is End where nobody takes writes any more. What was acknowledged and is newer than all that a watch or a node that still runs has
// shown may be lost, and nothing else.
func (w *Work) EndWithCluster() error {
	defer w.Close()
	w.stop()
	w.clients.Wait()
	var last int64
	var nodes []shown
	for _, n := range w.cluster.Running() {
		s, err := w.shownBy(n)
		if err != nil {
			return fmt.Errorf("host %d at the end: %w", n, err)
		}
		nodes, last = append(nodes, s), max(last, s.rev)
		if err := w.followed(s.newest()); err != nil {
			return err
		}
	}
	w.Close()
	for _, f := range w.watches {
		last = max(last, f.last())
	}
	return errors.Join(w.verdict(last, nodes...), w.cluster.ended())
}

// followed waits until all watches have seen rev.
func (w *Work) followed(rev int64) error {
	for _, f := range w.watches {
		if err := f.until(rev); err != nil {
			return err
		}
	}
	return nil
}

// leastReads is how many of a hundred operations that count must be reads: they are two fifths, where nodes do not fail.
const leastReads = 5

// verdict judges what clients and watches were told, of which nothing up to rev last may be lost, and what nodes had in the end.
func (w *Work) verdict(last int64, nodes ...shown) error {
	errs := w.errs
	if 100*w.reads < leastReads*(w.reads+w.done) {
		errs = append(errs, fmt.Errorf("only %d reads beside %d writes", w.reads, w.done))
	}
	var watches [][]seen
	for _, f := range w.watches {
		if f.err != nil && !endOfServer(f.err) {
			errs = append(errs, fmt.Errorf("a watch ended: %w", f.err))
		}
		watches = append(watches, f.events)
	}
	events, err := agree(watches)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, n := range nodes {
		errs = append(errs, n.holds(events))
	}
	return errors.Join(append(errs, judge(w.history, events, last))...)
}

// endOfServer reports whether a watch ended because nobody was left to ask.
func endOfServer(err error) bool {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return strings.Contains(err.Error(), "Is doozerd running there?")
	}
	return isLost(err) && !errors.Is(err, client.ErrProtocol)
}

// shownBy returns what host n has now.
func (w *Work) shownBy(n int) (s shown, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, e2e.Patience)
	defer cancel()
	cl, err := w.cluster.Dial(ctx, n)
	if err != nil {
		return s, err
	}
	defer cl.Close()
	if s.rev, err = cl.Rev(ctx); err != nil {
		return s, err
	}
	s.files, err = w.filesAt(n, s.rev)
	return s, err
}

// lastWrites writes through each host, and returns the rev of the last write.
func (w *Work) lastWrites(hosts []int) (rev int64, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, e2e.Patience)
	defer cancel()
	for _, n := range hosts {
		cl, err := w.cluster.Dial(ctx, n)
		if err != nil {
			return 0, fmt.Errorf("host %d at the end: %w", n, err)
		}
		defer cl.Close()
		o := &operation{client: -n, path: fmt.Sprint(w.dir, "/end", n), body: fmt.Sprint("end of ", n), guard: client.Clobber, called: time.Now()}
		if o.rev, err = setWhenWritable(ctx, cl, o); err != nil {
			return 0, fmt.Errorf("host %d at the end: %w", n, err)
		}
		o.returned = time.Now()
		w.record(o)
		rev = o.rev
	}
	return rev, nil
}

// setWhenWritable writes as soon as the host takes writes: it may just have been told that it is a voter again.
func setWhenWritable(ctx context.Context, cl *client.Client, o *operation) (rev int64, err error) {
	for {
		rev, err = cl.Set(ctx, o.path, o.guard, []byte(o.body))
		if !errors.Is(err, client.ErrReadOnly) {
			return rev, err
		}
		now, err := cl.Rev(ctx)
		if err == nil {
			_, err = cl.Wait(ctx, "/**", now+1)
		}
		if err != nil && !errors.Is(err, client.ErrTooLate) { // it took a snapshot meanwhile
			return 0, err
		}
	}
}

// sameAt compares what these hosts have at the present rev of the first.
func (w *Work) sameAt(hosts ...int) error {
	s, err := w.shownBy(hosts[0])
	if err != nil {
		return err
	}
	_, err = w.same(s.rev, hosts)
	return err
}

// same returns what all these hosts have at a rev.
func (w *Work) same(rev int64, hosts []int) (first []client.Event, err error) {
	for _, n := range hosts {
		all, err := w.filesAt(n, rev)
		if err != nil {
			return nil, fmt.Errorf("host %d at rev %d: %w", n, rev, err)
		}
		if first == nil {
			first = all
		}
		if !slices.EqualFunc(first, all, sameEvent) {
			return nil, fmt.Errorf("hosts %d and %d differ at rev %d:\n%v\n%v", hosts[0], n, rev, first, all)
		}
	}
	return first, nil
}

// filesAt returns the files of the work as host n has them at rev, which may be yet to come.
func (w *Work) filesAt(n int, rev int64) (all []client.Event, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, e2e.Patience)
	defer cancel()
	cl, err := w.cluster.Dial(ctx, n)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	for e, err := range cl.Walk(ctx, w.dir+"/*", rev) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}
