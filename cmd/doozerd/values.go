package main

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ha/doozerd/store"
)

// Limits of what flags accept.
const (
	maxHist    = store.MaxHistory
	maxCount   = math.MaxInt32 // of anything that is counted
	maxSeconds = 1e9           // some thirty years
)

// addrs is the value of a flag that may be repeated.
type addrs []string

func (a *addrs) String() string { return strings.Join(*a, " ") }

// Set adds one address.
func (a *addrs) Set(s string) error {
	*a = append(*a, s)
	return nil
}

// seconds is the value of a flag that takes seconds, fractions allowed.
type seconds struct{ d *time.Duration }

func secondsVar(f *flag.FlagSet, d *time.Duration, name string, def time.Duration, help string) {
	*d = def
	f.Var(seconds{d}, name, help)
}

func (s seconds) String() string {
	if s.d == nil {
		return "" // asked by package flag for the zero value
	}
	return strconv.FormatFloat(s.d.Seconds(), 'f', -1, 64)
}

// Set takes a number of seconds.
func (s seconds) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	d := time.Duration(n * float64(time.Second))
	if err != nil || !(n <= maxSeconds) || d <= 0 {
		return fmt.Errorf("must be seconds, more than 0 and at most %.0f", maxSeconds)
	}
	*s.d = d
	return nil
}

// count is the value of a flag that takes a number from 1 to max.
type count struct {
	n   *int
	max int
}

func countVar(f *flag.FlagSet, n *int, name string, def, most int, help string) {
	*n = def
	f.Var(count{n, most}, name, help)
}

func (c count) String() string {
	if c.n == nil {
		return "" // asked by package flag for the zero value
	}
	return strconv.Itoa(*c.n)
}

// Set takes a number in decimal.
func (c count) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > c.max {
		return fmt.Errorf("must be a number from 1 to %d", c.max)
	}
	*c.n = n
	return nil
}

// choice is the value of a flag that takes one of a few words.
type choice struct {
	word  *string
	words []string
}

// newChoice sets word to the first of words, the default.
func newChoice(word *string, words ...string) choice {
	*word = words[0]
	return choice{word, words}
}

func (c choice) String() string {
	if c.word == nil {
		return "" // asked by package flag for the zero value
	}
	return *c.word
}

// Set takes one of the words.
func (c choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		return fmt.Errorf("must be %s", strings.Join(c.words, " or "))
	}
	*c.word = text
	return nil
}
