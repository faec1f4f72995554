package web

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/store"
)

// A message is one server-sent event.
type message struct{ id, event, data string }

// next reads the next message; comments and settings are passed over.
func next(t *testing.T, r *bufio.Reader) (m message) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		case "":
			if m.event != "" {
				return m
			}
			m = message{} // a sign of life
		}
	}
}

// nextFrame reads the next message, which must be a frame.
func nextFrame(t *testing.T, r *bufio.Reader) (f frame) {
	t.Helper()
	m := next(t, r)
	assert.Equal(t, "frame", m.event, m.data)
	assert.Equal(t, nil, json.Unmarshal([]byte(m.data), &f))
	assert.Equal(t, fmt.Sprint(f.To), m.id)
	return f
}

// follow opens a page's stream from rev on and reads the hello.
func follow(t *testing.T, v *View, rev int64, headers ...string) *bufio.Reader {
	t.Helper()
	r := lines(t, v, fmt.Sprintf("/_/stream?cluster=%s&rev=%d", nodeID, rev), headers...)
	assert.Equal(t, "hello", next(t, r).event)
	return r
}

// A mirror is a page that follows the tree by frames, and by looking again where
// a frame says so. It knows every entry of every directory.
type mirror struct {
	t    *testing.T
	rev  int64
	dirs map[string]map[string]string // rows by directory and name
}

func mirrorOf(t *testing.T, s *store.Snapshot) *mirror {
	m := &mirror{t: t, rev: s.Rev(), dirs: make(map[string]map[string]string)}
	m.look(s, "/")
	return m
}

// look lists a directory and those in it.
func (m *mirror) look(s *store.Snapshot, dir string) {
	delete(m.dirs, dir)
	for _, name := range entries(s, dir) {
		if m.dirs[dir] == nil {
			m.dirs[dir] = make(map[string]string)
		}
		p := join(dir, name)
		row := rowAt(s, p, name)
		m.dirs[dir][name] = fmt.Sprint(*row)
		if row.Dir {
			m.look(s, p)
		}
	}
}

func (m *mirror) apply(f *frame, now *store.Snapshot) {
	assert.Equal(m.t, m.rev, f.From)
	m.rev = f.To
	if f.All {
		*m = *mirrorOf(m.t, now)
		return
	}
	for _, d := range f.Dirs {
		m.one(now, d.Path, d.Count)
	}
	for _, r := range f.Rows {
		_, was := m.dirs[r.Dir][r.Name]
		assert.Equal(m.t, was, r.Was, r)
		if m.dirs[r.Dir] == nil {
			m.dirs[r.Dir] = make(map[string]string)
		}
		if delete(m.dirs[r.Dir], r.Name); r.Now != nil {
			m.dirs[r.Dir][r.Name] = fmt.Sprint(*r.Now)
		}
		if len(m.dirs[r.Dir]) == 0 {
			delete(m.dirs, r.Dir)
		}
	}
}

// one looks at the entries of one directory only.
func (m *mirror) one(s *store.Snapshot, dir string, count int) {
	names := entries(s, dir)
	assert.Equal(m.t, len(names), count)
	delete(m.dirs, dir)
	for _, name := range names {
		if m.dirs[dir] == nil {
			m.dirs[dir] = make(map[string]string)
		}
		m.dirs[dir][name] = fmt.Sprint(*rowAt(s, join(dir, name), name))
	}
}

// Whoever applies the frames, of any size, has the tree: nothing is missed and
// nothing is told that is not so.
func TestFramesAddUpToTheTree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c", ".", ".."}
	for range 4 {
		s := store.New(5000)
		p := past{s}
		m := mirrorOf(t, emptyTree)
		for range 12 {
			size := []int{1, 3, 30, 600}[r.IntN(4)]
			for range size {
				path := ""
				for range 1 + r.IntN(3) {
					path += "/" + names[r.IntN(len(names))] + strings.Repeat("x", r.IntN(2)) + fmt.Sprint(r.IntN(size))
				}
				mutation := store.Mutation{Op: store.Op(1 + r.IntN(2)), Path: path, Guard: store.Clobber}
				if mutation.Op == store.Set {
					mutation.Body = []byte(fmt.Sprint(r.IntN(3)))
				}
				s.Apply(mutation.Append(nil))
			}
			f := p.frame(m.rev, s.Snapshot())
			m.apply(f, s.Snapshot())
			want := mirrorOf(t, s.Snapshot())
			if !maps.EqualFunc(want.dirs, m.dirs, maps.Equal) {
				t.Fatalf("after a frame of %d revs:\n%v\nwant\n%v", f.To-f.From, m.dirs, want.dirs)
			}
		}
	}
}

