package peer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/ha/doozerd/store"
)

// A cause is the change that made the roster another one.
type cause struct {
	rev   int64
	slot  bool // it was one of a slot
	words string
}

// causeOf says what e, which concerns the roster, has done.
func causeOf(e store.Event) cause {
	words := e.Path + " was set to " + plain(string(e.Body))
	switch {
	case e.Op == store.Del:
		words = e.Path + " was deleted"
	case len(e.Body) == 0:
		words = e.Path + " was emptied"
	}
	return cause{e.Rev, strings.HasPrefix(e.Path, calDir), words}
}

// concern notes that e makes the roster stale. Of several such events in a batch the first is the cause, but of
// a slot before that of a registration, which seldom changes who votes.
func (c *Core) concern(e store.Event) {
	if by := causeOf(e); !c.stale || by.slot && !c.cause.slot {
		c.cause = by
	}
	c.stale = true
}

// plain returns what anybody may have written to a file, fit for a sentence.
func plain(text string) string {
	if len(text) > maxPlain || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return strconv.QuoteToGraphic(fmt.Sprintf("%.*s", maxQuoted, text))
	}
	return text
}

// What is told of a body in a sentence: all of an address, and so many characters of anything longer, or stranger.
const (
	maxPlain  = 264 // bytes
	maxQuoted = 64
)
