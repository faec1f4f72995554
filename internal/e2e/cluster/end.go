package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/e2e"
)

// End ends the work and judges it. Each of the voters, given as hosts, must take a write; all nodes that run
// must have the same files; each watch must have seen every event once and in order; and the history must be
// linearizable.
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

// EndWithCluster is End where nobody takes writes any more. What was acknowledged and is newer than all that a
// watch or a node that still runs has shown may be lost, and nothing else.
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

// leastReads is how many of a hundred operations that count must be reads: they are two fifths, where nodes do
// not fail.
const leastReads = 5

// verdict judges what clients and watches were told, of which nothing up to rev last may be lost, and what
// nodes had in the end.
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
