package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bmizerany/assert"
	"github.com/chromedp/chromedp/kb"
	"github.com/ha/doozerd/internal/e2e/browser"
	"github.com/ha/doozerd/internal/e2e/raw"
)

// TestBrowser holds the WebView to what it promises, in a real browser. No page
// may log an error or ask for anything elsewhere, unless its test says so.
func TestBrowser(t *testing.T) {
	b, err := browser.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, test := range []struct {
		name string
		run  func(*testing.T, *browser.Browser)
	}{
		{"first paint", firstPaint},
		{"the model of the tree", modelOfTheTree},
		{"set and delete", setAndDelete},
		{"a burst of changes", burst},
		{"a burst that is wide", wideBurst},
		{"a connection cut", connectionCut},
		{"killed and restarted", killedAndRestarted},
		{"100,000 files", manyFiles},
		{"old revs", oldRevs},
		{"history of a file", historyOfAFile},
		{"search", search},
		{"folds are remembered", foldsAreRemembered},
		{"keys", keys},
		{"what stays is left in place", whatStaysIsLeft},
		{"values of all kinds", valuesOfAllKinds},
		{"hostile names and values", hostileNamesAndValues},
		{"no editing", noEditing},
		{"editing", editing},
		{"another site", anotherSite},
		{"secrets", signIn},
		{"TLS", overTLS},
		{"dark", dark},
		{"a phone", aPhone},
		{"the cluster", theCluster},
		{"a member dies", aMemberDies},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, b) })
	}
}

// A site is a node with a WebView, a client, and a page that shows it.
type site struct {
	t    *testing.T
	node *Node
	conn *raw.Conn
	page *browser.Page
}

// newSite starts a node. Its page is not loaded yet, and must be without fault in
// the end.
func newSite(t *testing.T, b *browser.Browser, o Options, look browser.Options) *site {
	t.Helper()
	o.Flags = append([]string{"-w", "127.0.0.1:0"}, o.Flags...)
	n := startWith(t, o)
	s := &site{t: t, node: n}
	s.page = s.open(b, n.Web, look)
	if o.Env == nil && !slices.Contains(o.Flags, "-tlscert") {
		s.conn = dial(t, n.Addr)
	}
	return s
}

