package web

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A preview is the part of a body that a page shows.
type preview struct {
	Text string // the body's beginning as text, or in hex
	Hex  bool
	Cut  bool // there is more
}

// show returns what a page shows of body. Bodies that are not all printable
// UTF-8 are shown in hex: a page must not be reordered or hidden by what a
// client has stored.
func show(body []byte) preview {
	head := body[:min(len(body), MaxPreview)]
	if len(head) < len(body) {
		head = wholeRunes(head)
	}
	if isText(head) {
		return preview{Text: string(head), Cut: len(head) < len(body)}
	}
	head = body[:min(len(body), MaxHexPreview)]
	return preview{Text: fmt.Sprintf("% x", head), Hex: true, Cut: len(head) < len(body)}
}

// wholeRunes cuts off a last rune that is not there as a whole.
func wholeRunes(b []byte) []byte {
	for i := 1; i <= min(len(b), utf8.UTFMax); i++ {
		last := b[len(b)-i:]
		if utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return b[:len(b)-i]
			}
			return b
		}
	}
	return b
}

func isText(b []byte) bool {
	return utf8.Valid(b) && strings.IndexFunc(string(b), isStrange) < 0
}

func isStrange(r rune) bool {
	return !unicode.IsPrint(r) && !strings.ContainsRune("\n\r\t", r)
}
