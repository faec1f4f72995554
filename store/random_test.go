package store

import (
	"testing"

	"pgregory.net/rapid"
)

// TestModel does random things to a store and to a dumb model of it, which
// must agree at every step.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(t, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			p.step()
		}
	})
}

// FuzzApply does the same, as the bytes choose.
func FuzzApply(f *testing.F) {
	f.Add([]byte("\x03\x00\x04\x01\x00\x02\x00\x00"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		choices = choices[:min(len(choices), 2000)]
		p := newPair(t, func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := int(choices[0]) % n
			choices = choices[1:]
			return c
		})
		for len(choices) > 0 {
			p.step()
		}
	})
}
