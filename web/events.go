package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ha/doozerd/store"
)

// An eventLine is one change, as scripts are told of it.
type eventLine struct {
	Rev    int64   `json:"rev"`
	Op     string  `json:"op"` // set or del
	Path   string  `json:"path"`
	Value  *string `json:"value,omitempty"`  // of a set, if it is UTF-8
	Base64 []byte  `json:"base64,omitempty"` // of a set, if it is not
	Error  string  `json:"error,omitempty"`  // why the mutation of this rev failed
}

func lineOf(e store.Event) eventLine {
	l := eventLine{Rev: e.Rev, Op: "set", Path: e.Path}
	if e.Err != nil {
		l.Error = e.Err.Error()
	}
	switch text := string(e.Body); {
	case e.Op == store.Del:
		l.Op = "del"
	case utf8.Valid(e.Body):
		l.Value = &text
	default:
		l.Base64 = e.Body
	}
	return l
}

// events follows the tree for a script: each change whose path matches glob, the
// id of a message being its rev. It goes on after Last-Event-ID, or else begins
// with rev, or else with what comes. Nothing is left out: a reader who falls out
// of history is told too-late, and the stream ends.
func (v *View) events(w http.ResponseWriter, r *http.Request) {
	args := r.URL.Query()
	g, err := store.ParseGlob(cmp.Or(args.Get("glob"), "/**"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	rev, err := v.beginAt(r)
	if err != nil {
		http.Error(w, "rev and Last-Event-ID must be numbers", http.StatusBadRequest)
		return
	}
	s, done := v.openStream(w, r)
	if s == nil {
		return
	}
	defer done()
	v.tell(r, s, g, rev)
}

// beginAt returns the rev with which a script's stream begins.
func (v *View) beginAt(r *http.Request) (int64, error) {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		rev, err := strconv.ParseInt(id, 10, 64)
		return rev + 1, err
	}
	if rev := r.URL.Query().Get("rev"); rev != "" {
		return strconv.ParseInt(rev, 10, 64)
	}
	return v.past.Snapshot().Rev() + 1, nil
}

// tell sends the events from rev on until the reader or the node is gone.
func (v *View) tell(r *http.Request, s *sse, g *store.Glob, rev int64) {
	beats := time.NewTicker(heartbeat)
	defer beats.Stop()
	if s.beat(rev-1) != nil { // so that the reader knows at once that it is connected
		return
	}
	for r.Context().Err() == nil {
		e, ok, err := v.past.next(r.Context(), g, rev, beats.C)
		switch {
		case err != nil:
			s.send(0, "too-late", fmt.Appendf(nil, `{"rev":%d,"oldest":%d}`, rev, v.past.oldest()))
			return
		case ok:
			rev = e.Rev + 1
			err = s.sendEvent(e)
		default:
			rev = e.Rev + 1
			err = s.beat(e.Rev)
		}
		if err != nil {
			return
		}
	}
}

func (s *sse) sendEvent(e store.Event) error {
	line := lineOf(e)
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	return s.send(e.Rev, line.Op, data)
}

// beat sends what every reader skips, but for the rev after which it goes on.
func (s *sse) beat(rev int64) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, ": here\nid: %d\n\n", rev); err != nil {
		return err
	}
	return s.rc.Flush()
}
