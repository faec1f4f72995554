package raw

import (
	"encoding/hex"
	"testing"

	"github.com/bmizerany/assert"
)

// The bytes below are written by hand from the description of the protocol.

func TestRequest(t *testing.T) {
	for _, r := range []struct{ text, bytes string }{
		{"", ""},
		{"tag=1 REV", "08011005"},
		{"REV tag=1", "10050801"},
		{"tag=-5", "08fbffffffffffffffff01"},
		{`SET path=/a rev=-1 value="x y"`, "100222022f6148ffffffffffffffffff012a03782079"},
		{"value=", "2a00"},
		{"value=3*x", "2a03787878"},
		{"CANCEL other=3 offset=4", "100a30033804"},
		{"ACCESS", "1063"},
		{`#8:bytes=x #3:fixed32=1 #3:fixed64=1 #3:group="\x08\x05"`, "4201781d0100000019010000000000000" + "01b08051c"},
	} {
		assert.Equal(t, r.bytes, hex.EncodeToString(Request(r.text)), r.text)
	}
}

func TestText(t *testing.T) {
	for _, r := range []struct{ bytes, text string }{
		{"", ""},
		{"08011809", "tag=1 rev=9"},
		{"18090801", "rev=9 tag=1"},
		{"08fbffffffffffffffff01", "tag=-5"},
		{"08fbffffff0f", "tag=4294967291(beyond 32 bits)"},
		{"088100", "tag=1(in 2 bytes)"},
		{"18feffffffffffffffff01", "rev=-2"},
		{"10042a022f613200", `flags=4 path="/a" value=""`},
		{"4000a00605", "len=0 err=REV_MISMATCH"},
		{"a00600", "err=0"},
		{"a0067faa0601782005", `err=OTHER detail="x" #4:05`},
		{"0a0178", "tag:type2"},
		{"2a01612a0162", `path="a" path="b"`},
	} {
		message, err := hex.DecodeString(r.bytes)
		assert.Equal(t, nil, err)
		text, err := Text(message)
		assert.Equal(t, nil, err)
		assert.Equal(t, r.text, text)
	}
	_, err := Text([]byte{0x08})
	assert.NotEqual(t, nil, err)
}

func TestMatch(t *testing.T) {
	assert.Equal(t, nil, Match(`err=OTHER detail~"limit of 5"`, `err=OTHER detail="above the limit of 5 bytes"`))
	for _, r := range []struct{ want, got string }{
		{"rev=1", "rev=2"},
		{"rev=1", "rev=1 value=\"\""},
		{"tag=0 rev=1", "rev=1"},
		{"tag=0 rev=1", "rev=1 tag=0"},
		{`err=OTHER detail~"5"`, `err=OTHER detail="6"`},
		{`err=OTHER detail~"5"`, "err=OTHER"},
	} {
		assert.NotEqual(t, nil, Match(r.want, r.got))
	}
}
