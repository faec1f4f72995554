package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/store"
)

const nodeID = "AAAABBBBCCCCDDDD"

// A tree is a node without consensus: the test is its only writer.
type tree struct {
	t     *testing.T
	store *store.Store
}

func newTree(t *testing.T, history int) *tree {
	tr := &tree{t, store.New(history)}
	t.Cleanup(func() { assert.Equal(t, nil, tr.store.Check()) })
	return tr
}

func (tr *tree) ID() string          { return nodeID }
func (tr *tree) Store() *store.Store { return tr.store }

func (tr *tree) set(path, body string) {
	tr.t.Helper()
	tr.apply(store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber, Body: []byte(body)})
}

func (tr *tree) del(path string) {
	tr.t.Helper()
	tr.apply(store.Mutation{Op: store.Del, Path: path, Guard: store.Clobber})
}

func (tr *tree) apply(m store.Mutation) {
	tr.t.Helper()
	if e := tr.store.Apply(m.Append(nil)); e.Err != nil {
		tr.t.Fatal(e.Err)
	}
}

func (tr *tree) id() string { return fmt.Sprintf("%s.%d", nodeID, tr.store.Snapshot().Rev()) }

func handlerOf(t *testing.T, c Config) http.Handler {
	t.Helper()
	c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	h, err := New(c)
	assert.Equal(t, nil, err)
	return h
}

func get(h http.Handler, url string, headers ...string) *httptest.ResponseRecorder {
	return request(h, "GET", url, headers...)
}

func request(h http.Handler, method, url string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	r.Host = "127.0.0.1:8000"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func contains(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Fatalf("no %q in:\n%s", part, text)
	}
}

func lacks(t *testing.T, text, part string) {
	t.Helper()
	if strings.Contains(text, part) {
		t.Fatalf("%q is in:\n%s", part, text)
	}
}

func TestValidate(t *testing.T) {
	tr := newTree(t, 10)
	assert.NotEqual(t, nil, Config{}.Validate())
	assert.NotEqual(t, nil, Config{Node: tr, ROSecret: "r"}.Validate())
	assert.NotEqual(t, nil, Config{Node: tr, MaxStreams: -1}.Validate())
	assert.Equal(t, nil, Config{Node: tr, ROSecret: "r", RWSecret: "w"}.Validate())
}

func TestPageShowsTheTree(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/a/b/c", "hello, world")
	tr.set("/a/empty", "")
	w := get(handlerOf(t, Config{Node: tr, Cluster: "test", Addr: "10.0.0.1:8046"}), "/")
	assert.Equal(t, http.StatusOK, w.Code)
	page := w.Body.String()
	for _, part := range []string{
		`data-node="AAAABBBBCCCCDDDD"`, `data-rev="2"`, `<a href="/">test</a>`, `10.0.0.1:8046`,
		`data-dir="/a/b"`, `data-name="c"`, `hello, world`, `href="/raw/a/b/c"`, `12 B`, `rev 1`,
		`<span class="body empty">empty</span>`,
	} {
		contains(t, page, part)
	}
}

func TestEmptyTreeIsAPage(t *testing.T) {
	w := get(handlerOf(t, Config{Node: newTree(t, 10)}), "/")
	assert.Equal(t, http.StatusOK, w.Code)
	contains(t, w.Body.String(), "nothing here")
}

func TestPageOfADirectory(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/a/b/c", "in")
	tr.set("/other", "out of it")
	h := handlerOf(t, Config{Node: tr})
	for _, url := range []string{"/tree/a/b", "/tree/a/b/"} {
		page := get(h, url).Body.String()
		contains(t, page, `<li><a href="/tree/">/</a></li><li><a href="/tree/a">a</a></li><li><a href="/tree/a/b">b</a></li>`)
		contains(t, page, `data-name="c"`)
		lacks(t, page, "out of it")
	}
	assert.Equal(t, http.StatusNotFound, get(h, "/tree/b_ad").Code)
}

