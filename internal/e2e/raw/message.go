// Package raw speaks doozer's client protocol byte by byte, as a foreign
// client does: it shares no code with the server, shows which fields are
// present in which order and how they were encoded, and can send what no
// decent client sends.
//
// Messages have a text form, one line each, in which tests are written:
//
//	tag=1 GET path=/a rev=5
//	tag=1 rev=5 value="hello"
//	tag=2 err=OTHER detail="cancelled"
//
// Fields are sent in the order in which they are written, and shown in the
// order in which they came; GET is short for verb=1. A value is bare or a
// Go string literal; 1000*x stands for a thousand times x. A field of any
// number and wire type is written #8:varint=5, #8:fixed32=5, #8:fixed64=5,
// #8:bytes=x or #8:group=x, x being the bytes inside.
package raw

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Verbs of the protocol by name.
var verbs = map[string]int64{
	"GET": 1, "SET": 2, "DEL": 3, "REV": 5, "WAIT": 6, "NOP": 7, "WALK": 9,
	"CANCEL": 10, "GETDIR": 14, "STAT": 16, "SELF": 20, "ACCESS": 99,
}

// Error codes of the protocol by number.
var codes = map[int64]string{
	1: "TAG_IN_USE", 2: "UNKNOWN_VERB", 3: "READONLY", 4: "TOO_LATE", 5: "REV_MISMATCH",
	6: "BAD_PATH", 7: "MISSING_ARG", 8: "RANGE", 20: "NOTDIR", 21: "ISDIR", 22: "NOENT", 127: "OTHER",
}

// field is how a known field is written and read.
type field struct {
	name string
	num  protowire.Number
	kind kind
}

type kind int

const (
	kindInt32 kind = iota
	kindInt64
	kindErr
	kindBytes
)

var requestFields = []field{
	{"tag", 1, kindInt32},
	{"verb", 2, kindInt32},
	{"path", 4, kindBytes},
	{"value", 5, kindBytes},
	{"other", 6, kindInt32},
	{"offset", 7, kindInt32},
	{"rev", 9, kindInt64},
}

var responseFields = []field{
	{"tag", 1, kindInt32},
	{"flags", 2, kindInt32},
	{"rev", 3, kindInt64},
	{"path", 5, kindBytes},
	{"value", 6, kindBytes},
	{"len", 8, kindInt32},
	{"err", 100, kindErr},
	{"detail", 101, kindBytes},
}

// Request encodes a request given as text, without its size. It panics on bad
// text: the text is the test's own.
func Request(text string) []byte {
	var b []byte
	for _, token := range tokens(text) {
		if verb, ok := verbs[token]; ok {
			b = appendVarint(b, 2, uint64(verb))
			continue
		}
		name, value, ok := strings.Cut(token, "=")
		if !ok {
			panic("raw: not a field: " + token)
		}
		b = appendField(b, name, literal(value))
	}
	return b
}

// Frame puts the size before a message.
func Frame(message []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(message)))
	return append(b, message...)
}

func appendField(b []byte, name, value string) []byte {
	if foreign, ok := strings.CutPrefix(name, "#"); ok {
		return appendForeign(b, foreign, value)
	}
	i := slices.IndexFunc(requestFields, func(f field) bool { return f.name == name })
	if i < 0 {
		panic("raw: no such field: " + name)
	}
	f := requestFields[i]
	if f.kind == kindBytes {
		b = protowire.AppendTag(b, f.num, protowire.BytesType)
		return protowire.AppendString(b, value)
	}
	return appendVarint(b, f.num, uint64(number(value)))
}

func appendVarint(b []byte, num protowire.Number, v uint64) []byte {
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, v)
}

// appendForeign encodes NUMBER:TYPE=value.
func appendForeign(b []byte, name, value string) []byte {
	digits, typ, _ := strings.Cut(name, ":")
	num := protowire.Number(number(digits))
	switch typ {
	case "varint":
		return appendVarint(b, num, uint64(number(value)))
	case "fixed32":
		b = protowire.AppendTag(b, num, protowire.Fixed32Type)
		return protowire.AppendFixed32(b, uint32(number(value)))
	case "fixed64":
		b = protowire.AppendTag(b, num, protowire.Fixed64Type)
		return protowire.AppendFixed64(b, uint64(number(value)))
	case "bytes":
		b = protowire.AppendTag(b, num, protowire.BytesType)
		return protowire.AppendString(b, value)
	case "group":
		b = protowire.AppendTag(b, num, protowire.StartGroupType)
		return protowire.AppendGroup(b, num, []byte(value))
	}
	panic("raw: no such wire type: " + typ)
}

