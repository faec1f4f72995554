package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/store"
)

// edited sends a request to edit and returns its status and answer.
func edited(t *testing.T, v *View, body string, headers ...string) (int, editAnswer) {
	t.Helper()
	w := request(v, "POST", "/_/edit", body, append([]string{"Content-Type", "application/json"}, headers...)...)
	var a editAnswer
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		assert.Equal(t, nil, json.Unmarshal(w.Body.Bytes(), &a), w.Body.String())
	}
	return w.Code, a
}

func TestEditing(t *testing.T) {
	tr := newTree(t, 100)
	tr.set("/a", "1")
	v := viewOf(t, Config{Node: tr, Writer: tr, MaxValue: 10})
	for _, c := range []struct {
		body   string
		status int
		want   editAnswer
	}{
		{`{"op":"set","path":"/a","rev":1,"value":"2"}`, 200, editAnswer{Rev: 2}},
		{`{"op":"set","path":"/a","rev":1,"value":"3"}`, 409, editAnswer{Rev: 3, Error: "rev mismatch"}},
		{`{"op":"set","path":"/new/file","rev":0,"value":""}`, 200, editAnswer{Rev: 4}},
		{`{"op":"set","path":"/new/file","rev":0,"value":""}`, 409, editAnswer{Rev: 5, Error: "rev mismatch"}},
		{`{"op":"del","path":"/a","rev":1}`, 409, editAnswer{Rev: 6, Error: "rev mismatch"}},
		{`{"op":"del","path":"/a","rev":2}`, 200, editAnswer{Rev: 7}},
		{`{"op":"set","path":"/a/b","rev":0,"value":"12345678901"}`, 400, editAnswer{Error: "value too large: the limit is 10 bytes"}},
		{`{"op":"set","path":"/b","rev":0,"value":"1234567890"}`, 200, editAnswer{Rev: 8}},
		{`{"op":"mv","path":"/a","rev":0}`, 400, editAnswer{Error: "op must be set or del"}},
	} {
		status, a := edited(t, v, c.body)
		assert.Equal(t, c.status, status, c.body)
		assert.Equal(t, c.want, a)
	}
	for _, bad := range []string{``, `{`, `[]`, `{"op":"set","path":"a b","rev":0}`, `{"op":"set","path":"","rev":0}`} {
		status, a := edited(t, v, bad)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.NotEqual(t, "", a.Error)
	}
	assert.Equal(t, int64(8), tr.store.Snapshot().Rev()) // what is refused consumes none
	assert.Equal(t, true, bootOf(t, get(v, "/").Body.String()).Edit)
}

func TestNoEditingUnlessAskedFor(t *testing.T) {
	tr := newTree(t, 10)
	status, a := edited(t, viewOf(t, Config{Node: tr}), `{"op":"set","path":"/a","rev":0,"value":"2"}`)
	assert.Equal(t, http.StatusForbidden, status)
	assert.NotEqual(t, "", a.Error)
	assert.Equal(t, int64(0), tr.store.Snapshot().Rev())
}

func TestEditingNeedsTheSecretForWriting(t *testing.T) {
	const body = `{"op":"set","path":"/a","rev":-1,"value":"2"}`
	for _, c := range []struct {
		rw, ro, token string
		want          int
	}{
		{"w", "", "", 403},
		{"w", "", "w", 200},
		{"w", "r", "", 401},
		{"w", "r", "r", 403},
		{"w", "r", "w", 200},
	} {
		tr := newTree(t, 10)
		v := viewOf(t, Config{Node: tr, Writer: tr, RWSecret: c.rw, ROSecret: c.ro})
		status, _ := edited(t, v, body, "Authorization", "Bearer "+c.token)
		assert.Equal(t, c.want, status)
		assert.Equal(t, c.want == 200, tr.store.Snapshot().Rev() == 1)
	}
}

// A browser says where a request comes from; what another site sends is refused,
// whatever it looks like.
func TestOthersSitesCannotEdit(t *testing.T) {
	tr := newTree(t, 10)
	v := viewOf(t, Config{Node: tr, Writer: tr})
	const body = `{"op":"set","path":"/a","rev":-1,"value":"2"}`
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "http://evil.example"},
		{"Origin", "null"},
		{"Origin", "http://127.0.0.1:9999"},
		{"Content-Type", "text/plain"},
		{"Content-Type", "application/x-www-form-urlencoded"},
		{"Host", "evil.example"},
	} {
		if status, _ := edited(t, v, body, headers...); status < 400 {
			t.Errorf("%v: %d", headers, status)
		}
	}
	assert.Equal(t, int64(0), tr.store.Snapshot().Rev())
	for _, headers := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Origin", "http://127.0.0.1:8000"}, nil} {
		status, _ := edited(t, v, body, headers...)
		assert.Equal(t, http.StatusOK, status)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, request(v, "PUT", "/_/edit", body).Code)
}

// A deaf node takes nothing, or never says what became of it.
type deaf struct{ err error }

func (d deaf) Propose(context.Context, store.Mutation, func(store.Event, error)) error { return d.err }

// A doubting node takes everything, and says later that it came to nothing.
type doubting struct{ err error }

func (d doubting) Propose(_ context.Context, _ store.Mutation, done func(store.Event, error)) error {
	done(store.Event{}, d.err)
	return nil
}

type readOnly struct{ error }

func (readOnly) ReadOnly() bool { return true }

func TestEditsThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			by     Writer
			status int
			text   string
		}{
			{deaf{}, http.StatusGatewayTimeout, "no agreement in time: it may still happen"},
			{deaf{readOnly{errors.New("x")}}, http.StatusServiceUnavailable, "this node takes no writes: it is an observer"},
			{deaf{errors.New("closed")}, http.StatusServiceUnavailable, "closed"},
			{doubting{readOnly{errors.New("x")}}, http.StatusServiceUnavailable, "this node takes no writes: it is an observer"},
			{doubting{errors.New("no majority")}, http.StatusServiceUnavailable, "no majority"},
		} {
			v := viewOf(t, Config{Node: newTree(t, 10), Writer: c.by})
			status, a := edited(t, v, `{"op":"del","path":"/a","rev":1}`)
			assert.Equal(t, c.status, status)
			assert.Equal(t, c.text, a.Error)
			v.Close()
		}
	})
}
