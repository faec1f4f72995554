package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

// bin reads hexadecimal bytes, in groups as they are easiest to read.
func bin(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ptr[T any](v T) *T { return &v }

// asDump compares two messages by what they print, which tells what is absent
// from what is zero.
func asDump(t *testing.T, want, got *Request, note string) {
	t.Helper()
	assert.Equal(t, want.String(), got.String(), note)
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name string
		body string
		want *Request
	}{
		{"nothing", "", &Request{}},
		{"get", "0801 1001 2202 2f61", &Request{Tag: ptr[int32](1), Verb: Request_GET.Enum(), Path: ptr("/a")}},
		{"zero is present", "0800 3800 4800", &Request{Tag: ptr[int32](0), Offset: ptr[int32](0), Rev: ptr[int64](0)}},
		{"the last of a repeated field", "0801 0802 2a0161 2a0162", &Request{Tag: ptr[int32](2), Value: []byte("b")}},
		{"an empty value is present", "2a00", &Request{Value: []byte{}}},
		{"the low 32 bits of an offset", "38 8180808010", &Request{Offset: ptr[int32](1)}},
		{"-5 in five bytes", "38 fbffffff0f", &Request{Offset: ptr[int32](-5)}},
		{"-5 in ten bytes", "38 fbffffffffffffffff01", &Request{Offset: ptr[int32](-5)}},
		{"the low 32 bits of a verb", "10 8180808010", &Request{Verb: Request_GET.Enum()}},
		{"a verb that does not exist", "10 4d", &Request{Verb: ptr(Request_Verb(77))}},
		{"a negative verb", "10 ffffffffffffffffff01", &Request{Verb: ptr(Request_Verb(-1))}},
		{"the least rev", "48 80808080808080808001", &Request{Rev: ptr[int64](-1 << 63)}},
		{"a path of any bytes", "2203 2fff00", &Request{Path: ptr("/\xff\x00")}},
		{"a varint longer than it need be", "08 8180808080808080 8000", &Request{Tag: ptr[int32](1)}},
	} {
		var got Request
		assert.Equal(t, nil, Decode(bin(t, tt.body), &got), tt.name)
		asDump(t, tt.want, &got, tt.name)
		assert.Equal(t, tt.want.Value == nil, got.Value == nil, tt.name)
	}
}

// Whatever is unknown, by its number or by its wire type, is as if it were not
// there.
func TestDecodeSkipsUnknownFields(t *testing.T) {
	for _, tt := range []struct{ name, body string }{
		{"varint", "18 ffffffffffffffffff01"},
		{"64 bits", "19 0102030405060708"},
		{"bytes", "1a 03 010203"},
		{"group", "1b 1801 1c"},
		{"groups in groups", "1b 23 2b 0805 2c 24 1c"},
		{"32 bits", "1d 01020304"},
		{"draft field 8", "40 07"},
		{"highest number", "f8ffffff0f 01"},
		{"tag as bytes", "0a 01 05"},
		{"tag as 64 bits", "09 0102030405060708"},
		{"tag as 32 bits", "0d 01020304"},
		{"tag as a group", "0b 0805 0c"},
		{"verb as bytes", "12 01 01"},
		{"path as a number", "20 01"},
		{"path as a group", "23 24"},
		{"value as a number", "28 01"},
		{"offset as bytes", "3a 01 01"},
		{"rev as 64 bits", "49 0100000000000000"},
	} {
		var got Request
		assert.Equal(t, nil, Decode(bin(t, tt.body), &got), tt.name)
		got.ProtoReflect().SetUnknown(nil)
		asDump(t, &Request{}, &got, tt.name)
	}
}

// A field of the wrong wire type takes nothing away from one of the right.
func TestDecodeWrongWireTypeIsNotTheLastOne(t *testing.T) {
	var got Request
	assert.Equal(t, nil, Decode(bin(t, "0803 0a0105"), &got))
	assert.Equal(t, int32(3), got.GetTag())
}