func TestBodiesAreEscaped(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/x", `</span><script>alert("1")</script>`)
	page := get(handlerOf(t, Config{Node: tr, Cluster: "<b>", Addr: "<i>", Version: "<u>"}), "/").Body.String()
	for _, raw := range []string{"<script>alert", "</span><script", "<b>", "<i>", "<u>"} {
		lacks(t, strings.ReplaceAll(page, `<b id="rev">`, ""), raw)
	}
	contains(t, page, "&lt;script&gt;")
}

func TestShow(t *testing.T) {
	long := strings.Repeat("ä", MaxPreview)
	for _, c := range []struct {
		body string
		want preview
	}{
		{"", preview{}},
		{"text\n\twith äöü", preview{Text: "text\n\twith äöü"}},
		{long, preview{Text: long[:MaxPreview], Cut: true}},
		{"x" + long, preview{Text: "x" + long[:MaxPreview-2], Cut: true}},
		{"\x00\xff", preview{Text: "00 ff", Hex: true}},
		{"evil \u202e order", preview{Text: "65 76 69 6c 20 e2 80 ae 20 6f 72 64 65 72", Hex: true}},
		{strings.Repeat("\x00", 33), preview{Text: "00" + strings.Repeat(" 00", 31), Hex: true, Cut: true}},
	} {
		assert.Equal(t, c.want, show([]byte(c.body)))
	}
}

func TestRawBody(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/text", "<script>")
	tr.set("/bin/x", "\x00\x01")
	h := handlerOf(t, Config{Node: tr})

	w := get(h, "/raw/text")
	assert.Equal(t, "<script>", w.Body.String())
	assert.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))

	w = get(h, "/raw/bin/x")
	assert.Equal(t, "\x00\x01", w.Body.String())
	assert.Equal(t, "application/octet-stream", w.Header().Get("Content-Type"))

	for _, missing := range []string{"/raw/bin", "/raw/none", "/raw/", "/raw/b_d"} {
		assert.Equal(t, http.StatusNotFound, get(h, missing).Code)
	}
}

func TestBigDirectoryComesInParts(t *testing.T) {
	const files = 2*MaxEntries + 50
	tr := newTree(t, 10)
	for i := range files {
		tr.set(fmt.Sprintf("/big/%06d", i), "x")
	}
	h := handlerOf(t, Config{Node: tr})
	lacks(t, get(h, "/").Body.String(), `data-name="000000"`)

	seen := 0
	for offset := 0; offset < files; offset += MaxEntries {
		part := get(h, fmt.Sprintf("/tree/big?part=list&offset=%d", offset)).Body.String()
		seen += strings.Count(part, `class="file"`)
		contains(t, part, fmt.Sprintf(`data-first="%d"`, offset))
		if rest := files - offset - MaxEntries; rest > 0 {
			contains(t, part, fmt.Sprintf(`href="/tree/big?offset=%d">more (<span class="rest">%d</span>)`, offset+MaxEntries, rest))
		} else {
			lacks(t, part, `class="more"`)
		}
	}
	assert.Equal(t, files, seen)
}

func TestPartOfAVersion(t *testing.T) {
	tr := newTree(t, 2)
	tr.set("/a", "1")
	tr.set("/b", "2")
	h := handlerOf(t, Config{Node: tr})
	lacks(t, get(h, "/tree/?part=list&rev=1").Body.String(), `data-name="b"`)

	tr.set("/c", "3")
	for _, gone := range []string{"1", "99", "x"} {
		assert.Equal(t, http.StatusGone, get(h, "/tree/?part=list&rev="+gone).Code)
	}
}

func TestBadOffset(t *testing.T) {
	h := handlerOf(t, Config{Node: newTree(t, 10)})
	for _, offset := range []string{"-1", "x", "99999999999"} {
		assert.Equal(t, http.StatusBadRequest, get(h, "/?offset="+offset).Code)
	}
	assert.Equal(t, http.StatusOK, get(h, "/?offset=2000000000").Code)
}

