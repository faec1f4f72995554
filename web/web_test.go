package web

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"strings"
	"testing"
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

// Propose decides at once.
func (tr *tree) Propose(_ context.Context, m store.Mutation, done func(store.Event, error)) error {
	done(tr.store.Apply(m.Append(nil)), nil)
	return nil
}

// viewOf returns a view that is closed with the test.
func viewOf(t *testing.T, c Config) *View {
	t.Helper()
	c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	v, err := New(c)
	assert.Equal(t, nil, err)
	t.Cleanup(func() { v.Close() })
	return v
}

func get(h http.Handler, url string, headers ...string) *httptest.ResponseRecorder {
	return request(h, "GET", url, "", headers...)
}

func request(h http.Handler, method, url, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
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

// getJSON decodes an answer that must be good.
func getJSON[T any](t *testing.T, h http.Handler, url string) (answer T) {
	t.Helper()
	w := get(h, url)
	assert.Equal(t, http.StatusOK, w.Code, w.Body.String())
	assert.Equal(t, nil, json.Unmarshal(w.Body.Bytes(), &answer))
	return answer
}

// bootOf returns the data that a page's scripts begin with.
func bootOf(t *testing.T, page string) (b boot) {
	t.Helper()
	_, data, found := strings.Cut(page, `id="boot">`)
	assert.T(t, found, page)
	data, _, _ = strings.Cut(data, "</script>")
	assert.Equal(t, nil, json.Unmarshal([]byte(data), &b))
	return b
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
	for _, bad := range []Config{{}, {Node: tr, ROSecret: "r"}, {Node: tr, MaxStreams: -1}, {Node: tr, MaxValue: -1}} {
		assert.NotEqual(t, nil, bad.Validate())
		_, err := New(bad)
		assert.NotEqual(t, nil, err)
	}
	assert.Equal(t, nil, Config{Node: tr, ROSecret: "r", RWSecret: "w"}.Validate())
}

func TestPageBringsWhatItShows(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/a/b/c", "hello, world")
	tr.set("/a/empty", "")
	v := viewOf(t, Config{
		Node: tr, Name: "test", Addr: "10.0.0.1:8046", Version: "1.2", RWSecret: "w",
		ClusterID: func() string { return "cluster" },
	})
	w := get(v, "/", "Authorization", "Bearer w")
	assert.Equal(t, http.StatusOK, w.Code)
	b := bootOf(t, w.Body.String())
	b.Lists, b.Path = nil, ""
	assert.Equal(t, boot{
		ClusterID: "cluster", Name: "test", Node: nodeID, Addr: "10.0.0.1:8046", Version: "1.2",
		Rev: 2, Oldest: 1, MayWrite: true, Secrets: true, MaxValue: DefaultMaxValue,
	}, b)
	v = viewOf(t, Config{Node: tr})
	b = bootOf(t, get(v, "/").Body.String())
	assert.Equal(t, "/", b.Path)
	assert.Equal(t, int64(2), b.Rev)
	assert.Equal(t, nodeID, b.ClusterID)
	assert.Equal(t, false, b.Edit)
	var dirs []string
	for _, l := range b.Lists {
		dirs = append(dirs, fmt.Sprint(l.Dir, l.Rev, l.Count, len(l.Rows)))
	}
	assert.Equal(t, []string{"/2 1 1", "/a2 2 2", "/a/b2 1 1"}, dirs)
	assert.Equal(t, "hello, world", b.Lists[2].Rows[0].Text)

	b = bootOf(t, get(v, "/a/b/c").Body.String())
	assert.Equal(t, "/a/b/c", b.File.Path)
	assert.Equal(t, "hello, world", b.File.Text)
	assert.Equal(t, "/a/b", b.Lists[0].Dir)
}

// A page shows a path that browsers would change, or that is something else
// here, by a parameter.
func TestPathsThatBrowsersWouldChange(t *testing.T) {
	tr := newTree(t, 10)
	for _, p := range []string{"/a/../b", "/./x", "/events", "/metrics"} {
		tr.set(p, "value of "+p)
		b := bootOf(t, get(viewOf(t, Config{Node: tr}), "/?path="+url.QueryEscape(p)).Body.String())
		assert.Equal(t, p, b.Path)
		assert.Equal(t, "value of "+p, b.File.Text)
	}
}

func TestPagesOfWhatIsNotThere(t *testing.T) {
	tr := newTree(t, 2)
	tr.set("/a", "1")
	v := viewOf(t, Config{Node: tr})
	for url, want := range map[string]int{
		"/": 200, "/a": 200, "/a/": 200, "/none": 404, "/b_ad": 404, "/?path=x": 404, "/?rev=1": 200, "/?rev=9": 410, "/?rev=x": 410,
		"/_/none": 404, "/_/cluster": 200,
	} {
		if w := get(v, url); w.Code != want {
			t.Errorf("%s: %d, want %d", url, w.Code, want)
		}
	}
	assert.NotEqual(t, "", bootOf(t, get(v, "/b_ad").Body.String()).Bad)
	assert.T(t, bootOf(t, get(v, "/?rev=9").Body.String()).Gone)
}

func TestEmptyTreeIsAPage(t *testing.T) {
	b := bootOf(t, get(viewOf(t, Config{Node: newTree(t, 10)}), "/").Body.String())
	assert.Equal(t, int64(0), b.Rev)
	assert.Equal(t, 0, b.Lists[0].Count)
}

func TestWhatClientsStoredIsNoMarkup(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/x", `</script><script>alert("1")</script><!--`)
	v := viewOf(t, Config{Node: tr, Name: "<b>", Addr: "<i>", Version: "<u>"})
	for _, url := range []string{"/", "/x", "/?path=</script><script>alert(1)", "/?rev=</script><script>alert(1)"} {
		page := get(v, url).Body.String()
		for _, bad := range []string{"<script>alert", "<b>", "<i>", "<u>", "<!--"} {
			lacks(t, page, bad)
		}
	}
	assert.Equal(t, `</script><script>alert("1")</script><!--`, bootOf(t, get(v, "/x").Body.String()).File.Text)
}

func TestPlainPageLinksByParameter(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/..", "x")
	contains(t, get(viewOf(t, Config{Node: tr}), "/").Body.String(), `<a href="/?path=/..">..</a> x`)
}

func TestShow(t *testing.T) {
	long := strings.Repeat("ä", 100)
	for _, c := range []struct {
		body string
		want preview
	}{
		{"", preview{}},
		{"text\n\twith äöü", preview{Text: "text\n\twith äöü"}},
		{long, preview{Text: long[:160], Cut: true}},
		{"x" + long, preview{Text: "x" + long[:158], Cut: true}},
		{"\x00\xff", preview{Text: "00ff", Hex: true}},
		{"evil \u202e order", preview{Text: "6576696c20e280ae206f72646572", Hex: true}},
		{strings.Repeat("\x00", 33), preview{Text: strings.Repeat("00", 32), Hex: true, Cut: true}},
	} {
		assert.Equal(t, c.want, show([]byte(c.body), 160, 32))
	}
}

func TestListing(t *testing.T) {
	const files = 2*MaxRows + 50
	tr := newTree(t, 10)
	for i := range files {
		tr.set(fmt.Sprintf("/big/%06d", i), "x")
	}
	v := viewOf(t, Config{Node: tr})
	assert.Equal(t, 1, len(bootOf(t, get(v, "/").Body.String()).Lists)) // too large to be open at first
	seen := 0
	for first := 0; first < files; first += MaxRows {
		l := getJSON[listing](t, v, fmt.Sprintf("/_/list?dir=/big&first=%d", first))
		assert.Equal(t, files, l.Count)
		assert.Equal(t, fmt.Sprintf("%06d", first), l.Rows[0].Name)
		seen += len(l.Rows)
	}
	assert.Equal(t, files, seen)
	assert.Equal(t, 0, len(getJSON[listing](t, v, "/_/list?dir=/big&first=2000000000").Rows))
	assert.Equal(t, 0, getJSON[listing](t, v, "/_/list?dir=/none").Count)
	assert.Equal(t, 0, getJSON[listing](t, v, "/_/list?dir=/big/000001").Count)
	for _, bad := range []string{"dir=/big&first=-1", "dir=/big&first=x", "dir=/big&first=99999999999", "dir=", "dir=x", "dir=/a_b"} {
		assert.Equal(t, http.StatusBadRequest, get(v, "/_/list?"+bad).Code)
	}
}

func TestOldRevs(t *testing.T) {
	tr := newTree(t, 3)
	tr.set("/a", "1")
	tr.set("/b", "2")
	tr.set("/a", "3")
	v := viewOf(t, Config{Node: tr})
	assert.Equal(t, 1, getJSON[listing](t, v, "/_/list?dir=/&rev=1").Count)
	assert.Equal(t, "1", getJSON[fileView](t, v, "/_/file?path=/a&rev=2").Text)
	assert.Equal(t, "3", getJSON[fileView](t, v, "/_/file?path=/a").Text)
	assert.Equal(t, "1", get(v, "/_/raw?path=/a&rev=2").Body.String())
	assert.Equal(t, 1, len(getJSON[finding](t, v, "/_/find?glob=/**&rev=1").Files))
	assert.Equal(t, eventView{Rev: 2, Path: "/b"}, getJSON[eventView](t, v, "/_/event?rev=2"))

	tr.del("/b")
	assert.Equal(t, eventView{Rev: 4, Path: "/b", Del: true}, getJSON[eventView](t, v, "/_/event?rev=4"))
	assert.Equal(t, int64(2), v.past.oldest())
	live := getJSON[listing](t, v, "/_/list?dir=/&rev=1&live=1") // better another than none
	assert.Equal(t, int64(4), live.Rev)
	for _, gone := range []string{"1", "99", "x", "-1"} {
		for _, url := range []string{"/_/list?dir=/", "/_/file?path=/a", "/_/raw?path=/a", "/_/history?path=/a", "/_/find?glob=/**", "/_/event?"} {
			if w := get(v, url+"&rev="+gone); w.Code != http.StatusGone {
				t.Errorf("%s at rev %s: %d", url, gone, w.Code)
			}
		}
	}
}

func TestOldestRev(t *testing.T) {
	tr := newTree(t, 7)
	p := past{tr.store}
	assert.Equal(t, int64(1), p.oldest())
	for i := range 30 {
		tr.set("/a", "x")
		assert.Equal(t, max(1, int64(i+1)-6), p.oldest())
	}
}

func TestRawBody(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/text", "<script>")
	tr.set("/bin/x", "\x00\x01")
	v := viewOf(t, Config{Node: tr})
	w := get(v, "/_/raw?path=/text")
	assert.Equal(t, "<script>", w.Body.String())
	assert.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	assert.Equal(t, "1", w.Header().Get("Doozer-Rev"))
	w = get(v, "/_/raw?path=/bin/x")
	assert.Equal(t, "\x00\x01", w.Body.String())
	assert.Equal(t, "application/octet-stream", w.Header().Get("Content-Type"))
	for _, missing := range []string{"/bin", "/none", "/"} {
		assert.Equal(t, http.StatusNotFound, get(v, "/_/raw?path="+missing).Code)
	}
}

func TestHistoryOfAFile(t *testing.T) {
	tr := newTree(t, 5)
	tr.set("/a", "old")
	tr.set("/b", "x")
	tr.set("/b", "y")
	v := viewOf(t, Config{Node: tr})
	told := func(p string) string {
		var s []string
		for _, x := range getJSON[fileHistory](t, v, "/_/history?path="+p).Versions {
			s = append(s, fmt.Sprint(x.Rev, x.Text, x.Del, x.Base))
		}
		return strings.Join(s, ", ")
	}
	assert.Equal(t, "1oldfalsefalse", strings.ReplaceAll(told("/a"), " ", ""))
	tr.set("/a", "new")
	tr.del("/a")
	tr.set("/c", "z") // the oldest rev is 2 now
	assert.Equal(t, "5truefalse,4newfalsefalse,1oldfalsetrue", strings.ReplaceAll(told("/a"), " ", ""))
	assert.Equal(t, "3yfalsefalse,2xfalsefalse", strings.ReplaceAll(told("/b"), " ", ""))
	assert.Equal(t, "", told("/none"))
	assert.Equal(t, 0, tr.store.Waits())
}

func TestHistoryOfAFileIsBounded(t *testing.T) {
	tr := newTree(t, 1000)
	for i := range MaxVersions + 50 {
		tr.set("/a", fmt.Sprint(i))
	}
	h := getJSON[fileHistory](t, viewOf(t, Config{Node: tr}), "/_/history?path=/a")
	assert.T(t, h.More)
	assert.Equal(t, MaxVersions, len(h.Versions))
	assert.Equal(t, int64(MaxVersions+50), h.Versions[0].Rev)
}

func TestFind(t *testing.T) {
	tr := newTree(t, 10)
	for i := range MaxFound + 10 {
		tr.set(fmt.Sprintf("/many/%d", i), "x")
	}
	tr.set("/app/web/config", "c")
	v := viewOf(t, Config{Node: tr})
	f := getJSON[finding](t, v, "/_/find?glob=/**/config")
	assert.Equal(t, 1, len(f.Files))
	assert.Equal(t, "/app/web/config", f.Files[0].Name)
	f = getJSON[finding](t, v, "/_/find?glob=/many/*")
	assert.T(t, f.More)
	assert.Equal(t, MaxFound, len(f.Files))
	assert.Equal(t, http.StatusBadRequest, get(v, "/_/find?glob=[").Code)
}

func TestMethods(t *testing.T) {
	v := viewOf(t, Config{Node: newTree(t, 10)})
	for _, method := range []string{"PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"} {
		w := request(v, method, "/", "")
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
		assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	}
	for _, url := range []string{"/", "/_/list", "/events", "/livez"} {
		assert.Equal(t, http.StatusMethodNotAllowed, request(v, "POST", url, "").Code)
	}
	assert.Equal(t, http.StatusOK, request(v, "HEAD", "/", "").Code)
}

func TestEveryAnswerKeepsToItself(t *testing.T) {
	v := viewOf(t, Config{Node: newTree(t, 10)})
	for _, url := range []string{"/", "/_/none", "/livez", "/_/raw?path=/none", "/_/a/x/app.js", "/metrics"} {
		header := get(v, url).Header()
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "require-trusted-types-for 'script'", "frame-ancestors 'none'"} {
			contains(t, header.Get("Content-Security-Policy"), part)
		}
		assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		assert.Equal(t, "no-store", header.Get("Cache-Control"))
	}
	lacks(t, get(v, "/").Body.String(), "style=")
	lacks(t, get(v, "/").Body.String(), "://")
}