// tokens splits a line at spaces outside of string literals.
func tokens(line string) []string {
	var out []string
	var token strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quoted && c == '\\' && i+1 < len(line):
			token.WriteByte(c)
			i++
			c = line[i]
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			if token.Len() > 0 {
				out = append(out, token.String())
			}
			token.Reset()
			continue
		}
		token.WriteByte(c)
	}
	if token.Len() > 0 {
		out = append(out, token.String())
	}
	return out
}

// literal reads a value: bare, "quoted", or 1000*x.
func literal(s string) string {
	if count, unit, ok := strings.Cut(s, "*"); ok {
		if n, err := strconv.Atoi(count); err == nil && len(unit) == 1 {
			return strings.Repeat(unit, n)
		}
	}
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	unquoted, err := strconv.Unquote(s)
	if err != nil {
		panic("raw: bad literal " + s)
	}
	return unquoted
}

// number reads a decimal of up to 64 bits, signed or not.
func number(s string) int64 {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		panic("raw: not a number: " + s)
	}
	return int64(n)
}

// Text renders a response with its fields as they came. What no response
// should hold is shown by number, and an integer that is not encoded as
// protobuf wants it is marked with the bytes it took.
func Text(message []byte) (string, error) {
	var out []string
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return "", fmt.Errorf("undecodable response: %w", protowire.ParseError(n))
		}
		size := protowire.ConsumeFieldValue(num, typ, message[n:])
		if size < 0 {
			return "", fmt.Errorf("undecodable response: %w", protowire.ParseError(size))
		}
		out = append(out, fieldText(num, typ, message[n:n+size]))
		message = message[n+size:]
	}
	return strings.Join(out, " "), nil
}

func fieldText(num protowire.Number, typ protowire.Type, encoded []byte) string {
	i := slices.IndexFunc(responseFields, func(f field) bool { return f.num == num })
	if i < 0 {
		return fmt.Sprintf("#%d:%x", num, encoded)
	}
	f := responseFields[i]
	if f.kind == kindBytes {
		value, n := protowire.ConsumeBytes(encoded)
		if typ != protowire.BytesType || n < 0 {
			return fmt.Sprintf("%s:type%d", f.name, typ)
		}
		return f.name + "=" + quote(value)
	}
	v, n := protowire.ConsumeVarint(encoded)
	if typ != protowire.VarintType || n < 0 {
		return fmt.Sprintf("%s:type%d", f.name, typ)
	}
	return f.name + "=" + integerText(f.kind, int64(v), n)
}

// integerText shows an integer; a negative one takes ten bytes, any other as
// few as it needs, and one of 32 bits stays within them.
func integerText(k kind, v int64, size int) string {
	text := strconv.FormatInt(v, 10)
	if name, ok := codes[v]; k == kindErr && ok {
		text = name
	}
	if size != protowire.SizeVarint(uint64(v)) {
		text += fmt.Sprintf("(in %d bytes)", size)
	}
	if k != kindInt64 && (v < math.MinInt32 || v > math.MaxInt32) {
		text += "(beyond 32 bits)"
	}
	return text
}

// quote shows bytes as a Go literal, a long run of one byte as 1000*x.
func quote(b []byte) string {
	const long = 64
	if len(b) > long && !slices.ContainsFunc(b, func(c byte) bool { return c != b[0] }) {
		return fmt.Sprintf("%d*%c", len(b), b[0])
	}
	return strconv.Quote(string(b))
}

// Match says whether a response is the one expected. In want, detail~"text"
// stands for a detail that contains the text.
func Match(want, got string) error {
	w, g := tokens(want), tokens(got)
	same := slices.EqualFunc(w, g, func(w, g string) bool {
		part, ok := strings.CutPrefix(w, "detail~")
		if !ok {
			return w == g
		}
		detail, ok := strings.CutPrefix(g, "detail=")
		return ok && strings.Contains(literal(detail), literal(part))
	})
	if !same {
		return fmt.Errorf("got  < %s\nwant < %s", got, want)
	}
	return nil
}

// ErrShort is a message that ends before the size that was announced.
var ErrShort = errors.New("connection ended inside a message")