func TestFrameKinds(t *testing.T) {
	tr := newTree(t, 5000)
	p := past{tr.store}
	tr.set("/a/b", "1")
	f := p.frame(0, tr.store.Snapshot())
	assert.Equal(t, 2, len(f.Rows))
	for i := range MaxFrameFiles + 1 {
		tr.set(fmt.Sprintf("/a/f%d", i), "x")
	}
	f = p.frame(1, tr.store.Snapshot())
	assert.Equal(t, 0, len(f.Rows))
	assert.Equal(t, 2, len(f.Dirs)) // /a, and / in which its count stands
	for i := range MaxFrameFiles + 1 {
		tr.set(fmt.Sprintf("/d%d/x", i), "x")
	}
	assert.T(t, p.frame(1, tr.store.Snapshot()).All)
	short := newTree(t, 3)
	for range 9 {
		short.set("/a", "x")
	}
	assert.T(t, past{short.store}.frame(2, short.store.Snapshot()).All)
}

func TestStreamTellsOfChanges(t *testing.T) {
	tr := newTree(t, 100)
	tr.set("/a", "1")
	r := follow(t, viewOf(t, Config{Node: tr}), 1)
	tr.set("/a", "2")
	f := nextFrame(t, r)
	assert.Equal(t, int64(1), f.From)
	assert.Equal(t, int64(2), f.To)
	assert.Equal(t, "2", f.Rows[0].Now.Text)
	tr.del("/a")
	f = nextFrame(t, r)
	assert.Equal(t, true, f.Rows[0].Was)
	assert.Equal(t, (*row)(nil), f.Rows[0].Now)
}

func TestStreamIsResumed(t *testing.T) {
	tr := newTree(t, 100)
	for i := range 5 {
		tr.set(fmt.Sprintf("/f%d", i), "x")
	}
	v := viewOf(t, Config{Node: tr})
	f := nextFrame(t, follow(t, v, 3))
	assert.Equal(t, int64(3), f.From)
	assert.Equal(t, int64(5), f.To)
	assert.Equal(t, 2, len(f.Rows))
	// The browser's own word counts more than the address that it had at first.
	f = nextFrame(t, follow(t, v, 1, "Last-Event-ID", "4"))
	assert.Equal(t, int64(4), f.From)
}

// A page whose rev is still to come waits for it: its node is behind.
func TestStreamOfAPageThatIsAhead(t *testing.T) {
	tr := newTree(t, 100)
	tr.set("/a", "1")
	r := follow(t, viewOf(t, Config{Node: tr}), 3)
	for i := range 5 {
		tr.set("/a", fmt.Sprint(i))
	}
	f := nextFrame(t, r)
	assert.Equal(t, int64(3), f.From)
	for f.To < 6 {
		f = nextFrame(t, r)
	}
}

func TestStreamOfAnotherClusterBeginsAnew(t *testing.T) {
	tr := newTree(t, 100)
	tr.set("/a", "1")
	tr.set("/a", "2")
	r := lines(t, viewOf(t, Config{Node: tr, ClusterID: func() string { return "this" }}), "/_/stream?cluster=that&rev=1", "Last-Event-ID", "99")
	var h hello
	assert.Equal(t, nil, json.Unmarshal([]byte(next(t, r).data), &h))
	assert.Equal(t, "this", h.ClusterID)
	assert.Equal(t, int64(2), h.Rev)
	tr.set("/a", "3")
	assert.Equal(t, int64(2), nextFrame(t, r).From)
}

// Many streams that begin at different revs all arrive at the same tree while it
// changes faster than they can be told.
func TestManyStreamsMissNothing(t *testing.T) {
	tr := newTree(t, 300)
	for i := range 50 {
		tr.set(fmt.Sprintf("/f%d", i), "x")
	}
	v := viewOf(t, Config{Node: tr})
	const streams, changes = 20, 4000
	arrived := make(chan error, streams)
	for i := range streams {
		r := follow(t, v, int64(1+i*2))
		go func() {
			rev := int64(1 + i*2)
			for rev < 50+changes {
				var f frame
				m := next(t, r)
				if m.event == "beat" {
					continue // the machine is slow
				}
				if err := json.Unmarshal([]byte(m.data), &f); err != nil || m.event != "frame" || f.From != rev {
					arrived <- fmt.Errorf("at rev %d: %v %v", rev, m, err)
					return
				}
				rev = f.To
			}
			arrived <- nil
		}()
	}
	for i := range changes {
		tr.set(fmt.Sprintf("/g/%d", i%700), fmt.Sprint(i))
	}
	for range streams {
		assert.Equal(t, nil, <-arrived)
	}
}

