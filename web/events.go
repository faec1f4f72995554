package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ha/doozerd/store"
)

// A change brings a page from one version of the tree to a later one. It tells
// how things are, not what happened to them: so several events make one change,
// and a page may take the same change twice.
type change struct {
	Rev   int64         `json:"rev"`
	Files []changedFile `json:"files"`
	Dirs  []changedDir  `json:"dirs"` // the root first, each before what is in it
}

type changedFile struct {
	Path string `json:"path"`
	HTML string `json:"html"` // its row; empty if it is gone
}

type changedDir struct {
	Path  string `json:"path"`
	Count int    `json:"count"` // its entries; 0 if it is gone
}

// errBehind reports a browser that must load the tree anew.
var errBehind = errors.New("too far behind")

// events sends the changes after the version that the browser has. The first
// thing a stream says is that it is open; the last one may be that the browser
// must load the tree anew.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many pages follow this node", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that gathers messages makes them late
	if r.Method == http.MethodHead {
		return
	}
	s := &stream{handler: h, w: w, rc: http.NewResponseController(w)}
	if err := s.run(r.Context(), lastSeen(r)); errors.Is(err, errBehind) {
		s.send("", "reset", []byte("load the tree again"))
	}
}

// lastSeen returns the id of the newest message that the browser has seen.
func lastSeen(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("after")
}

// A stream is one browser that follows the tree.
type stream struct {
	*handler
	w    http.ResponseWriter
	rc   *http.ResponseController
	seen int64 // rev that the browser has
}

// run sends changes until the browser or the node is gone.
func (s *stream) run(ctx context.Context, after string) error {
	if err := s.resume(after); err != nil {
		return err
	}
	if err := s.ping(); err != nil {
		return err
	}
	// The time for a request to come ends a stream as well, unless it is lifted.
	if err := s.rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	for {
		if err := s.await(ctx); err != nil {
			return err
		}
		if err := s.sendChange(); err != nil {
			return err
		}
		if err := rest(ctx); err != nil {
			return err
		}
	}
}

// resume takes the stream up after the message with that id. A rev says
// nothing without the node that counted it: another process counts anew.
func (s *stream) resume(id string) error {
	node, rev, _ := strings.Cut(id, ".")
	n, err := strconv.ParseInt(rev, 10, 64)
	if err != nil || node != s.Node.ID() || n < 0 || n > s.Node.Store().Snapshot().Rev() {
		return errBehind
	}
	s.seen = n
	return nil
}

// await returns when there is a change to send. Until then it lets the browser
// know that it is still there.
func (s *stream) await(ctx context.Context) error {
	happened := make(chan error, 1)
	wait, err := s.Node.Store().Wait(s.all, s.seen+1, func(_ store.Event, err error) { happened <- err })
	if err != nil {
		return errBehind
	}
	defer wait.Cancel()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case err := <-happened:
			if err != nil {
				return errBehind
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			if err := s.ping(); err != nil {
				return err
			}
		}
	}
}

// rest spares the browser: see pace.
func rest(ctx context.Context) error {
	t := time.NewTimer(pace)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sendChange sends all that happened since the browser's version.
func (s *stream) sendChange() error {
	now := s.Node.Store().Snapshot()
	c, err := s.changeTo(now)
	if err != nil {
		return err
	}
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if len(data) > MaxMessage {
		return errBehind
	}
	s.seen = now.Rev()
	return s.send(fmt.Sprintf("%s.%d", s.Node.ID(), s.seen), "change", data)
}

// changeTo returns what differs in now from the browser's version.
func (s *stream) changeTo(now *store.Snapshot) (change, error) {
	c := change{Rev: now.Rev(), Files: []changedFile{}, Dirs: []changedDir{}}
	if now.Rev()-s.seen > MaxChanges {
		return c, errBehind
	}
	done := make(map[string]bool)
	for rev := s.seen + 1; rev <= now.Rev(); rev++ {
		file, err := s.pathAt(rev)
		if err != nil {
			return c, err
		}
		if done[file] {
			continue
		}
		done[file] = true
		html, err := s.row(now, file)
		if err != nil {
			return c, err
		}
		c.Files = append(c.Files, changedFile{file, html})
		c.Dirs = appendDirs(c.Dirs, done, now, path.Dir(file))
	}
	return c, nil
}

// pathAt returns the path that the event at a past rev is about.
func (s *stream) pathAt(rev int64) (p string, err error) {
	_, err = s.Node.Store().Wait(s.all, rev, func(e store.Event, _ error) { p = e.Path })
	if err != nil {
		return "", errBehind
	}
	return p, nil
}

// appendDirs appends dir and those above it, unless they are done.
func appendDirs(dirs []changedDir, done map[string]bool, now *store.Snapshot, dir string) []changedDir {
	if done[dir+"/"] {
		return dirs
	}
	done[dir+"/"] = true // a file of the same name may be among the changes too
	if dir != "/" {
		dirs = appendDirs(dirs, done, now, path.Dir(dir))
	}
	count := 0
	if rev, n := now.Stat(dir); rev == store.Dir {
		count = n
	}
	return append(dirs, changedDir{dir, count})
}

// row returns the row of a file, empty if there is none.
func (s *stream) row(now *store.Snapshot, file string) (string, error) {
	e := lookup(now, file, path.Base(file))
	if e == nil || e.IsDir {
		return "", nil
	}
	var b bytes.Buffer
	err := s.pages.ExecuteTemplate(&b, "row", e)
	return b.String(), err
}

func (s *stream) ping() error { return s.send("", "ping", []byte("still here")) }

// send sends one message. A browser that does not take it in time is cut off.
func (s *stream) send(id, event string, data []byte) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if id != "" {
		fmt.Fprintf(s.w, "id: %s\n", id)
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, data); err != nil {
		return err
	}
	return s.rc.Flush()
}