func TestOnlyReading(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/x", "1")
	h := handlerOf(t, Config{Node: tr})
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"} {
		for _, url := range []string{"/", "/raw/x", "/events", "/healthz", "/none"} {
			w := request(h, method, url)
			assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
			assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
		}
	}
	for _, url := range []string{"/", "/raw/x", "/healthz", "/events"} {
		assert.Equal(t, http.StatusOK, request(h, "HEAD", url).Code)
	}
	assert.Equal(t, http.StatusNotFound, get(h, "/none").Code)
}

func TestEveryAnswerKeepsToItself(t *testing.T) {
	h := handlerOf(t, Config{Node: newTree(t, 10)})
	for _, url := range []string{"/", "/app.js", "/style.css", "/icon.svg", "/none", "/healthz", "/raw/none"} {
		header := get(h, url).Header()
		contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
		assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		assert.Equal(t, "no-store", header.Get("Cache-Control"))
	}
	contains(t, get(h, "/app.js").Header().Get("Content-Type"), "javascript")
	contains(t, get(h, "/style.css").Header().Get("Content-Type"), "text/css")
	lacks(t, get(h, "/").Body.String(), "style=")
}

func TestSecrets(t *testing.T) {
	tr := newTree(t, 10)
	basic := func(password string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("anybody", password)
		return r.Header.Get("Authorization")
	}
	for _, c := range []struct {
		rw, ro, password string
		want             int
	}{
		{"", "", "", 200},
		{"", "", "any", 200},
		{"w", "", "", 200},
		{"w", "r", "", 401},
		{"w", "r", "x", 401},
		{"w", "r", "w", 200},
		{"w", "r", "r", 200},
		{"s", "s", "s", 200},
	} {
		h := handlerOf(t, Config{Node: tr, RWSecret: c.rw, ROSecret: c.ro})
		for _, url := range []string{"/", "/tree/", "/app.js"} {
			assert.Equal(t, c.want, get(h, url, "Authorization", basic(c.password)).Code)
		}
		assert.Equal(t, "ok", get(h, "/healthz").Body.String())
	}
	h := handlerOf(t, Config{Node: tr, RWSecret: "w", ROSecret: "r"})
	for _, url := range []string{"/", "/raw/x", "/events", "/none"} {
		w := get(h, url)
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		contains(t, w.Header().Get("WWW-Authenticate"), "Basic ")
	}
}

func TestOnlyItsOwnNames(t *testing.T) {
	tr := newTree(t, 10)
	h := handlerOf(t, Config{Node: tr, Hosts: []string{"doozer.example", ""}})
	for host, want := range map[string]int{
		"127.0.0.1:8000":       200,
		"[::1]:8000":           200,
		"192.168.1.2":          200,
		"localhost:8000":       200,
		"doozer.example:8000":  200,
		"DOOZER.example":       200,
		"evil.example:8000":    http.StatusMisdirectedRequest,
		"127.0.0.1.evil.test":  http.StatusMisdirectedRequest,
		"localhost.evil.test":  http.StatusMisdirectedRequest,
		"notlocalhost":         http.StatusMisdirectedRequest,
		"doozer.example.evil.": http.StatusMisdirectedRequest,
	} {
		w := get(h, "/", "Host", host)
		if w.Code != want {
			t.Errorf("Host %s: %d, want %d", host, w.Code, want)
		}
		lacks(t, w.Body.String(), "evil")
	}
	secret := handlerOf(t, Config{Node: tr, RWSecret: "w", ROSecret: "r"})
	assert.Equal(t, http.StatusUnauthorized, get(secret, "/", "Host", "proxy.example").Code)
}

// A message is one server-sent event.
type message struct{ id, event, data string }

func (m message) change(t *testing.T) (c change) {
	t.Helper()
	assert.Equal(t, "change", m.event)
	assert.Equal(t, nil, json.Unmarshal([]byte(m.data), &c))
	return c
}

