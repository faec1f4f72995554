package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

func testPaths(t *testing.T) {
	n := start(t)
	good := []string{
		"/a", "/a/b", "/A", "/9", "/-", "/.", "/..", "/...", "/a/.", "/a/..", "/../x", "/.x", "/-x",
		"/a.b-C9", "/a-b/c.d", "/0", "/ctl2", "/" + strings.Repeat("x", 4095), strings.Repeat("/x", 2048),
	}
	for _, path := range good {
		t.Run(name("good ", path), func(t *testing.T) {
			c := dial(t, n.Addr)
			assert.Equal(t, "", call(t, c, "DEL path=%q rev=-1", path))
			set := ask(t, c, "SET path=%q rev=0 value=%q", path, path)
			assert.Equal(t, int64(0), set.Err)
			got := ask(t, c, "GET path=%q", path)
			assert.Equal(t, raw.Answer{Rev: set.Rev, Value: path}, got)
			event := ask(t, c, "WAIT path=%q rev=%d", path, set.Rev)
			assert.Equal(t, path, event.Path)
			walked := ask(t, c, "WALK path=%q offset=0", path)
			assert.Equal(t, path, walked.Path)
			assert.Equal(t, "", call(t, c, "DEL path=%q rev=%d", path, set.Rev))
		})
	}
	bad := []string{
		"", "a", "a/b", "//", "/a/", "//a", "/a//b", "/a_b", "/_", "/a b", "/ ", "/a=b", "/a:b", "/~a", "/a+b",
		"/a%20b", "/*", "/a?", "/**", "/a\n", "\n/a", "/a\x00", "/\x00", "\x00", "/é", "/\x80", "/a\xff", "/a\\b",
		"/a,b", "/a@b", "/[a]", "/" + strings.Repeat("x", 4096), strings.Repeat("/x", 2049),
	}
	for _, path := range bad {
		t.Run(name("bad ", path), func(t *testing.T) {
			c := dial(t, n.Addr)
			before := ask(t, c, "REV").Rev
			for _, request := range []string{
				"GET path=%q", "SET path=%q rev=-1 value=x", "DEL path=%q rev=-1",
				"STAT path=%q", "GETDIR path=%q offset=0",
			} {
				assert.Equal(t, "err=BAD_PATH", call(t, c, request, path))
			}
			assert.Equal(t, before, ask(t, c, "REV").Rev)
		})
	}
}

// name is a test's name for any text.
func name(prefix, text string) string {
	const long = 20
	if len(text) > long {
		return fmt.Sprintf("%s%q and on to %d bytes", prefix, text[:4], len(text))
	}
	return prefix + fmt.Sprintf("%q", text)
}

// testPathBytes tries every byte as a name.
func testPathBytes(t *testing.T) {
	const legal = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
	c := dial(t, start(t).Addr)
	for b := range 256 {
		for _, path := range []string{string([]byte{'/', byte(b)}), string([]byte{'/', 'a', byte(b), 'b'})} {
			want := "err=BAD_PATH"
			// "/a/b" is as good as "/aab"; "//" is not.
			if strings.IndexByte(legal, byte(b)) >= 0 || path == "/a/b" {
				want = `rev=0 value=""`
			}
			assert.Equal(t, want, call(t, c, "GET path=%q", path), path)
		}
	}
}

// globRow is a glob and all that it matches of the files in globFiles.
type globRow struct {
	glob    string
	matches string
}

const globFiles = "/d /e/a /e/ab/c /e/axb /e/a.b /e/b /ex/y /f/e/a /x/..d"