// malformed are bodies that are no message.
var malformed = []struct{ name, body string }{
	{"key cut off", "80"},
	{"number cut off", "08 80"},
	{"number missing", "08"},
	{"number of 11 bytes", "08 8080808080808080808001"},
	{"number of more than 64 bits", "08 80808080808080808002"},
	{"field number 0", "00 01"},
	{"field number beyond the highest", "8080808010 01"},
	{"end of no group", "0c"},
	{"wire type 6", "0e"},
	{"wire type 7", "0f"},
	{"wire type 6 of an unknown field", "1e"},
	{"bytes beyond the end", "22 05 2f61"},
	{"bytes of a huge length", "22 ffffffffffffffffff01"},
	{"32 bits cut off", "1d 0102"},
	{"64 bits cut off", "19 01020304"},
	{"group without an end", "1b 0801"},
	{"group with the end of another", "1b 24"},
	{"wire type 7 in a group", "1b 0f 1c"},
	{"field number 0 in a group", "1b 00 1c"},
	{"the end after the end", "1b 1c 1c"},
}

func TestDecodeMalformed(t *testing.T) {
	for _, tt := range malformed {
		var got Request
		err := Decode(bin(t, tt.body), &got)
		assert.T(t, errors.Is(err, ErrMalformed), tt.name, err)
	}
}

// nested returns a message of n groups within each other.
func nested(n int) []byte {
	return append(bytes.Repeat([]byte{0x1b}, n), bytes.Repeat([]byte{0x1c}, n)...)
}

// Groups may nest so deep and no deeper, whether they are decoded or skipped.
func TestNestedGroups(t *testing.T) {
	for n, want := range map[int]bool{1: true, maxGroups: true, maxGroups + 1: false, 1 << 20: false} {
		err := Decode(nested(n), new(Request))
		assert.Equal(t, want, err == nil, n, err)
		_, err = scanPieces(nested(n), 1000)
		assert.Equal(t, want, err == nil, n, err)
	}
}

func TestDecodeForgetsTheLastMessage(t *testing.T) {
	var got Request
	assert.Equal(t, nil, Decode(bin(t, "0801 1001 2202 2f61 180a"), &got))
	assert.Equal(t, nil, Decode(bin(t, "1005"), &got))
	asDump(t, &Request{Verb: Request_REV.Enum()}, &got, "")
}

func TestDecodeSharesNoMemory(t *testing.T) {
	body := bin(t, "2202 2f61 2a0162")
	var got Request
	assert.Equal(t, nil, Decode(body, &got))
	clear(body)
	assert.Equal(t, "/a", got.GetPath())
	assert.Equal(t, []byte("b"), got.GetValue())
}

func TestAppendFrame(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    *Response
		want string
	}{
		{"nothing", &Response{}, "00000000"},
		{"zeros are sent", &Response{Tag: ptr[int32](0), Rev: ptr[int64](0), Value: []byte{}}, "00000006 0800 1800 3200"},
		{"negatives have ten bytes", &Response{Tag: ptr[int32](-1), Rev: ptr[int64](-2)},
			"00000016 08ffffffffffffffffff01 18feffffffffffffffff01"},
		{"an error", &Response{Tag: ptr[int32](7), ErrCode: Response_OTHER.Enum(), ErrDetail: ptr("no")},
			"0000000a 0807 a0067f aa06026e6f"},
		{"text of any bytes", &Response{Path: ptr("\xff"), ErrDetail: ptr("\xfe")}, "00000007 2a01ff aa0601fe"},
	} {
		got, err := AppendFrame([]byte("before"), tt.m)
		assert.Equal(t, nil, err, tt.name)
		assert.Equal(t, append([]byte("before"), bin(t, tt.want)...), got, tt.name)
	}
}

// With its value behind it, a head is the frame of the whole message.
func TestAppendFrameHead(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 20000} {
		value := bytes.Repeat([]byte{'v'}, n)
		m := &Response{Tag: ptr[int32](3), Flags: ptr(FlagSet), Rev: ptr[int64](9), Path: ptr("/a")}
		head, err := AppendFrameHead(nil, m, n)
		assert.Equal(t, nil, err)
		m.Value = value
		whole, err := AppendFrame(nil, m)
		assert.Equal(t, nil, err)
		assert.T(t, bytes.Equal(whole, append(head, value...)), n)
	}
}

func TestAppendFrameTooLong(t *testing.T) {
	before := []byte("before")
	got, err := AppendFrame(before, &Request{Value: make([]byte, MaxFrame)})
	assert.T(t, errors.Is(err, ErrTooLong), err)
	assert.Equal(t, before, got)
	got, err = AppendFrameHead(before, &Response{}, MaxFrame)
	assert.T(t, errors.Is(err, ErrTooLong), err)
	assert.Equal(t, before, got)
}