// A reader is a browser that follows the tree.
type reader struct {
	t    *testing.T
	body *bufio.Reader
}

// follow opens a stream of the handler over HTTP. It ends with the test.
func follow(t *testing.T, h http.Handler, after string, headers ...string) *reader {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return followAt(t, server, after, headers...)
}

func followAt(t *testing.T, server *httptest.Server, after string, headers ...string) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/events?after="+after, nil)
	assert.Equal(t, nil, err)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := server.Client().Do(r)
	assert.Equal(t, nil, err)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	return &reader{t, bufio.NewReader(answer.Body)}
}

// next returns the next message that is not a ping.
func (r *reader) next() message {
	r.t.Helper()
	for {
		if m := r.any(); m.event != "ping" {
			return m
		}
	}
}

func (r *reader) any() (m message) {
	r.t.Helper()
	fields := map[string]*string{"id": &m.id, "event": &m.event, "data": &m.data}
	for {
		line, err := r.body.ReadString('\n')
		assert.Equal(r.t, nil, err)
		if line == "\n" {
			return m
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		*fields[name] = value
	}
}

func TestStreamBeginsAtOnce(t *testing.T) {
	tr := newTree(t, 10)
	r := follow(t, handlerOf(t, Config{Node: tr}), tr.id())
	assert.Equal(t, "ping", r.any().event)
}

func TestStreamTellsHowThingsAre(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/a/x", "1")
	before := tr.id()
	tr.set("/a/b/c", "<i>")
	tr.set("/a/b/c", "<b>")
	tr.del("/a/x")
	m := follow(t, handlerOf(t, Config{Node: tr}), before).next()
	assert.Equal(t, tr.id(), m.id)
	c := m.change(t)
	assert.Equal(t, int64(4), c.Rev)
	assert.Equal(t, []changedDir{{"/", 1}, {"/a", 1}, {"/a/b", 1}}, c.Dirs)
	assert.Equal(t, 2, len(c.Files))
	assert.Equal(t, "/a/b/c", c.Files[0].Path)
	contains(t, c.Files[0].HTML, "&lt;b&gt;")
	contains(t, c.Files[0].HTML, "rev 3")
	assert.Equal(t, changedFile{"/a/x", ""}, c.Files[1])
}

func TestStreamTellsOfDirectoriesThatVanish(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/a/b/c", "1")
	before := tr.id()
	tr.del("/a/b/c")
	tr.set("/a", "now a file")
	c := follow(t, handlerOf(t, Config{Node: tr}), before).next().change(t)
	assert.Equal(t, []changedDir{{"/", 1}, {"/a", 0}, {"/a/b", 0}}, c.Dirs)
	assert.Equal(t, changedFile{"/a/b/c", ""}, c.Files[0])
	assert.Equal(t, "/a", c.Files[1].Path)
	contains(t, c.Files[1].HTML, "now a file")
}

func TestStreamGoesOnWithWhatComes(t *testing.T) {
	tr := newTree(t, 10)
	r := follow(t, handlerOf(t, Config{Node: tr}), tr.id())
	for rev := range int64(3) {
		tr.set("/x", fmt.Sprint(rev))
		m := r.next()
		assert.Equal(t, tr.id(), m.id)
		assert.Equal(t, rev+1, m.change(t).Rev)
	}
}

func TestStreamIsResumedAfterTheLastMessage(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/x", "1")
	first := tr.id()
	tr.set("/y", "2")
	seen := tr.id()
	tr.set("/z", "3")
	// What a browser sends by itself when it connects again.
	c := follow(t, handlerOf(t, Config{Node: tr}), first, "Last-Event-ID", seen).next().change(t)
	assert.Equal(t, 1, len(c.Files))
	assert.Equal(t, "/z", c.Files[0].Path)
}

func TestStreamThatCannotGoOnSaysSo(t *testing.T) {
	tr := newTree(t, 3)
	for i := range 5 {
		tr.set("/x", fmt.Sprint(i))
	}
	h := handlerOf(t, Config{Node: tr})
	for _, after := range []string{
		nodeID + ".1",         // no longer in history
		nodeID + ".6",         // never was
		"ANOTHERPROCESS22.5",  // of a node that counts otherwise
		"", "5", nodeID, "..", // nothing that we send
		nodeID + ".-1",
	} {
		r := follow(t, h, after)
		assert.Equal(t, "reset", r.next().event)
		_, err := r.body.ReadByte()
		assert.Equal(t, io.EOF, err)
	}
}

// A node that goes on from another's version does not know what changed.
func TestStreamAcrossAJumpSaysSo(t *testing.T) {
	tr := newTree(t, 10)
	r := follow(t, handlerOf(t, Config{Node: tr}), tr.id())
	assert.Equal(t, "ping", r.any().event)
	b := store.NewBuilder(9)
	assert.Equal(t, nil, b.Add(store.Event{Rev: 9, Path: "/a"}))
	assert.Equal(t, nil, tr.store.Install(b))
	assert.Equal(t, "reset", r.next().event)
	_, err := r.body.ReadByte()
	assert.Equal(t, io.EOF, err)
}

func TestStreamFarBehindSaysSo(t *testing.T) {
	tr := newTree(t, 2*MaxChanges)
	before := tr.id()
	for range MaxChanges + 1 {
		tr.set("/x", "1")
	}
	assert.Equal(t, "reset", follow(t, handlerOf(t, Config{Node: tr}), before).next().event)
}

func TestChangeTooLargeToSendSaysSo(t *testing.T) {
	tr := newTree(t, MaxChanges)
	before := tr.id()
	for i := range MaxChanges - 1 {
		tr.set(fmt.Sprintf("/%d", i), strings.Repeat("<", MaxPreview))
	}
	assert.Equal(t, "reset", follow(t, handlerOf(t, Config{Node: tr}), before).next().event)
}

func TestTooManyStreams(t *testing.T) {
	tr := newTree(t, 10)
	server := httptest.NewServer(handlerOf(t, Config{Node: tr, MaxStreams: 2}))
	t.Cleanup(server.Close)
	for range 2 {
		assert.Equal(t, "ping", followAt(t, server, tr.id()).any().event)
	}
	answer, err := http.Get(server.URL + "/events?after=" + tr.id())
	assert.Equal(t, nil, err)
	defer answer.Body.Close()
	assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	assert.NotEqual(t, "", answer.Header.Get("Retry-After"))
}

// TestStreamsEndWithTheirBrowsers holds that nothing of a stream outlives it:
// neither its place nor its wait.
func TestStreamsEndWithTheirBrowsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t, 10)
		h := handlerOf(t, Config{Node: tr, MaxStreams: 1})
		for range 3 {
			ctx, hangUp := context.WithCancel(t.Context())
			r := httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1/events?after="+tr.id(), nil)
			w := &slowWriter{ResponseRecorder: httptest.NewRecorder()}
			done := make(chan struct{})
			go func() { h.ServeHTTP(w, r); close(done) }()
			synctest.Wait()
			assert.Equal(t, 1, tr.store.Waits())
			hangUp()
			<-done
			assert.Equal(t, 0, tr.store.Waits())
			assert.Equal(t, http.StatusOK, w.Code)
		}
	})
}