// testGlobs asks three times what a glob matches: by WALK, by WAIT for what
// has happened, and by WAIT for what is to happen.
func testGlobs(t *testing.T) {
	table := []globRow{
		{"/*", "/d"},
		{"/**", globFiles},
		{"/***", globFiles},
		{"/****", globFiles},
		{"/e/**", "/e/a /e/ab/c /e/axb /e/a.b /e/b"},
		{"/e/***", "/e/a /e/ab/c /e/axb /e/a.b /e/b"},
		{"/e**", "/e/a /e/ab/c /e/axb /e/a.b /e/b /ex/y"},
		{"/d**", "/d"},
		{"/e/*", "/e/a /e/axb /e/a.b /e/b"},
		{"/e/a*", "/e/a /e/axb /e/a.b"},
		{"/e/a**", "/e/a /e/ab/c /e/axb /e/a.b"},
		{"/e/a***", "/e/a /e/ab/c /e/axb /e/a.b"},
		{"/**/c", "/e/ab/c"},
		{"/**c", "/e/ab/c"},
		{"/**/a", "/e/a /f/e/a"},
		{"/**a", "/e/a /f/e/a"},
		{"/e/**/a", ""},
		{"/**/e/a", "/f/e/a"},
		{"/**/e/**", "/f/e/a"},
		{"/e**/a", "/e/a"},
		{"/e/?", "/e/a /e/b"},
		{"/e/??", ""},
		{"/e/a?b", "/e/axb /e/a.b"},
		{"/e/a?", ""},
		{"/e?a", ""},
		{"/e*a", ""},
		{"/?", "/d"},
		{"/?/?", "/e/a /e/b"},
		{"/*/*", "/e/a /e/axb /e/a.b /e/b /ex/y /x/..d"},
		{"/*/*/*", "/e/ab/c /f/e/a"},
		{"/e/a.b", "/e/a.b"},
		{"/e/a.*", "/e/a.b"},
		{"/e/*.b", "/e/a.b"},
		{"/e/*b", "/e/axb /e/a.b /e/b"},
		{"/e/*?", "/e/a /e/axb /e/a.b /e/b"},
		{"/e/?*", "/e/a /e/axb /e/a.b /e/b"},
		{"/e/a*b*", "/e/axb /e/a.b"},
		{"/x/..*", "/x/..d"},
		{"/x/.*", "/x/..d"},
		{"/x/??d", "/x/..d"},
		{"/D", ""},
		{"/E/*", ""},
		{"/", ""},
		{"/e", ""},
		{"/e/ab", ""},
		{"/e/ab/*", "/e/ab/c"},
		{"/e/ab/c", "/e/ab/c"},
		{"/nothing", ""},
	}
	files := strings.Fields(globFiles)
	n := start(t)
	c := dial(t, n.Addr)
	for _, g := range table {
		t.Run(name("", g.glob), func(t *testing.T) {
			assert.Equal(t, g.matches, strings.Join(matchesToCome(t, n.Addr, g.glob, files), " "))
			revs := map[string]int64{}
			for _, f := range files {
				revs[f] = ask(t, c, "SET path=%s rev=-1", f).Rev
			}
			assert.Equal(t, sorted(strings.Fields(g.matches)), sorted(outsideOfCtl(walk(t, c, g.glob))))
			assert.Equal(t, g.matches, strings.Join(matchesOfHistory(t, n.Addr, g.glob, files, revs), " "))
			for _, f := range files {
				assert.Equal(t, "", call(t, c, "DEL path=%s rev=-1", f))
			}
		})
	}
}

// walk lists what a glob matches now by counting offsets until RANGE.
func walk(t *testing.T, c *raw.Conn, glob string) []string {
	t.Helper()
	var paths []string
	for {
		a := ask(t, c, "WALK path=%q offset=%d", glob, len(paths))
		if a.Err != 0 {
			assert.Equal(t, codeRange, a.Err)
			return paths
		}
		paths = append(paths, a.Path)
	}
}

const codeRange = int64(8)

// matchesOfHistory are the files whose last set, each at a rev of its own, a
// WAIT from exactly that rev answers with.
func matchesOfHistory(t *testing.T, addr, glob string, files []string, revs map[string]int64) []string {
	t.Helper()
	c := dial(t, addr)
	var matches []string
	for _, f := range files {
		assert.Equal(t, nil, c.Send(fmt.Sprintf("tag=1 WAIT path=%q rev=%d", glob, revs[f]), "tag=2 CANCEL other=1"))
		event, _ := c.RecvAnswer()
		done, _ := c.RecvAnswer()
		assert.Equal(t, raw.Answer{Tag: 2}, done)
		if event.Rev == revs[f] {
			matches = append(matches, event.Path)
		}
	}
	return matches
}

// matchesToCome are the files whose next set answers a WAIT that was there
// first.
func matchesToCome(t *testing.T, addr, glob string, files []string) []string {
	t.Helper()
	watcher, writer := dial(t, addr), dial(t, addr)
	var matches []string
	for _, f := range files {
		next := ask(t, watcher, "REV").Rev + 1
		assert.Equal(t, nil, watcher.Send(fmt.Sprintf("tag=1 WAIT path=%q rev=%d", glob, next), "tag=2 REV"))
		held, err := watcher.RecvAnswer()
		assert.Equal(t, nil, err)
		assert.Equal(t, int64(2), held.Tag)
		assert.Equal(t, next, ask(t, writer, "SET path=%s rev=-1", f).Rev)
		assert.Equal(t, nil, watcher.Send("tag=3 CANCEL other=1"))
		event, _ := watcher.RecvAnswer()
		done, _ := watcher.RecvAnswer()
		assert.Equal(t, raw.Answer{Tag: 3}, done)
		if event.Err == 0 {
			assert.Equal(t, next, event.Rev)
			matches = append(matches, event.Path)
		}
		call(t, writer, "DEL path=%s rev=-1", f)
	}
	return matches
}

// outsideOfCtl drops what the node itself has written.
func outsideOfCtl(paths []string) []string {
	return slices.DeleteFunc(paths, func(p string) bool { return strings.HasPrefix(p, "/ctl/") })
}

func sorted(paths []string) string {
	return strings.Join(slices.Sorted(slices.Values(paths)), " ")
}

func testBadGlobs(t *testing.T) {
	n := start(t)
	for _, glob := range []string{
		"", "**", "*", "a", "/w/", "//", "//*", "/a//*", "/[a]", "/a_b", "/a b", "/*/", "/**/", "/{a,b}", "/a\\*",
		"/\x00", "/*\n", "/é", "/~*", "/" + strings.Repeat("*", 4096),
	} {
		t.Run(name("", glob), func(t *testing.T) {
			c := dial(t, n.Addr)
			want := raw.Answer{Err: 127, Detail: "invalid glob pattern: " + glob}
			assert.Equal(t, want, ask(t, c, "WAIT path=%q rev=1", glob))
			assert.Equal(t, want, ask(t, c, "WALK path=%q offset=0", glob))
		})
	}
}