// open returns an empty page for an origin.
func (s *site) open(b *browser.Browser, origin string, look browser.Options) *browser.Page {
	s.t.Helper()
	p, err := b.Open(origin, look)
	s.must(err)
	s.t.Cleanup(func() {
		for _, e := range p.Errors() {
			s.t.Errorf("in the page: %s", e)
		}
		p.Close()
	})
	return p
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// show loads a page and waits until it is live, or shows an old rev.
func (s *site) show(path string) {
	s.t.Helper()
	s.must(s.page.Go(path))
	s.wait(`document.querySelector("#state.live, #state.past")`)
}

func (s *site) wait(expression string) {
	s.t.Helper()
	s.must(s.page.WaitFor(expression))
}

func eval[T any](s *site, expression string) T {
	s.t.Helper()
	v, err := browser.Eval[T](s.page, expression)
	s.must(err)
	return v
}

func (s *site) set(path, value string) {
	s.t.Helper()
	a := ask(s.t, s.conn, "SET path=%s rev=-1 value=%q", path, value)
	assert.Equal(s.t, int64(0), a.Err)
}

func (s *site) del(path string) {
	s.t.Helper()
	ask(s.t, s.conn, "DEL path=%s rev=-1", path)
}

// many sends requests without waiting for each answer.
func (s *site) many(requests []string) {
	s.t.Helper()
	received := make(chan error, 1)
	go func() {
		for range requests {
			if _, err := s.conn.Recv(); err != nil {
				received <- err
				return
			}
		}
		received <- nil
	}()
	for part := range slices.Chunk(requests, 200) {
		s.must(s.conn.Send(part...))
	}
	s.must(<-received)
}

// rev is the node's newest.
func (s *site) rev() int64 {
	s.t.Helper()
	return ask(s.t, s.conn, "REV").Rev
}

// rowOf is an expression for the row of a path.
func rowOf(path string) string {
	return fmt.Sprintf(`document.querySelector('.sizer .row[data-path="%s"]')`, path)
}

// arrived waits until the page says that it is live at the node's newest rev.
func (s *site) arrived() {
	s.t.Helper()
	s.wait(fmt.Sprintf(`document.querySelector("#state.live").dataset.rev === "%d"`, s.rev()))
}

// shown is what the page shows of a directory that is its root: the names and
// revs of its first rows, and how many there are.
func (s *site) shown() (rows []string, total int) {
	s.t.Helper()
	s.wait(`!document.querySelector(".sizer .row.waiting, .sizer .row.behind")`)
	rows = eval[[]string](s, `[...document.querySelectorAll(".sizer .row")].map((r) => [new DOMMatrix(r.style.transform).m42, r])
		.sort((a, b) => a[0] - b[0]).map(([, r]) => r.querySelector(".label").textContent + " " + r.querySelector(".rev").textContent.replaceAll(",", ""))`)
	total = eval[int](s, `Math.round(document.querySelector(".sizer").offsetHeight / parseFloat(getComputedStyle(document.querySelector(".rows")).getPropertyValue("--row")))`)
	return rows, total
}

// stored is the same as the node tells its clients.
func (s *site) stored(dir string, most int) (rows []string, total int) {
	s.t.Helper()
	total = int(ask(s.t, s.conn, "STAT path=%s", dir).Len)
	for i := range min(most, total) {
		name := ask(s.t, s.conn, "GETDIR path=%s offset=%d", dir, i).Path
		a := ask(s.t, s.conn, "STAT path=%s", dir+"/"+name)
		rows = append(rows, fmt.Sprintf("%s %d", name, a.Rev))
	}
	return rows, total
}

// same holds the page to the store.
func (s *site) same(dir string) {
	s.t.Helper()
	s.arrived()
	rows, total := s.shown()
	want, wantTotal := s.stored(dir, len(rows))
	assert.Equal(s.t, wantTotal, total)
	assert.Equal(s.t, want, rows)
}

// firstPaint is how long it took until there was something to see, in
// milliseconds.
func (s *site) firstPaint() float64 {
	s.t.Helper()
	s.wait(`performance.getEntriesByName("first-contentful-paint").length`)
	return eval[float64](s, `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
}

func firstPaint(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.set("/app/config", "hello")
	s.show("/")
	s.wait(rowOf("/app/config") + `.querySelector(".value").textContent === "hello"`)
	contains := eval[string](s, "document.body.innerText")
	assert.T(t, strings.Contains(contains, s.node.ID), contains)
	var bytes int64
	for _, r := range s.page.Requests() {
		bytes += r.Bytes
	}
	paint := s.firstPaint()
	t.Logf("%d requests, %d bytes, first contentful paint after %.0f ms", len(s.page.Requests()), bytes, paint)
	const goal = 60_000 // compressed
	assert.T(t, bytes < goal, bytes)
}

// The model is compared with a plain list: random insertions, removals and
// changes, known and unknown to it, and parts that are loaded in between.
func modelOfTheTree(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.show("/")
	fault := eval[string](s, `(async () => {
		const url = document.querySelector('link[href$="/model.js"]').href;
		const {Dir} = await import(url);
		let seed = 7;
		const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
		for (let round = 0; round < 60; round++) {
			let names = Array.from({length: random(60)}, (_, i) => "f" + String(i * 7 + 1000));
			const rows = new Map(names.map((n) => [n, {n, r: 1}]));
			const dir = new Dir("/d", names.length, null);
			for (let step = 0; step < 300; step++) {
				names = [...rows.keys()].sort();
				const n = "f" + String(1000 + random(450));
				const was = rows.has(n);
				switch (random(4)) {
				case 0:
					if (names.length) {
						const first = random(names.length);
						dir.place(first, names.slice(first, first + random(12)).map((n) => ({...rows.get(n)})));
					}
					break;
				case 1:
					rows.delete(n);
					if (was && !dir.apply({n, was}, 0)) return "refused a removal";
					break;
				default:
					rows.set(n, {n, r: step});
					if (!dir.apply({n, was, now: {n, r: step}}, 0)) return "refused a change";
				}
				names = [...rows.keys()].sort();
				if (dir.count !== names.length) return "counts " + dir.count + ", not " + names.length;
				if (!dir.sane()) return "insane";
				for (let i = 0; i < names.length; i++) {
					const row = dir.row(i);
					if (row && (row.n !== names[i] || row.r !== rows.get(names[i]).r)) return "at " + i + " " + JSON.stringify(row) + ", not " + names[i];
					if (row && dir.indexOf(row.n) !== i) return "does not find " + row.n;
				}
			}
		}
		return "";
	})()`)
	assert.Equal(t, "", fault)
}

func setAndDelete(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.set("/app/a", "1")
	s.show("/")
	s.set("/app/b", "new")
	s.wait(rowOf("/app/b") + `.matches(".hot")`)
	rev := s.rev()
	assert.Equal(t, fmt.Sprint(rev), eval[string](s, rowOf("/app/b")+`.querySelector(".rev").textContent`))
	s.set("/app/a", "2")
	s.wait(rowOf("/app/a") + `.querySelector(".value").textContent === "2"`)
	s.set("/other/x", "y")
	s.wait(rowOf("/other"))
	s.del("/app/a")
	s.wait("!" + rowOf("/app/a"))
	s.del("/app/b")
	s.wait("!" + rowOf("/app")) // the directory went with its last entry
	s.arrived()
}

// burst changes a directory that is in sight much faster than history is long.
func burst(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.set("/burst/000", "x")
	s.show("/burst")
	r := rand.New(rand.NewPCG(1, 2))
	var requests []string
	for i := range 10000 {
		if path := fmt.Sprintf("/burst/%03d", r.IntN(400)); r.IntN(3) == 0 {
			requests = append(requests, "DEL path="+path+" rev=-1")
		} else {
			requests = append(requests, fmt.Sprintf("SET path=%s rev=-1 value=%d", path, i))
		}
	}
	s.many(requests)
	s.same("/burst")
	for i := range 30 { // and then slowly, so that each change is a row of its own
		s.set(fmt.Sprintf("/burst/%03d", r.IntN(400)), fmt.Sprint(i))
		s.del(fmt.Sprintf("/burst/%03d", r.IntN(400)))
	}
	s.same("/burst")
}

// wideBurst changes more directories than a frame names.
func wideBurst(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{Flags: []string{"-hist", "50"}}, browser.Options{})
	s.set("/w/d000/x", "x")
	s.show("/w/d000")
	var requests []string
	for i := range 3000 {
		requests = append(requests, fmt.Sprintf("SET path=/w/d%03d/x%d rev=-1 value=%d", i%700, i%13, i))
	}
	s.many(requests)
	s.same("/w/d000")
}

// A proxy stands between a page and its node, and can cut them off.
type proxy struct {
	to string

	mu    sync.Mutex
	off   bool
	conns []net.Conn
}

// newProxy returns one and its address.
func newProxy(t *testing.T, to string) (*proxy, string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.Equal(t, nil, err)
	p := &proxy{to: to}
	t.Cleanup(func() {
		l.Close()
		p.cut()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p, l.Addr().String()
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	node, err := net.Dial("tcp", p.to)
	if err != nil || !p.add(c, node) {
		return
	}
	defer node.Close()
	go func() {
		io.Copy(node, c)
		node.Close()
	}()
	io.Copy(c, node)
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conns...)
	return !p.off
}

// cut ends all connections and lets no new one through, until join.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = false
}

// connectionCut holds that a page says when it is cut off, shows what it has as
// old, and goes on from its rev.
func connectionCut(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	p, addr := newProxy(t, strings.TrimSuffix(strings.TrimPrefix(s.node.Web, "http://"), "/"))
	s.page = s.open(b, "http://"+addr, browser.Options{})
	s.set("/cut/a", "before")
	s.show("/cut")
	rev := s.rev()
	p.cut()
	s.wait(`document.querySelector("#state.lost").textContent.startsWith("reconnecting since") && document.body.matches(".stale")`)
	assert.Equal(t, fmt.Sprintf("This is rev %d, and may be out of date.", rev),
		eval[string](s, `document.querySelector("#banner").textContent.replace(/^.*?\. /, "")`))
	for i := range 50 {
		s.set(fmt.Sprintf("/cut/%02d", i), "meanwhile")
	}
	s.del("/cut/a")
	p.join()
	s.same("/cut")
	assert.Equal(t, false, eval[bool](s, `document.body.matches(".stale")`))
	resumed := false
	for _, r := range s.page.Requests() {
		resumed = resumed || strings.Contains(r.URL, "/_/stream") && strings.Contains(r.URL, fmt.Sprintf("rev=%d", rev))
	}
	assert.T(t, resumed)
	expected(t, s.page)
}

// expected forgets the errors that a lost server is the cause of, and one that has just begun and joined no
// cluster yet.
func expected(t *testing.T, p *browser.Page) {
	t.Helper()
	for _, e := range p.Errors() {
		if !strings.Contains(e, "net::ERR_") && !strings.Contains(e, "a status of 503") {
			t.Error(e)
		}
	}
}

// killedAndRestarted holds that a page goes on with the node that takes the place
// of one that was killed, whose revs count anew.
func killedAndRestarted(t *testing.T, b *browser.Browser) {
	l, err := net.Listen("tcp", alone)
	assert.Equal(t, nil, err)
	addr := l.Addr().String()
	l.Close()
	s := &site{t: t}
	flags := Options{Flags: []string{"-w", addr}}
	s.node, err = bins.Start(flags)
	s.must(err)
	s.conn = dial(t, s.node.Addr)
	s.page = s.open(b, "http://"+addr, browser.Options{})
	for i := range 40 {
		s.set(fmt.Sprintf("/old/%02d", i), "old")
	}
	s.set("/new/a", "from before")
	s.show("/new")
	s.must(s.node.Kill())
	s.wait(`document.querySelector("#state.lost") && document.body.matches(".stale")`)
	s.node = startWith(t, flags)
	s.conn = dial(t, s.node.Addr)
	s.set("/new/b", "from after")
	s.wait(rowOf("/new/b"))
	s.same("/new")
	s.wait(fmt.Sprintf(`document.querySelector("footer .id").textContent === %q`, s.node.ID))
	expected(t, s.page)
}

func manyFiles(t *testing.T, b *browser.Browser) {
	files := 100000
	if testing.Short() {
		files = 20000 // under the race detector
	}
	s := newSite(t, b, Options{}, browser.Options{})
	var requests []string
	for i := range files {
		requests = append(requests, fmt.Sprintf("SET path=/many/%06d rev=-1 value=v%d", i, i))
	}
	s.many(requests)
	s.show("/many")
	s.wait(rowOf("/many/000000"))
	paint := s.firstPaint()
	_, total := s.shown()
	assert.Equal(t, files, total)
	last := fmt.Sprintf("/many/%06d", files-1)
	eval[float64](s, `document.querySelector(".rows").scrollTop = 1e9`)
	s.wait(rowOf(last))
	s.must(s.page.Click(".rows"))
	s.must(s.page.Key(kb.Home))
	s.wait(rowOf("/many/000000"))
	assert.T(t, eval[int](s, `document.querySelectorAll("*").length`) < 1500)
	s.set(last, "changed far away")
	s.del("/many/000003")
	s.set("/many/000000a", "between")
	s.same("/many")
	t.Logf("%d files: first contentful paint after %.0f ms, heap of the page %.1f MB", files, paint, eval[float64](s, `performance.memory.usedJSHeapSize / 1e6`))
}

func oldRevs(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{Flags: []string{"-hist", "30"}}, browser.Options{})
	s.set("/app/a", "first")
	first := s.rev()
	s.set("/app/a", "second")
	s.set("/app/b", "x")
	s.show(fmt.Sprintf("/?rev=%d", first))
	s.wait(rowOf("/app/a") + `.querySelector(".value").textContent === "first"`)
	assert.Equal(t, false, eval[bool](s, `Boolean(`+rowOf("/app/b")+`)`))
	s.wait(`document.querySelector(".happened").textContent === "set /app/a"`)
	s.must(s.page.Click(`[aria-label="One rev on"]`))
	s.wait(rowOf("/app/a") + `.querySelector(".value").textContent === "second"`)
	s.wait(fmt.Sprintf(`location.search === "?rev=%d"`, first+1))
	s.set("/app/c", "not yet there") // the past stays as it is
	s.wait(fmt.Sprintf(`document.querySelector("#state.past").textContent === "rev %d of %d"`, first+1, first+3))
	assert.Equal(t, false, eval[bool](s, `Boolean(`+rowOf("/app/c")+`)`))
	s.must(s.page.Click("#live-button"))
	s.wait(rowOf("/app/c"))
	s.arrived()
	for i := range 40 {
		s.set("/app/a", fmt.Sprint(i))
	}
	s.must(s.page.Go(fmt.Sprintf("/app/a?rev=%d", first)))
	s.wait(`document.querySelector("#banner").textContent.includes("no longer, in history")`)
	s.page.Errors() // status 410
}

func historyOfAFile(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.set("/a", `{"x":1,"y":2}`)
	s.set("/a", `{"x":1,"y":3}`)
	s.show("/a")
	s.must(s.page.Click(`[data-key="tab-history"]`))
	s.wait(`document.querySelectorAll(".version").length === 2`)
	s.wait(`document.querySelector(".removed").textContent === '-  "y": 2' && document.querySelector(".added").textContent === '+  "y": 3'`)
	s.del("/a")
	s.wait(`document.querySelectorAll(".version").length === 3 && document.querySelector(".missing")`)
	s.page.Errors()
}

func search(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.set("/app/web/config", "w")
	s.set("/app/api/config", "a")
	s.show("/")
	s.must(s.page.Type("#search", "/app/"))
	s.wait(`document.querySelectorAll(".found li").length === 2`)
	s.must(s.page.Type("#search", "*/config"))
	s.wait(`[...document.querySelectorAll(".found a")].map((a) => a.textContent).join() === "/app/api/config,/app/web/config"`)
	s.set("/app/new/config", "n")
	s.wait(`document.querySelectorAll(".found li").length === 3`)
	s.must(s.page.Click(".found a"))
	s.wait(`document.querySelector(".panel h2").textContent === "/app/api/config"`)
	s.must(s.page.Click("#search"))
	s.must(s.page.Key(kb.Escape))
	s.wait(`document.querySelector(".finder").hidden`)
}

func foldsAreRemembered(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.set("/app/web/config", "w")
	s.show("/")
	s.wait(rowOf("/app/web/config"))
	s.must(s.page.Click(`.row[data-path="/app"]`))
	s.wait("!" + rowOf("/app/web"))
	s.must(s.page.Click(`.row[data-path="/ctl"]`))
	s.wait(rowOf("/ctl/name"))
	s.show("/")
	s.wait(rowOf("/ctl/name"))
	assert.Equal(t, false, eval[bool](s, `Boolean(`+rowOf("/app/web")+`)`))
}

func keys(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.set("/app/config", "w")
	s.show("/")
	s.must(s.page.Key("/"))
	s.wait(`document.activeElement.id === "search"`)
	s.must(s.page.Key(kb.Escape))
	s.wait(`document.activeElement.matches(".rows")`)
	s.must(s.page.Key(kb.ArrowDown))
	s.wait(rowOf("/app") + `.matches(".selected")`)
	s.must(s.page.Key(kb.ArrowLeft))
	s.wait("!" + rowOf("/app/config"))
	s.must(s.page.Key(kb.ArrowRight))
	s.wait(rowOf("/app/config"))
	s.must(s.page.Key("j"))
	s.must(s.page.Key(kb.Enter))
	s.wait(`location.pathname === "/app/config" && document.querySelector(".panel .body").textContent === "w"`)
	s.must(s.page.Key(kb.Escape))
	s.wait(`document.querySelector(".panel").hidden`)
	s.must(s.page.Key("["))
	s.wait(`document.querySelector("#state.past")`)
}

// whatStaysIsLeft holds that what a reader may be about to click on, is writing
// in or has selected remains the same element, with what they did to it, when
// something changes beside it.
func whatStaysIsLeft(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{Flags: []string{"-web-edit"}}, browser.Options{})
	s.set("/app/m", strings.Repeat("line\n", 100)+"first")
	s.show("/app/m")
	s.wait(`document.querySelector('[data-key="edit"]')`)
	mark := func(selector string) {
		t.Helper()
		assert.T(t, eval[int](s, fmt.Sprintf(`[...document.querySelectorAll(%q)].map((e) => e.marked = true).length`, selector)) > 0, selector)
	}
	kept := func(selector string) {
		t.Helper()
		assert.T(t, eval[bool](s, fmt.Sprintf(`document.querySelector(%q).marked === true`, selector)), selector)
	}

	// A row that moves, and the buttons beside a value that changes.
	mark(`.row[data-path="/app/m"]`)
	mark(`[data-key="edit"]`)
	mark(`[data-key="copy"]`)
	s.must(s.page.Click(".more"))
	s.set("/app/a", "a row above")
	s.set("/app/m", strings.Repeat("line\n", 100)+"second")
	s.wait(rowOf("/app/a"))
	s.wait(`document.querySelector(".panel .body").textContent.endsWith("second")`) // unfolded as before
	kept(`.row[data-path="/app/m"]`)
	kept(`[data-key="edit"]`)
	kept(`[data-key="copy"]`)

	// Versions, and which of them were folded.
	s.must(s.page.Click(`[data-key="tab-history"]`))
	s.wait(`document.querySelectorAll(".version").length === 2`)
	s.must(s.page.Click(".version summary"))
	s.wait(`!document.querySelector(".version details").open`)
	mark(".version:first-child")
	s.set("/app/m", "third")
	s.wait(`document.querySelectorAll(".version").length === 3`)
	kept(".version:nth-child(2)")
	assert.Equal(t, false, eval[bool](s, `document.querySelector(".version:nth-child(2) details").open`))

	// A text that is being written, and where the cursor is in it.
	s.must(s.page.Click(`[data-key="tab-value"]`))
	s.must(s.page.Click(`[data-key="edit"]`))
	s.must(s.page.Type("textarea", "x"))
	eval[bool](s, `(document.querySelector("textarea").setSelectionRange(1, 3), true)`)
	mark("textarea")
	mark(`[data-key="cancel"]`)
	s.set("/app/m", "fourth")
	s.wait(`document.querySelector(".problem")`)
	kept("textarea")
	kept(`[data-key="cancel"]`)
	assert.Equal(t, "textarea 1 3", eval[string](s, `(({localName, selectionStart, selectionEnd}) => [localName, selectionStart, selectionEnd].join(" "))(document.activeElement)`))

	// Nor is it lost when another file is looked at meanwhile.
	s.must(s.page.Click(`.row[data-path="/app/a"]`))
	s.wait(`document.querySelector(".panel .body").textContent === "a row above"`)
	s.must(s.page.Click(`.row[data-path="/app/m"]`))
	s.wait(`/^(xthird|thirdx)$/.test(document.querySelector("textarea").value) && document.querySelector(".problem")`)

	// An id that is being copied from the cluster page.
	s.show("/_/cluster")
	s.wait(`document.querySelector("tbody .id")`)
	mark("tbody .id")
	eval[bool](s, `(getSelection().selectAllChildren(document.querySelector("tbody .id")), true)`)
	s.set("/app/a", "again")
	s.wait(fmt.Sprintf(`document.querySelector(".facts-list dd").textContent === "%d"`, s.rev()))
	kept("tbody .id")
	assert.Equal(t, s.node.ID, eval[string](s, `getSelection().toString().trim()`))
}

func valuesOfAllKinds(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.set("/json", `{"b":[1,2]}`)
	s.set("/bytes", "\x00\x01abc")
	s.set("/long", strings.Repeat("line\n", 300))
	s.set("/large", strings.Repeat("x", 600_000))
	s.set("/empty", "")
	for path, want := range map[string]string{
		"/json":  "{\n  \"b\": [\n    1,\n    2\n  ]\n}",
		"/bytes": "0000  00 01 61 62 63           ··abc",
	} {
		s.show(path)
		s.wait(`document.querySelector(".panel .body")`)
		assert.Equal(t, want, eval[string](s, `document.querySelector(".panel .body").textContent`))
	}
	s.page = s.open(b, s.node.Web, browser.Options{Width: 1600, Height: 900}) // where there is room, sixteen bytes are a line
	s.show("/bytes")
	s.wait(`document.querySelector(".panel .body").textContent === "0000  00 01 61 62 63                                    ··abc"`)
	s.show("/long")
	s.must(s.page.Click(".more"))
	s.wait(`document.querySelector(".panel .body").textContent.split("\n").length === 301`)
	s.show("/large")
	s.wait(`document.querySelector(".cut").textContent.includes("All 600 kB")`)
	s.show("/empty")
	s.wait(`document.querySelector(".panel .none").textContent === "Empty."`)
}

func hostileNamesAndValues(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	const value = `<img src=x onerror="document.title='broken'"></script><script>document.title='broken'</script>`
	paths := []string{"/h/..", "/h/.", "/h/constructor", "/h/toString", "/h/a.b-c", "/g/../x", "/events", "/metrics"}
	for _, p := range paths {
		s.set(p, value)
	}
	s.show("/h")
	for _, p := range []string{"/h/.", "/h/constructor", "/h/toString", "/h/a.b-c"} {
		s.wait(rowOf(p) + fmt.Sprintf(`.querySelector(".value").textContent === %q`, value))
	}
	for _, p := range paths { // each has a page, by its own link
		href := eval[string](s, fmt.Sprintf(`import(document.querySelector('link[href$="/util.js"]').href).then((m) => m.hrefOf(%q))`, p))
		s.show(href)
		s.wait(fmt.Sprintf(`document.querySelector(".panel h2").textContent === %q && document.querySelector(".panel .body").textContent === %q`, p, value))
	}
	s.must(s.page.Type("#search", "/h/**"))
	s.wait(`document.querySelectorAll(".found li").length > 3`)
	assert.Equal(t, false, eval[bool](s, `document.title.includes("broken")`))
	assert.Equal(t, 0, eval[int](s, `document.querySelectorAll("body img:not(.brand img)").length`))
	s.page.Type("#search", "")
	refused := eval[bool](s, `(() => { try { document.createElement("div").innerHTML = "<b>x</b>"; return false } catch { return true } })()`)
	assert.T(t, refused) // no string can become markup in this page at all
	s.page.Errors()
}

func noEditing(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.set("/a", "1")
	s.show("/a")
	s.wait(`document.querySelector('[data-key="copy"]')`)
	assert.Equal(t, 0, eval[int](s, `document.querySelectorAll('[data-key="edit"], [data-key="delete"], #new-file').length`))
}

func editing(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{Flags: []string{"-web-edit"}}, browser.Options{})
	s.set("/a", "1")
	s.show("/a")
	s.must(s.page.Click(`[data-key="edit"]`))
	s.must(s.page.Type("textarea", "23"))
	s.must(s.page.Click(`[data-key="save"]`))
	s.wait(`document.querySelector(".panel .body").textContent.length === 3`)
	value := ask(t, s.conn, "GET path=/a").Value
	assert.T(t, value == "123" || value == "231", value)

	// Somebody is faster.
	s.must(s.page.Click(`[data-key="edit"]`))
	s.set("/a", "faster")
	s.wait(`document.querySelector(".problem").textContent.includes("saving will be refused")`)
	s.must(s.page.Click(`[data-key="save"]`))
	s.wait(`document.querySelector('[data-key="problem"]').textContent.includes("Somebody was faster")`)
	assert.Equal(t, "faster", ask(t, s.conn, "GET path=/a").Value)
	s.must(s.page.Click(`[data-key="cancel"]`))
	s.page.Errors() // status 409

	// Deleting asks first.
	s.must(s.page.Click(`[data-key="delete"]`))
	s.wait(`document.querySelector("dialog[open]")`)
	s.must(s.page.Key(kb.Escape))
	s.wait(`!document.querySelector("dialog")`)
	assert.Equal(t, "faster", ask(t, s.conn, "GET path=/a").Value)
	s.must(s.page.Click(`[data-key="delete"]`))
	s.must(s.page.Click(`[data-key="confirm"]`))
	s.wait(`document.querySelector(".missing")`)
	assert.Equal(t, int64(0), ask(t, s.conn, "GET path=/a").Rev)

	// A new file.
	s.must(s.page.Click("#new-file"))
	s.must(s.page.Type("dialog input", "new/file"))
	s.must(s.page.Key(kb.Enter))
	s.must(s.page.Click(`[data-key="create"]`))
	s.must(s.page.Type("textarea", "fresh"))
	s.must(s.page.Click(`[data-key="save"]`))
	s.wait(`document.querySelector(".panel .body").textContent === "fresh"`)
	assert.Equal(t, "fresh", ask(t, s.conn, "GET path=/new/file").Value)
}

// anotherSite tries what a stranger's page can do to a visitor's WebView.
func anotherSite(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{Flags: []string{"-web-edit"}}, browser.Options{})
	rev := s.rev()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.Equal(t, nil, err)
	evil := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><title>evil</title>")
	})}
	go evil.Serve(l)
	defer evil.Close()
	p, err := b.Open("http://"+l.Addr().String(), browser.Options{})
	s.must(err)
	defer p.Close()
	s.must(p.Go("/"))
	const attack = `(async () => {
		const results = [];
		const url = %q;
		const body = JSON.stringify({op: "set", path: "/evil", rev: -1, value: "x"});
		for (const options of [
			{method: "POST", mode: "no-cors", body},
			{method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}, body},
			{method: "POST", headers: {"Content-Type": "application/json"}, body},
		]) {
			try {
				const answer = await fetch(url + "_/edit", options);
				results.push(answer.type + answer.status);
			} catch { results.push("refused"); }
		}
		try { results.push((await (await fetch(url + "_/list?dir=/")).text())); } catch { results.push("unreadable"); }
		return results.join();
	})()`
	got, err := browser.Eval[string](p, fmt.Sprintf(attack, s.node.Web))
	s.must(err)
	assert.T(t, strings.HasSuffix(got, "refused,unreadable"), got)
	assert.Equal(t, rev, s.rev())
}

func signIn(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{Flags: []string{"-web-edit"}, Env: []string{"DOOZER_RWSECRET=write", "DOOZER_ROSECRET=read"}}, browser.Options{})
	s.must(s.page.Go("/ctl/name"))
	s.wait(`document.querySelector("body.signin")`)
	s.must(s.page.Type("#secret", "wrong"))
	s.must(s.page.Key(kb.Enter))
	s.wait(`document.querySelector("#wrong")`)
	s.must(s.page.Type("#secret", "read"))
	s.must(s.page.Key(kb.Enter))
	s.wait(`location.pathname === "/ctl/name" && document.querySelector(".panel .body").textContent === "local"`)
	s.wait(`document.querySelector("#state.live")`)
	s.page.Errors() // status 401

	s.must(s.page.Click(`.panel a[href^="/_/signin"]`)) // to read is not to write
	s.must(s.page.Type("#secret", "read"))
	s.must(s.page.Key(kb.Enter))
	s.wait(`document.querySelector("#wrong")`)
	s.must(s.page.Type("#secret", "write"))
	s.must(s.page.Key(kb.Enter))
	s.wait(`document.querySelector('[data-key="edit"]')`)
	s.page.Errors()

	s.must(s.page.Click(".signout button"))
	s.wait(`document.querySelector("body.signin")`)
	s.page.Errors()
}

func overTLS(t *testing.T, b *browser.Browser) {
	cert, key := keyPair(t)
	s := newSite(t, b, Options{Flags: []string{"-tlscert", cert, "-tlskey", key}}, browser.Options{Insecure: true})
	assert.T(t, strings.HasPrefix(s.node.Web, "https://"))
	s.show("/ctl/name")
	s.wait(`document.querySelector(".panel .body").textContent === "local"`)
	assert.Equal(t, "h2", eval[string](s, `performance.getEntriesByType("navigation")[0].nextHopProtocol`))
}

func dark(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{Dark: true})
	s.show("/")
	const brightness = `getComputedStyle(document.body).backgroundColor.match(/\d+/g).reduce((sum, n) => sum + Number(n), 0)`
	assert.T(t, eval[int](s, brightness) < 150)
	s.must(s.page.Click("#theme")) // light, whatever the system says
	s.wait(brightness + " > 600")
	s.show("/")
	s.wait(brightness + " > 600")
}

func aPhone(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{Flags: []string{"-web-edit"}}, browser.Options{Width: 360, Height: 740, Phone: true})
	s.set("/app/"+strings.Repeat("long-name.", 20), strings.Repeat("long value ", 50))
	for _, path := range []string{"/", "/app/" + strings.Repeat("long-name.", 20), "/_/cluster", "/?rev=3"} {
		s.show(path)
		assert.Equal(t, 360, eval[int](s, `document.documentElement.scrollWidth`), path)
	}
	s.show("/app")
	assert.T(t, eval[float64](s, `document.querySelector(".sizer .row").getBoundingClientRect().height`) >= 44) // for a finger
	s.must(s.page.Click(".sizer .row"))
	s.wait(`document.querySelector(".panel .body") && getComputedStyle(document.querySelector(".left")).display === "none"`)
	s.must(s.page.Click(".close"))
	s.wait(`getComputedStyle(document.querySelector(".left")).display !== "none"`)
}

func theCluster(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.show("/_/cluster")
	s.wait(fmt.Sprintf(`document.querySelector("tbody .id").textContent === %q`, s.node.ID))
	s.wait(`document.querySelector(".health.well h2").textContent === "All is well"`)
	assert.Equal(t, "voter", eval[string](s, `document.querySelector(".role").textContent`))
	s.set("/a", "1")
	s.wait(fmt.Sprintf(`document.querySelector(".facts-list dd").textContent === "%d"`, s.rev()))
	s.wait(`document.querySelectorAll(".plot .line").length === 3`)
	s.must(s.page.Click(".tab"))
	s.wait(rowOf("/a"))
}

// aMemberDies holds that the page knows its members, and says in words when one
// of them is no longer heard; and when no majority is, that what it shows may be
// out of date.
func aMemberDies(t *testing.T, b *browser.Browser) {
	s := newSite(t, b, Options{}, browser.Options{})
	s.show("/_/cluster")
	var other *Node
	for i := range 2 {
		n, err := bins.Start(Options{Flags: []string{"-a", s.node.Addr}})
		s.must(err)
		defer n.Kill()
		s.set(fmt.Sprintf("/ctl/cal/%d", i+1), "")
		s.wait(fmt.Sprintf(`document.querySelectorAll(".role.voter").length === %d`, i+2))
		if i == 0 {
			other = n
		} else {
			s.wait(`document.querySelector(".health.well")`)
			s.must(n.Kill())
			s.wait(fmt.Sprintf(`document.querySelector(".health.ill li").textContent.includes(%q)`, n.ID))
			s.wait(`document.querySelectorAll(".late").length === 1`)
		}
	}
	s.set("/still", "writable")
	s.must(s.page.Click(".tab"))
	s.wait(rowOf("/still"))
	s.must(other.Kill())
	s.wait(`document.querySelector("#state.lost").textContent.startsWith("no majority since") && document.body.matches(".stale")`)
	s.wait(`document.querySelector("#banner").textContent.includes("may be out of date")`)
	s.must(s.page.Click(`.tab[href="/_/cluster"]`))
	s.wait(`document.querySelector(".health.ill h2").textContent.startsWith("No majority")`)
}

// keyPair makes a certificate for 127.0.0.1 that nobody trusts, and returns its
// files.
func keyPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	assert.Equal(t, nil, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(crand.Reader, template, template, private.Public(), private)
	assert.Equal(t, nil, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	assert.Equal(t, nil, err)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		assert.Equal(t, nil, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", encoded)
}