func TestTooManyStreams(t *testing.T) {
	v := viewOf(t, Config{Node: newTree(t, 10), MaxStreams: 2})
	follow(t, v, 0)
	r := lines(t, v, "/events")
	w := get(v, "/_/stream")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.NotEqual(t, "", w.Header().Get("Retry-After"))
	_ = r
}

// What a stream costs ends with it.
func TestStreamsEndWithTheirBrowsers(t *testing.T) {
	tr := newTree(t, 10)
	for _, url := range []string{"/_/stream", "/events"} {
		synctest.Test(t, func(t *testing.T) {
			v := viewOf(t, Config{Node: tr})
			w := newPipe()
			ctx, cancel := contextOf(t)
			done := make(chan bool)
			go func() {
				v.ServeHTTP(w, requestOf(ctx, url))
				close(done)
			}()
			synctest.Wait()
			assert.Equal(t, 1, len(v.streams))
			cancel()
			<-done
			assert.Equal(t, 0, len(v.streams))
			assert.Equal(t, 0, v.hub.follows)
			v.Close()
			assert.Equal(t, 0, tr.store.Waits())
		})
	}
}

// Whoever asks for the headers only has no stream.
func TestStreamsOfHeadersOnly(t *testing.T) {
	v := viewOf(t, Config{Node: newTree(t, 10)})
	for _, url := range []string{"/_/stream", "/events"} {
		w := request(v, "HEAD", url, "")
		assert.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
		assert.Equal(t, "no", w.Header().Get("X-Accel-Buffering"))
		assert.Equal(t, 0, len(v.streams))
	}
}

// What is kept for streams that do not keep up is bounded.
func TestOldFramesAreForgotten(t *testing.T) {
	h := newHub(past{store.New(10)})
	for rev := range int64(2 * keptFrames) {
		h.add(&frame{From: rev, To: rev + 1}, h.past.Snapshot())
	}
	assert.Equal(t, keptFrames, len(h.frames))
	assert.Equal(t, int64(keptFrames), h.frames[0].From)
}

// A reader that takes nothing is cut off.
func TestSlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := viewOf(t, Config{Node: newTree(t, 10)})
		w := newPipe()
		w.stuck = true
		ctx, cancel := contextOf(t)
		defer cancel()
		start := time.Now()
		v.ServeHTTP(w, requestOf(ctx, "/events"))
		assert.Equal(t, writeTimeout, time.Since(start))
		v.Close()
	})
}

func TestQuietStreamShowsThatItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t, 10)
		tr.set("/a", "1")
		v := viewOf(t, Config{Node: tr})
		for url, sign := range map[string]string{"/_/stream": `event: beat` + "\n" + `data: {"rev":1,"oldest":1}`, "/events": ": here"} {
			w := newPipe()
			ctx, cancel := contextOf(t)
			go v.ServeHTTP(w, requestOf(ctx, url))
			time.Sleep(3*heartbeat + time.Second) // of the bubble's clock
			synctest.Wait()
			cancel()
			synctest.Wait()
			if got := strings.Count(w.text(), sign); got < 3 {
				t.Errorf("%s: %d signs of life:\n%s", url, got, w.text())
			}
		}
		v.Close()
	})
}

// A fickle cluster loses its majority and finds it again.
type fickle struct{ cut atomic.Bool }

func (f *fickle) Status() Status { return Status{CutOff: f.cut.Load()} }

func TestStreamTellsOfALostMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, members := newTree(t, 10), new(fickle)
		tr.set("/a", "1")
		v := viewOf(t, Config{Node: tr, Members: members})
		w := newPipe()
		ctx, cancel := contextOf(t)
		go v.ServeHTTP(w, requestOf(ctx, "/_/stream"))
		for _, step := range []struct {
			cut  bool
			told string
		}{{true, `,"cut":0`}, {false, ""}} {
			synctest.Wait()
			before := len(w.text())
			members.cut.Store(step.cut)
			time.Sleep(lookAround) // of the bubble's clock
			synctest.Wait()
			contains(t, w.text()[before:], "event: beat\ndata: {\"rev\":1,\"oldest\":1"+step.told+"}")
		}
		time.Sleep(lookAround)
		synctest.Wait()
		members.cut.Store(true)
		time.Sleep(3 * lookAround)
		later := newPipe()
		go v.ServeHTTP(later, requestOf(ctx, "/_/stream"))
		synctest.Wait()
		contains(t, later.text(), `"cut":2`) // in the hello
		cancel()
		synctest.Wait()
		v.Close()
	})
}

