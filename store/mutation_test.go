package store

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

var goodMutations = []Mutation{
	{Op: Set, Path: "/a", Guard: Clobber, Body: []byte("x")},
	{Op: Set, Path: "/", Guard: Missing, Body: []byte{}},
	{Op: Del, Path: "/a/b", Guard: math.MaxInt64},
	{Op: Del, Path: "/" + strings.Repeat("a", MaxPath-1), Guard: math.MinInt64},
	{Op: Set, Path: "/a", Guard: Dir, Body: bytes.Repeat([]byte{0}, 1000)},
}

func TestMutationRoundTrip(t *testing.T) {
	for _, m := range goodMutations {
		got, err := DecodeMutation(m.Append(nil))
		assert.Equal(t, nil, err)
		assert.Equal(t, m, got)
	}
}

func TestMutationEncoding(t *testing.T) {
	m := Mutation{Op: Set, Path: "/a", Guard: Clobber, Body: []byte("xyz")}
	assert.Equal(t, []byte("before\x01\x01\x01\x02/axyz"), m.Append([]byte("before")))
}

func TestDecodeMutationRefuses(t *testing.T) {
	long := Mutation{Op: Set, Path: "/" + strings.Repeat("a", MaxPath), Guard: 0}
	huge := Mutation{Op: Set, Path: "/a", Guard: 0, Body: make([]byte, MaxBody+1)}
	for name, b := range map[string][]byte{
		"nothing":               nil,
		"a version only":        {1},
		"an old version":        []byte("\x00\x01\x00\x02/a"),
		"a later version":       []byte("\x02\x01\x00\x02/a"),
		"operation 0":           []byte("\x01\x00\x00\x02/a"),
		"operation 3":           []byte("\x01\x03\x00\x02/a"),
		"no guard":              []byte("\x01\x01"),
		"a guard without end":   []byte("\x01\x01\x80"),
		"a guard of 11 bytes":   []byte("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02/a"),
		"a guard in long form":  []byte("\x01\x01\x80\x00\x02/a"),
		"a length in long form": []byte("\x01\x01\x00\x82\x00/a"),
		"a length beyond":       []byte("\x01\x01\x00\x03/a"),
		"a huge length":         []byte("\x01\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01/a"),
		"no path":               []byte("\x01\x01\x00\x00"),
		"a bad path":            []byte("\x01\x01\x00\x02a/"),
		"a long path":           long.Append(nil),
		"a delete with a body":  []byte("\x01\x02\x00\x02/ax"),
		"a huge body":           huge.Append(nil),
	} {
		_, err := DecodeMutation(b)
		assert.T(t, errors.Is(err, ErrBadMutation), name, err)
	}
	_, err := DecodeMutation([]byte("\x01\x01\x00\x02a/"))
	assert.T(t, errors.Is(err, ErrBadPath), err)
}

func FuzzMutation(f *testing.F) {
	for _, m := range goodMutations[:3] {
		f.Add(m.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMutation(b)
		if err != nil {
			if !errors.Is(err, ErrBadMutation) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if again := m.Append(nil); !bytes.Equal(b, again) {
			t.Fatalf("%x decodes to %v, which encodes to %x", b, m, again)
		}
		s := New(1)
		if e := s.Apply(b); e.Err == ErrBadMutation {
			t.Fatalf("%v is refused: %v", m, e)
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
	})
}