func TestAssetsAreKeptForGood(t *testing.T) {
	v := viewOf(t, Config{Node: newTree(t, 10)})
	for name, kind := range map[string]string{"app.js": "text/javascript", "style.css": "text/css", "icon.svg": "image/svg+xml"} {
		url := "/_/a/" + v.assets.hash + "/" + name
		contains(t, get(v, "/").Body.String(), url)
		plain, packed := get(v, url), get(v, url, "Accept-Encoding", "gzip")
		contains(t, plain.Header().Get("Content-Type"), kind)
		contains(t, plain.Header().Get("Cache-Control"), "immutable")
		assert.Equal(t, "Accept-Encoding", plain.Header().Get("Vary"))
		assert.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
		z, err := gzip.NewReader(packed.Body)
		assert.Equal(t, nil, err)
		unpacked, err := io.ReadAll(z)
		assert.Equal(t, nil, err)
		assert.Equal(t, plain.Body.String(), string(unpacked))
		assert.Equal(t, http.StatusNotFound, get(v, "/_/a/other/"+path.Base(url)).Code)
	}
	assert.Equal(t, http.StatusNotFound, get(v, "/_/a/"+v.assets.hash+"/page.html").Code)
	assert.NotEqual(t, fmt.Sprintf("%x", sha256.Sum256(nil))[:len(v.assets.hash)], v.assets.hash, "the hash is that of nothing")
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
		v := viewOf(t, Config{Node: tr, RWSecret: c.rw, ROSecret: c.ro})
		for _, url := range []string{"/", "/_/list?dir=/", "/metrics"} {
			assert.Equal(t, c.want, get(v, url, "Authorization", basic(c.password)).Code)
			assert.Equal(t, c.want, get(v, url, "Authorization", "Bearer "+c.password).Code)
			if c.password == "" {
				assert.Equal(t, c.want, get(v, url).Code)
				assert.Equal(t, c.want, get(v, url, "Cookie", "doozer-8000=old").Code)
			}
		}
		assert.Equal(t, "ok\n", get(v, "/livez").Body.String())
		assert.Equal(t, "ok\n", get(v, "/readyz").Body.String())
	}
	v := viewOf(t, Config{Node: tr, RWSecret: "w", ROSecret: "r", Profile: true})
	for _, url := range []string{"/", "/events", "/metrics", "/debug/pprof/"} {
		w := get(v, url)
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		contains(t, w.Header().Get("WWW-Authenticate"), "Basic ")
	}
	// A browser would put up its own dialog in the middle of a page.
	assert.Equal(t, "", get(v, "/_/list?dir=/").Header().Get("WWW-Authenticate"))
}

