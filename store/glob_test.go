package store

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

func mustGlob(tb testing.TB, pattern string) *Glob {
	tb.Helper()
	g, err := ParseGlob(pattern)
	if err != nil {
		tb.Fatalf("ParseGlob(%q): %v", pattern, err)
	}
	return g
}

func TestMustParseGlob(t *testing.T) {
	assert.Equal(t, "/a/*", MustParseGlob("/a/*").String())
	assert.Panic(t, `store: "/[a]": bad glob: byte 1 is '['`, func() { MustParseGlob("/[a]") })
}

func TestParseGlob(t *testing.T) {
	for _, pattern := range append(goodPaths, "/*", "/**", "/a?", "/?", "/a/**/b*", "/***", "/x**y/z") {
		assert.Equal(t, pattern, mustGlob(t, pattern).String())
	}
	for _, pattern := range append(badPaths, "*", "**", "**/a", "/w/", "/*/", "/**//a", "/[a]", "/{a,b}") {
		_, err := ParseGlob(pattern)
		assert.T(t, errors.Is(err, ErrBadGlob), pattern)
	}
	_, err := ParseGlob("/[a]")
	assert.Equal(t, "bad glob: byte 1 is '['", err.Error())
}

func TestGlobMatch(t *testing.T) {
	paths := []string{"/", "/d", "/e/a", "/e/ab/c", "/e/axb", "/e/a.b", "/e/b"}
	for _, test := range []struct{ glob, want string }{
		{"/*", "/ /d"}, // "/" is no file, but a path
		{"/**", "/ /d /e/a /e/ab/c /e/axb /e/a.b /e/b"},
		{"/***", "/ /d /e/a /e/ab/c /e/axb /e/a.b /e/b"},
		{"/e/**", "/e/a /e/ab/c /e/axb /e/a.b /e/b"},
		{"/e**", "/e/a /e/ab/c /e/axb /e/a.b /e/b"},
		{"/e/a*", "/e/a /e/axb /e/a.b"},
		{"/e/a**", "/e/a /e/ab/c /e/axb /e/a.b"},
		{"/**/c", "/e/ab/c"},
		{"/**c", "/e/ab/c"},
		{"/e/**/a", ""},
		{"/e/?", "/e/a /e/b"},
		{"/e/a?b", "/e/axb /e/a.b"},
		{"/e?a", ""},
		{"/e/a.b", "/e/a.b"},
		{"/e", ""},
		{"/*/*", "/e/a /e/axb /e/a.b /e/b"},
		{"/*/*/*", "/e/ab/c"},
		{"/**a**b", "/e/axb /e/a.b"},
		{"/?/a?**", "/e/ab/c /e/axb /e/a.b"},
	} {
		g := mustGlob(t, test.glob)
		var got []string
		for _, path := range paths {
			if g.Match(path) {
				got = append(got, path)
			}
		}
		assert.Equal(t, test.want, strings.Join(got, " "), test.glob)
	}
}

func TestGlobMatchesWhole(t *testing.T) {
	for _, test := range []struct {
		glob, path string
		want       bool
	}{
		{"/e**", "/e", true},
		{"/e**", "/ex/y", true},
		{"/e/**", "/e", false},
		{"/e/**", "/e/x/y", true},
		{"/**/a", "/a", false},
		{"/e/**/a", "/e/a", false},
		{"/e/**/a", "/e/x/y/a", true},
		{"/***", "/a/b", true},
		{"/a***b", "/ax/yb", true},
		{"/a***b", "/ax/y/b", true},
		{"/a*b", "/axxb", true},
		{"/a*b", "/ab", true},
		{"/a*b", "/ax/b", false},
		{"/a?", "/a", false},
		{"/a?", "/a/", false},
		{"/*a*b*c", "/xxaxxbxxc", true},
		{"/*a*b*c", "/xxaxxcxxb", false},
		{"/*ab", "/aab", true},
		{"/**b/c", "/b/c/b/c", true},
		{"/a.b", "/axb", false},
		{"/**", "/", true},
		{"/*", "", false},
	} {
		assert.Equal(t, test.want, mustGlob(t, test.glob).Match(test.path), test.glob, test.path)
	}
}

// A matcher that tries and goes back would not end.
func TestGlobHostile(t *testing.T) {
	text := "/" + strings.Repeat("a", MaxPath-1)
	for _, star := range []string{"*", "**", "**?*"} {
		pattern := "/" + strings.Repeat(star+"a", (MaxPath-2)/(len(star)+1))
		assert.Equal(t, true, mustGlob(t, pattern).Match(text), star)
		assert.Equal(t, false, mustGlob(t, pattern+"b").Match(text), star)
	}
}

func TestGlobMatchBelow(t *testing.T) {
	for _, test := range []struct {
		glob, dir string
		want      bool
	}{
		{"/a/b", "/", true},
		{"/a/b", "/a/", true},
		{"/a/b", "/b/", false},
		{"/a/b", "/a/b/", false},
		{"/a*", "/a/", false},
		{"/a**", "/a/", true},
		{"/a**", "/ab/c/", true},
		{"/*/c", "/a/", true},
		{"/*/c", "/a/c/", false},
		{"/?/c*/d", "/a/cc/", true},
		{"/?/c*/d", "/a/d/", false},
		{"/**/d", "/a/d/", true},
	} {
		assert.Equal(t, test.want, mustGlob(t, test.glob).matchBelow(test.dir), test.glob, test.dir)
	}
}

func FuzzGlob(f *testing.F) {
	for _, pattern := range []string{"/**", "/*", "/a?b", "/e/**/a", "/a***b*c", "/*a*a*a"} {
		f.Add(pattern, "/e/x/a")
		f.Add(pattern, "/aaaa/aa\n/ab")
	}
	good := regexp.MustCompile(`\A(/|(/[a-zA-Z0-9.?*-]+)+)\z`)
	f.Fuzz(func(t *testing.T, pattern, path string) {
		g, err := ParseGlob(pattern)
		if want := len(pattern) <= MaxPath && good.MatchString(pattern); (err == nil) != want {
			t.Fatalf("ParseGlob(%q): %v, want good: %v", pattern, err, want)
		}
		if err != nil || len(pattern) > 900 { // regexp has a limit of its own
			return
		}
		re := globRegexp(pattern)
		path = strings.ToValidUTF8(path, "x") // regexp counts characters, not bytes
		path = strings.Map(func(r rune) rune { return r & 0x7f }, path)
		if got, want := g.Match(path), re.MatchString(path); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, path, got, want)
		}
		if CheckPath(path) != nil || !g.Match(path) {
			return
		}
		for _, dir := range append(parents(path), "") {
			if !g.matchBelow(dir + "/") {
				t.Fatalf("%q matches %q, but says nothing below %q", pattern, path, dir)
			}
		}
	})
}
