package store

import (
	"fmt"
	"strings"
)

// Glob is a pattern for paths. It is immutable.
//
// It is written like a path, in whose names there may also stand:
//
//	?   exactly one byte, not a slash
//	*   zero or more bytes, no slash
//	**  zero or more bytes, slashes included
//
// Stars pair up from the left, so *** is ** and then *. The whole path must
// match; ** is not bound to the borders of names, so /e** matches /e, /ex and
// /e/x.
type Glob struct {
	pattern string
	head    int    // length of what stands before the first wildcard
	wild    string // the rest, with no more stars in a row than two, which match the same
	least   int    // length of the shortest text that wild matches
}

// ParseGlob returns the glob written as pattern, of at most MaxPath bytes; or
// an error that wraps ErrBadGlob.
func ParseGlob(pattern string) (*Glob, error) {
	if why := checkNames(pattern, "*?"); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrBadGlob, why)
	}
	head := strings.IndexAny(pattern, "*?")
	if head < 0 {
		head = len(pattern)
	}
	wild := atMostTwoStars(pattern[head:])
	return &Glob{
		pattern: pattern,
		head:    head,
		wild:    wild,
		least:   len(wild) - strings.Count(wild, "*"),
	}, nil
}

// MustParseGlob is ParseGlob for a pattern that is part of a program: it panics
// if that is no glob.
func MustParseGlob(pattern string) *Glob {
	g, err := ParseGlob(pattern)
	if err != nil {
		panic(fmt.Sprintf("store: %q: %v", pattern, err))
	}
	return g
}

// atMostTwoStars returns wild without the stars that follow two others.
func atMostTwoStars(wild string) string {
	for strings.Contains(wild, "***") {
		wild = strings.ReplaceAll(wild, "***", "**")
	}
	return wild
}

// String returns the pattern as it was parsed.
func (g *Glob) String() string { return g.pattern }

// Match reports whether the whole of path matches. Its cost is at most the
// product of the lengths of both, by 64, whatever the pattern.
func (g *Glob) Match(path string) bool {
	tail, ok := strings.CutPrefix(path, g.literal())
	switch {
	case !ok || len(tail) < g.least:
		return false
	case g.isLiteral():
		return tail == ""
	case g.matchesAll():
		return true
	}
	return matchTail(g.wild, tail, false)
}

// matchBelow reports whether a path that begins with dir, which ends with a
// slash, could match.
func (g *Glob) matchBelow(dir string) bool {
	if len(dir) <= g.head {
		return strings.HasPrefix(g.pattern, dir)
	}
	tail, ok := strings.CutPrefix(dir, g.literal())
	return ok && matchTail(g.wild, tail, true)
}

// literal returns the head: what each path that matches begins with.
func (g *Glob) literal() string { return g.pattern[:g.head] }

// isLiteral reports whether only the path equal to the pattern matches.
func (g *Glob) isLiteral() bool { return g.head == len(g.pattern) }

// matchesAll reports whether every path that begins with the head matches.
func (g *Glob) matchesAll() bool { return g.wild == "**" }