func TestSigningIn(t *testing.T) {
	tr := newTree(t, 10)
	v := viewOf(t, Config{Node: tr, RWSecret: "w", ROSecret: "r", Name: "prod"})
	page := get(v, "/a/b?rev=3", "Accept", "text/html")
	assert.Equal(t, http.StatusUnauthorized, page.Code)
	assert.Equal(t, "", page.Header().Get("WWW-Authenticate"))
	contains(t, page.Body.String(), `name="next" value="/a/b?rev=3"`)
	contains(t, page.Body.String(), "prod")
	contains(t, page.Body.String(), "/_/a/"+v.assets.hash+"/style.css")
	lacks(t, page.Body.String(), `name="write"`)
	toWrite := get(v, "/_/signin?next=/a")
	assert.Equal(t, http.StatusUnauthorized, toWrite.Code)
	contains(t, toWrite.Body.String(), `name="next" value="/a"`)
	contains(t, toWrite.Body.String(), `name="write"`)

	form := func(values ...string) *httptest.ResponseRecorder {
		f := url.Values{}
		for i := 0; i < len(values); i += 2 {
			f.Set(values[i], values[i+1])
		}
		return request(v, "POST", "/_/signin", f.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	wrong := form("secret", "x", "next", "/a")
	assert.Equal(t, http.StatusUnauthorized, wrong.Code)
	contains(t, wrong.Body.String(), "That is not it.")
	assert.Equal(t, 0, len(wrong.Result().Cookies()))

	right := form("secret", "r", "next", "/a")
	assert.Equal(t, http.StatusSeeOther, right.Code)
	assert.Equal(t, "/a", right.Header().Get("Location"))
	cookie := right.Result().Cookies()[0]
	assert.T(t, cookie.HttpOnly)
	assert.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	assert.Equal(t, "/", cookie.Path)
	assert.Equal(t, false, cookie.Secure)
	signedIn := cookie.Name + "=" + cookie.Value
	assert.Equal(t, http.StatusOK, get(v, "/", "Cookie", signedIn).Code)
	assert.Equal(t, false, bootOf(t, get(v, "/", "Cookie", signedIn).Body.String()).MayWrite)

	assert.Equal(t, http.StatusUnauthorized, form("secret", "r", "write", "1").Code) // reading is not enough to write
	assert.Equal(t, http.StatusSeeOther, form("secret", "w", "write", "1").Code)
	assert.Equal(t, http.StatusUnauthorized, form("padding", strings.Repeat("x", maxSignin), "secret", "w").Code) // nobody has such a secret

	// Another process with the same secrets takes the session, one with others does not.
	assert.Equal(t, http.StatusOK, get(viewOf(t, Config{Node: tr, RWSecret: "w", ROSecret: "r"}), "/", "Cookie", signedIn).Code)
	assert.Equal(t, http.StatusUnauthorized, get(viewOf(t, Config{Node: tr, RWSecret: "w2", ROSecret: "r"}), "/", "Cookie", signedIn).Code)
	out := request(v, "POST", "/_/signout", "")
	assert.T(t, out.Result().Cookies()[0].MaxAge < 0)
	assert.Equal(t, "/", out.Header().Get("Location"))
}

// A cookie that was given by TLS is not shown without.
func TestSessionsOfTLSStayThere(t *testing.T) {
	v := viewOf(t, Config{Node: newTree(t, 10), RWSecret: "w"})
	r := httptest.NewRequest("POST", "https://127.0.0.1:8000/_/signin", strings.NewReader("secret=w"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	assert.T(t, w.Result().Cookies()[0].Secure)
}

// Whoever shows two secrets may do what the better one allows.
func TestTheBetterSecretCounts(t *testing.T) {
	g := newGate(Config{RWSecret: "w", ROSecret: "r"})
	for _, kind := range []string{"Bearer r", "Basic " + base64.StdEncoding.EncodeToString([]byte("any:r"))} {
		for _, level := range []access{mayRead, mayWrite} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", kind)
			r.AddCookie(&http.Cookie{Name: cookieName(r), Value: g.session(level, time.Now().Add(time.Hour))})
			assert.Equal(t, level, g.of(r), kind)
		}
	}
}

func TestSessionsCannotBeMade(t *testing.T) {
	g := newGate(Config{RWSecret: "w", ROSecret: "r"})
	now := time.Now()
	good := g.session(mayRead, now.Add(time.Hour))
	assert.Equal(t, mayRead, g.bySession(good, now))
	assert.Equal(t, mayNothing, g.bySession(good, now.Add(2*time.Hour)))
	for _, bad := range []string{"", ".", "2.9999999999.", strings.Replace(good, "1.", "2.", 1), good + "A", good[:len(good)-2]} {
		assert.Equal(t, mayNothing, g.bySession(bad, now), bad)
	}
}

func TestSignInLeadsNowhereElse(t *testing.T) {
	for next, want := range map[string]string{
		"/a?rev=3": "/a?rev=3", "": "/", "http://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "javascript:x": "/", "/\t/evil.example": "/",
	} {
		assert.Equal(t, want, ownPath(next))
	}
}

func TestOnlyItsOwnNames(t *testing.T) {
	tr := newTree(t, 10)
	v := viewOf(t, Config{Node: tr, Hosts: []string{"doozer.example", ""}})
	for host, want := range map[string]int{
		"127.0.0.1:8000":       200,
		"[::1]:8000":           200,
		"192.168.1.2":          200,
		"localhost:8000":       200,
		"a.localhost:8000":     200,
		"doozer.example:8000":  200,
		"DOOZER.example":       200,
		"evil.example:8000":    http.StatusMisdirectedRequest,
		"127.0.0.1.evil.test":  http.StatusMisdirectedRequest,
		"localhost.evil.test":  http.StatusMisdirectedRequest,
		"notlocalhost":         http.StatusMisdirectedRequest,
		"doozer.example.evil.": http.StatusMisdirectedRequest,
	} {
		w := get(v, "/", "Host", host)
		if w.Code != want {
			t.Errorf("Host %s: %d, want %d", host, w.Code, want)
		}
		lacks(t, w.Body.String(), "evil")
	}
	secret := viewOf(t, Config{Node: tr, RWSecret: "w", ROSecret: "r"})
	assert.Equal(t, http.StatusUnauthorized, get(secret, "/", "Host", "proxy.example").Code)
}

func TestHostname(t *testing.T) {
	for hostport, want := range map[string]string{"a:1": "a", "a": "a", "[::1]:80": "::1", "[::1]": "::1", "": ""} {
		assert.Equal(t, want, hostname(hostport))
	}
}

func TestHealth(t *testing.T) {
	tr := newTree(t, 10)
	sick := viewOf(t, Config{
		Node:  tr,
		Ready: func(context.Context) error { return fmt.Errorf("no majority") },
		Live:  func() error { return fmt.Errorf("stuck") },
	})
	for url, why := range map[string]string{"/readyz": "no majority\n", "/livez": "stuck\n"} {
		w := get(sick, url)
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, why, w.Body.String())
	}
}

func TestProfilesOnlyIfAskedFor(t *testing.T) {
	tr := newTree(t, 10)
	assert.Equal(t, http.StatusNotFound, get(viewOf(t, Config{Node: tr}), "/debug/pprof/").Code)
	v := viewOf(t, Config{Node: tr, Profile: true})
	contains(t, get(v, "/debug/pprof/").Body.String(), "goroutine")
	contains(t, get(v, "/debug/pprof/cmdline").Body.String(), os.Args[0])
	contains(t, get(v, "/debug/pprof/symbol").Body.String(), "num_symbols")
}

// lines reads a stream line by line.
func lines(t *testing.T, v *View, url string, headers ...string) *bufio.Reader {
	t.Helper()
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL+url, nil)
	assert.Equal(t, nil, err)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := server.Client().Do(r)
	assert.Equal(t, nil, err)
	t.Cleanup(func() { answer.Body.Close() })
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	return bufio.NewReader(answer.Body)
}
