package store

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

var (
	goodPaths = []string{
		"/", "/a", "/a/b", "/Az09.-/x", "/.", "/..", "/a/./b", "/-", "/a/../b",
		"/" + strings.Repeat("a", MaxPath-1),
		strings.Repeat("/a", MaxPath/2),
	}
	badPaths = []string{
		"", "a", "a/b", "//", "/a/", "/a//b", "//a", "/a_b", "/a b", "/a=b", "/a:b", "/~a", "/a+b", "/a%20",
		"/a\n", "/a\x00", "/\x00", "/é", "/\x80", "/\xff", "/a\\b", "/[a]",
		"/" + strings.Repeat("a", MaxPath),
	}
)

func TestCheckPath(t *testing.T) {
	for _, path := range goodPaths {
		assert.Equal(t, nil, CheckPath(path), path)
	}
	for _, path := range append(badPaths, "/*", "/?", "/a*") {
		assert.T(t, errors.Is(CheckPath(path), ErrBadPath), path)
	}
}

func TestCheckPathSaysWhy(t *testing.T) {
	for path, why := range map[string]string{
		"":                             "bad path: it is empty",
		"a":                            "bad path: it does not begin with a slash",
		"/a/":                          "bad path: it ends with a slash",
		"/a//b":                        "bad path: the name at byte 3 is empty",
		"/a_":                          "bad path: byte 2 is '_'",
		"/" + strings.Repeat("a", 5e3): "bad path: it has 5001 bytes, more than 4096",
	} {
		assert.Equal(t, why, CheckPath(path).Error())
	}
}

func FuzzPath(f *testing.F) {
	for _, path := range append(goodPaths, badPaths...) {
		f.Add(path)
	}
	good := regexp.MustCompile(`\A(/|(/[a-zA-Z0-9.-]+)+)\z`)
	f.Fuzz(func(t *testing.T, path string) {
		want := len(path) <= MaxPath && good.MatchString(path)
		if err := CheckPath(path); (err == nil) != want || err != nil && !errors.Is(err, ErrBadPath) {
			t.Fatalf("CheckPath(%q) = %v, want good: %v", path, err, want)
		}
	})
}
