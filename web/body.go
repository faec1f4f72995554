package web

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what is shown of a body at once.
const (
	// MaxPreview bounds the bytes of a body that stand in a row of the tree.
	MaxPreview = 160

	// MaxHexPreview is MaxPreview for bodies that are not text.
	MaxHexPreview = 32

	// MaxShown bounds the bytes of a body that the page of its file shows. The
	// rest is a link away.
	MaxShown = 256 << 10

	// MaxHexShown is MaxShown for bodies that are not text.
	MaxHexShown = 4 << 10
)

// A preview is the part of a body that is shown.
type preview struct {
	Text string `json:"t,omitempty"` // the body's beginning as text, or in hex
	Hex  bool   `json:"x,omitempty"`
	Cut  bool   `json:"c,omitempty"` // there is more
}

// show returns what is shown of body: up to most bytes, or mostHex if it is not
// all printable UTF-8. Such a body is shown in hex: a page must not be reordered
// or hidden by what a client has stored.
func show(body []byte, most, mostHex int) preview {
	head := body[:min(len(body), most)]
	if len(head) < len(body) {
		head = wholeRunes(head)
	}
	if isText(head) {
		return preview{Text: string(head), Cut: len(head) < len(body)}
	}
	head = body[:min(len(body), mostHex)]
	return preview{Text: hex.EncodeToString(head), Hex: true, Cut: len(head) < len(body)}
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
