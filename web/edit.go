package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/ha/doozerd/store"
)

// editTimeout is how long an edit waits for agreement. After it nobody knows.
const editTimeout = 10 * time.Second

// editSlack is what a request to edit may be longer than the value it brings,
// for which JSON may need six bytes for one.
const (
	editSlack  = 64 << 10
	editFactor = 6
)

// An editRequest is a set or a delete, guarded by the rev that was on the page.
type editRequest struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Guard int64  `json:"rev"`
	Value string `json:"value"`
}

// An editAnswer says what became of it.
type editAnswer struct {
	Rev   int64  `json:"rev,omitempty"`
	Error string `json:"error,omitempty"`
}

// edit sets or deletes a file. Requests that another site's page sends are
// refused before: see routes. The type of the body is one more hurdle for those.
func (v *View) edit(w http.ResponseWriter, r *http.Request) {
	status, a := v.doEdit(w, r)
	sendJSON(w, r, status, a)
}

func (v *View) doEdit(w http.ResponseWriter, r *http.Request) (int, editAnswer) {
	fail := func(status int, text string) (int, editAnswer) { return status, editAnswer{Error: text} }
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case v.config.Writer == nil:
		return fail(http.StatusForbidden, "this page is for reading: doozerd was started without -web-edit")
	case v.gate.of(r) < mayWrite:
		return fail(http.StatusForbidden, "to write, sign in with the secret for writing")
	case kind != "application/json":
		return fail(http.StatusUnsupportedMediaType, "the body must be application/json")
	}
	var e editRequest
	body := http.MaxBytesReader(w, r.Body, int64(v.config.MaxValue)*editFactor+editSlack)
	if err := json.NewDecoder(body).Decode(&e); err != nil {
		return fail(http.StatusBadRequest, "the body is not what it should be: "+err.Error())
	}
	m, err := e.mutation(v.config.MaxValue)
	if err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	return v.propose(r.Context(), m)
}

func (e *editRequest) mutation(maxValue int) (store.Mutation, error) {
	m := store.Mutation{Path: e.Path, Guard: e.Guard}
	switch e.Op {
	case "set":
		m.Op, m.Body = store.Set, []byte(e.Value)
	case "del":
		m.Op = store.Del
	default:
		return m, errors.New("op must be set or del")
	}
	if len(m.Body) > maxValue {
		return m, fmt.Errorf("value too large: the limit is %d bytes", maxValue)
	}
	return m, store.CheckPath(m.Path)
}

// propose has m decided and says what came of it.
func (v *View) propose(ctx context.Context, m store.Mutation) (int, editAnswer) {
	ctx, cancel := context.WithTimeout(ctx, editTimeout)
	defer cancel()
	decided := make(chan outcome, 1)
	err := v.config.Writer.Propose(ctx, m, func(e store.Event, err error) { decided <- outcome{e, err} })
	if err != nil {
		return http.StatusServiceUnavailable, editAnswer{Error: unavailable(err)}
	}
	select {
	case o := <-decided:
		switch {
		case o.err != nil:
			return http.StatusServiceUnavailable, editAnswer{Error: unavailable(o.err)}
		case o.event.Err != nil:
			return http.StatusConflict, editAnswer{Rev: o.event.Rev, Error: o.event.Err.Error()}
		}
		return http.StatusOK, editAnswer{Rev: o.event.Rev}
	case <-ctx.Done():
		return http.StatusGatewayTimeout, editAnswer{Error: "no agreement in time: it may still happen"}
	}
}

// unavailable says why a node did not take a write.
func unavailable(err error) string {
	var r interface{ ReadOnly() bool }
	if errors.As(err, &r) && r.ReadOnly() {
		return "this node takes no writes: it is an observer"
	}
	return err.Error()
}
