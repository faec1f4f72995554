package store

import (
	"math/bits"
	"strings"
)

// wordBits is how many positions of a text one word of a matcher holds.
const wordBits = 64

// A matcher runs a pattern over all the ways to match a text at once, one bit
// for each, so no pattern makes it go back and try again. It is the bit-parallel
// automaton of Baeza-Yates and Gonnet (A new approach to text searching, 1992),
// with the roles of text and pattern exchanged.
type matcher struct {
	length int      // of the text
	live   []uint64 // bit i is set: the pattern so far matches text[:i]
	open   []uint64 // bit i is set: text[i] is no slash
	// after holds, for each byte that is in the text, a set whose bit i+1 says
	// that text[i] is it; index tells which, from 1.
	after []uint64
	index [256]uint16
}

// matchTail reports whether pattern matches text; or, if partly is set,
// whether some beginning of pattern does.
func matchTail(pattern, text string, partly bool) bool {
	var small [2 + wordBits]uint64 // enough for texts of one word
	m := newMatcher(text, small[:])
	for pattern != "" && m.anyLive() {
		if partly && m.done() {
			return true
		}
		pattern = m.step(pattern)
	}
	return m.done()
}

// newMatcher returns one that has seen nothing of its pattern yet. It uses room,
// which is zero, if that is enough.
func newMatcher(text string, room []uint64) matcher {
	m := matcher{length: len(text)}
	words := m.length/wordBits + 1
	if need := (2 + m.number(text)) * words; need > len(room) {
		room = make([]uint64, need)
	}
	m.live, m.open, m.after = room[:words], room[words:2*words], room[2*words:]
	for i := range m.length {
		add(m.after[int(m.index[text[i]]-1)*words:], i+1)
		if text[i] != '/' {
			add(m.open, i)
		}
	}
	add(m.live, 0)
	return m
}

// add puts i into set.
func add(set []uint64, i int) { set[i/wordBits] |= 1 << (i % wordBits) }

// number gives each byte of text its index and returns how many they are.
func (m *matcher) number(text string) int {
	n := uint16(0)
	for i := range len(text) {
		if c := text[i]; m.index[c] == 0 {
			n++
			m.index[c] = n
		}
	}
	return int(n)
}

func (m *matcher) anyLive() bool {
	for _, w := range m.live {
		if w != 0 {
			return true
		}
	}
	return false
}

// done reports whether the pattern so far matches the whole text.
func (m *matcher) done() bool { return m.live[m.length/wordBits]>>(m.length%wordBits)&1 != 0 }

// step takes the first element off pattern, follows it, and returns the rest.
func (m *matcher) step(pattern string) (rest string) {
	switch {
	case strings.HasPrefix(pattern, "**"):
		m.anything()
		return pattern[2:]
	case pattern[0] == '*':
		m.anyName()
	case pattern[0] == '?':
		m.oneOpen()
	default:
		m.one(pattern[0])
	}
	return pattern[1:]
}

// anything follows **: all from the first that is live is.
func (m *matcher) anything() {
	i := 0
	for m.live[i] == 0 {
		i++
	}
	m.live[i] |= -(m.live[i] & -m.live[i])
	for i++; i < len(m.live); i++ {
		m.live[i] = ^uint64(0)
	}
	m.live[len(m.live)-1] &= 2<<(m.length%wordBits) - 1
}

// anyName follows *: an addition carries each live bit through the run of open
// ones that it is in, to the slash behind it.
func (m *matcher) anyName() {
	carry := uint64(0)
	for i, open := range m.open {
		var sum uint64
		sum, carry = bits.Add64(m.live[i]&open, open, carry)
		m.live[i] |= sum ^ open
	}
}

// oneOpen follows ?.
func (m *matcher) oneOpen() {
	carry := uint64(0)
	for i, open := range m.open {
		w := m.live[i] & open
		m.live[i], carry = w<<1|carry, w>>(wordBits-1)
	}
}

// one follows a byte that stands for itself.
func (m *matcher) one(c byte) {
	if m.index[c] == 0 {
		clear(m.live)
		return
	}
	after := m.after[int(m.index[c]-1)*len(m.live):]
	carry := uint64(0)
	for i, w := range m.live {
		m.live[i], carry = (w<<1|carry)&after[i], w>>(wordBits-1)
	}
}
