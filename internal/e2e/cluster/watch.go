package cluster

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/e2e"
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

// printed reads one event as doozer watch prints it: a line with path, rev, what was done and the length of the
// body, and then the body.
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
