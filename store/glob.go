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
	head    int // length of what stands before the first wildcard
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
	return &Glob{pattern: pattern, head: head}, nil
}

// String returns the pattern as it was parsed.
func (g *Glob) String() string { return g.pattern }

// Match reports whether the whole of path matches. Its cost is at most the
// product of the lengths of both, whatever the pattern.
func (g *Glob) Match(path string) bool {
	tail, ok := strings.CutPrefix(path, g.literal())
	return ok && matchTail(g.wild(), tail, false)
}

// matchBelow reports whether a path that begins with dir, which ends with a
// slash, could match.
func (g *Glob) matchBelow(dir string) bool {
	if len(dir) <= g.head {
		return strings.HasPrefix(g.pattern, dir)
	}
	tail, ok := strings.CutPrefix(dir, g.literal())
	return ok && matchTail(g.wild(), tail, true)
}

// literal returns the head: what each path that matches begins with.
func (g *Glob) literal() string { return g.pattern[:g.head] }

// wild returns the rest, which begins with the first wildcard.
func (g *Glob) wild() string { return g.pattern[g.head:] }

// isLiteral reports whether only the path equal to the pattern matches.
func (g *Glob) isLiteral() bool { return g.head == len(g.pattern) }

// matchesAll reports whether every path that begins with the head matches.
func (g *Glob) matchesAll() bool {
	wild := g.wild()
	return len(wild) >= 2 && strings.Trim(wild, "*") == ""
}

// matchTail reports whether pattern matches text; or, if partly is set,
// whether some beginning of pattern does.
func matchTail(pattern, text string, partly bool) bool {
	var small [128]bool // keeps the common case off the heap
	m := matcher{text: text, live: small[:]}
	if len(text) >= len(small) {
		m.live = make([]bool, len(text)+1)
	}
	m.live[0] = true
	for pattern != "" && m.lo <= m.hi {
		if partly && m.done() {
			return true
		}
		pattern = m.step(pattern)
	}
	return m.lo <= m.hi && m.done()
}

// A matcher runs a pattern over all the ways to match a text at once, so no
// pattern makes it go back and try again.
type matcher struct {
	text   string
	live   []bool // i is live: the pattern so far matches text[:i]
	lo, hi int    // nothing outside of lo to hi is live; lo is, if anything is
}

// done reports whether the pattern so far matches the whole text.
func (m *matcher) done() bool { return m.live[len(m.text)] }

// step takes the first element off pattern, follows it, and returns the rest.
func (m *matcher) step(pattern string) (rest string) {
	switch {
	case strings.HasPrefix(pattern, "**"):
		m.anything()
		return pattern[2:]
	case pattern[0] == '*':
		m.anyName()
	default:
		m.one(pattern[0])
	}
	return pattern[1:]
}

// anything follows **.
func (m *matcher) anything() {
	m.hi = len(m.text)
	for i := m.lo; i <= m.hi; i++ {
		m.live[i] = true
	}
}

// anyName follows *.
func (m *matcher) anyName() {
	for i := m.lo; i < len(m.text) && i <= m.hi; i++ {
		if m.live[i] && m.text[i] != '/' {
			m.live[i+1] = true
			m.hi = max(m.hi, i+1)
		}
	}
}

// one follows ? or a byte that stands for itself.
func (m *matcher) one(element byte) {
	m.hi = min(m.hi+1, len(m.text))
	for i := m.hi; i > m.lo; i-- {
		c := m.text[i-1]
		m.live[i] = m.live[i-1] && (c == element || element == '?' && c != '/')
	}
	m.live[m.lo] = false
	for m.lo <= m.hi && !m.live[m.lo] {
		m.lo++
	}
}