// slowWriter is a connection whose other end takes only so much.
type slowWriter struct {
	*httptest.ResponseRecorder
	limit    int // bytes; 0 for no limit
	deadline time.Time
}

func (w *slowWriter) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

func (w *slowWriter) SetReadDeadline(time.Time) error { return nil }

// Write blocks, as a connection does, until its deadline.
func (w *slowWriter) Write(b []byte) (int, error) {
	if w.limit > 0 && w.Body.Len()+len(b) > w.limit {
		<-time.After(time.Until(w.deadline))
		return 0, context.DeadlineExceeded
	}
	return w.ResponseRecorder.Write(b)
}

// TestSlowReaderIsCutOff holds that a browser that takes nothing loses its
// place, and that the writer of the tree did not wait for it.
func TestSlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t, 1000)
		h := handlerOf(t, Config{Node: tr})
		w := &slowWriter{ResponseRecorder: httptest.NewRecorder(), limit: 1000}
		done := make(chan time.Duration)
		begin := time.Now()
		go func() {
			h.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1/events?after="+tr.id(), nil))
			done <- time.Since(begin)
		}()
		synctest.Wait()
		for range 100 {
			tr.set("/x", strings.Repeat("x", MaxPreview))
		}
		assert.Equal(t, begin, time.Now())
		assert.Equal(t, writeTimeout, <-done)
		assert.Equal(t, 0, tr.store.Waits())
	})
}

func TestQuietStreamShowsThatItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t, 10)
		h := handlerOf(t, Config{Node: tr})
		ctx, cancel := context.WithTimeout(t.Context(), 3*heartbeat+time.Second)
		defer cancel()
		w := &slowWriter{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1/events?after="+tr.id(), nil))
		assert.Equal(t, 4, strings.Count(w.Body.String(), "event: ping\n"))
	})
}

// TestBusyTreeIsToldAtAPace holds that changes share messages.
func TestBusyTreeIsToldAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t, 1000)
		h := handlerOf(t, Config{Node: tr})
		ctx, cancel := context.WithTimeout(t.Context(), 10*pace+pace/2)
		defer cancel()
		w := &slowWriter{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1/events?after="+tr.id(), nil)
		done := make(chan struct{})
		go func() { h.ServeHTTP(w, r); close(done) }()
		for ctx.Err() == nil {
			tr.set("/x", "1")
			<-time.After(pace / 10)
		}
		<-done
		assert.Equal(t, 11, strings.Count(w.Body.String(), "event: change\n"))
	})
}

// TestBodiesOfRequestsAreNotRead holds that nobody fills memory or disk with
// the body of a GET: package http reads a form's, if it is asked to.
func TestBodiesOfRequestsAreNotRead(t *testing.T) {
	h := handlerOf(t, Config{Node: newTree(t, 10)})
	for _, path := range []string{"/", "/events"} {
		body := strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"offset\"\r\n\r\n5\r\n--x--\r\n")
		size := body.Len()
		r := httptest.NewRequest("GET", "http://127.0.0.1"+path, body)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		h.ServeHTTP(&slowWriter{ResponseRecorder: httptest.NewRecorder()}, r)
		assert.Equal(t, size, body.Len())
	}
}

// TestStreamOutlivesTheTimeForARequest holds that the server's ReadTimeout is
// not one for streams.
func TestStreamOutlivesTheTimeForARequest(t *testing.T) {
	tr := newTree(t, 10)
	lifted := make(chan struct{})
	h := handlerOf(t, Config{Node: tr})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&liftWatcher{w, lifted}, r)
	}))
	server.Config.ReadTimeout = time.Hour
	server.Start()
	t.Cleanup(server.Close)
	followAt(t, server, tr.id())
	<-lifted
}

// A liftWatcher tells when the time for a request to come is lifted.
type liftWatcher struct {
	http.ResponseWriter
	lifted chan struct{}
}

func (w *liftWatcher) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *liftWatcher) SetReadDeadline(d time.Time) error {
	if d.IsZero() {
		close(w.lifted)
	}
	return http.NewResponseController(w.ResponseWriter).SetReadDeadline(d)
}

func TestHostname(t *testing.T) {
	for hostport, want := range map[string]string{
		"a:1": "a", "a": "a", "[::1]:1": "::1", "[::1]": "::1", "": "",
	} {
		assert.Equal(t, want, hostname(hostport))
	}
}