// However fast the tree changes, frames come at a pace.
func TestFramesComeAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t, 100000)
		v := viewOf(t, Config{Node: tr})
		w := newPipe()
		ctx, cancel := contextOf(t)
		go v.ServeHTTP(w, requestOf(ctx, "/_/stream"))
		synctest.Wait()
		for i := range 1000 {
			tr.set(fmt.Sprintf("/f%d", i%7), "x")
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		frames := strings.Count(w.text(), "event: frame")
		assert.T(t, frames >= 18 && frames <= 21, frames)
		v.Close()
	})
}

// A script that follows what seldom changes goes on after what it has been told of, though that has left history since.
func TestQuietScriptKeepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t, 10)
		tr.set("/a", "1")
		v := viewOf(t, Config{Node: tr})
		w := newPipe()
		ctx, cancel := contextOf(t)
		go v.ServeHTTP(w, requestOf(ctx, "/events?glob=/a&rev=2"))
		synctest.Wait()
		for k := range 50 {
			tr.set("/b", fmt.Sprint(k))
		}
		time.Sleep(heartbeat + time.Second) // of the bubble's clock
		synctest.Wait()
		assert.Equal(t, ": here\nid: 1\n\n: here\nid: 51\n\n", w.text()[strings.Index(w.text(), ":"):])
		tr.set("/a", "2")
		synctest.Wait()
		contains(t, w.text(), "id: 52\nevent: set\n")
		cancel()
		synctest.Wait()
		v.Close()
	})
}

func TestEventsForScripts(t *testing.T) {
	tr := newTree(t, 100)
	tr.set("/a", "1")
	tr.set("/b", "\xff\x00")
	tr.del("/a")
	tr.store.Apply(store.Mutation{Op: store.Set, Path: "/b/c", Guard: -1}.Append(nil))
	v := viewOf(t, Config{Node: tr})
	r := lines(t, v, "/events?rev=1")
	for _, want := range []message{
		{"1", "set", `{"rev":1,"op":"set","path":"/a","value":"1"}`},
		{"2", "set", `{"rev":2,"op":"set","path":"/b","base64":"/wA="}`},
		{"3", "del", `{"rev":3,"op":"del","path":"/a"}`},
		{"4", "set", `{"rev":4,"op":"set","path":"/ctl/err","value":"not a directory","error":"not a directory"}`},
	} {
		assert.Equal(t, want, next(t, r))
	}
	tr.set("/empty", "")
	assert.Equal(t, `{"rev":5,"op":"set","path":"/empty","value":""}`, next(t, r).data)
	assert.Equal(t, "3", next(t, lines(t, v, "/events?rev=9", "Last-Event-ID", "2")).id)
	assert.Equal(t, "2", next(t, lines(t, v, "/events?rev=1&glob=/b")).id)
	for _, bad := range []string{"glob=[", "rev=x"} {
		assert.Equal(t, http.StatusBadRequest, get(v, "/events?"+bad).Code)
	}
}

func TestEventsThatAreGone(t *testing.T) {
	tr := newTree(t, 2)
	for range 5 {
		tr.set("/a", "x")
	}
	r := lines(t, viewOf(t, Config{Node: tr}), "/events?rev=1")
	assert.Equal(t, message{"", "too-late", `{"rev":1,"oldest":4}`}, next(t, r))
	_, err := r.ReadByte()
	assert.T(t, errors.Is(err, io.EOF))
}

// A node that goes on from another's version does not know what changed: a page
// is told that anything may have, a script that it missed something.
func TestStreamsAcrossAJump(t *testing.T) {
	tr := newTree(t, 10)
	v := viewOf(t, Config{Node: tr})
	page, script := follow(t, v, 0), lines(t, v, "/events")
	b := store.NewBuilder(9)
	assert.Equal(t, nil, b.Add(store.Event{Rev: 9, Path: "/a"}))
	assert.Equal(t, nil, tr.store.Install(b))
	f := nextFrame(t, page)
	assert.Equal(t, int64(0), f.From)
	assert.Equal(t, int64(9), f.To)
	assert.T(t, f.All)
	assert.Equal(t, message{"", "too-late", `{"rev":1,"oldest":9}`}, next(t, script))
}
