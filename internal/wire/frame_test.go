package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/bmizerany/assert"
)

// framed returns the frames of bodies.
func framed(bodies ...[]byte) []byte {
	var b []byte
	for _, body := range bodies {
		b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
		b = append(b, body...)
	}
	return b
}

// sources are ways for bytes to arrive.
var sources = []struct {
	name string
	of   func(io.Reader) io.Reader
}{
	{"at once", func(r io.Reader) io.Reader { return r }},
	{"byte by byte", iotest.OneByteReader},
	{"by halves", iotest.HalfReader},
	{"with the error", iotest.DataErrReader},
}

func TestReaderNext(t *testing.T) {
	bodies := [][]byte{}
	for _, n := range []int{0, 1, 2, smallBuffer - 4, smallBuffer, 3 * smallBuffer,
		largeBuffer - 4, 0, largeBuffer, 5 * largeBuffer, 7, 40 * largeBuffer, 0, 9} {
		bodies = append(bodies, bytes.Repeat([]byte{byte(n)}, n))
	}
	for _, source := range sources {
		r := NewReader(source.of(bytes.NewReader(framed(bodies...))), 40*largeBuffer)
		for i, want := range bodies {
			got, err := r.Next()
			assert.Equal(t, nil, err, source.name, i)
			assert.T(t, bytes.Equal(want, got), source.name, i)
		}
		_, err := r.Next()
		assert.Equal(t, io.EOF, err, source.name)
	}
}

func TestReaderTruncated(t *testing.T) {
	whole := framed(bytes.Repeat([]byte{1}, 1000))
	for n := 1; n < len(whole); n++ {
		_, err := NewReader(bytes.NewReader(whole[:n]), 1000).Next()
		assert.Equal(t, io.ErrUnexpectedEOF, err, n)
	}
}

// A size that is illegal ends it at once; nothing behind it is waited for.
func TestReaderIllegalSize(t *testing.T) {
	for _, size := range []uint32{MaxFrame + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		in := binary.BigEndian.AppendUint32(nil, size)
		r := NewReader(io.MultiReader(bytes.NewReader(in), iotest.ErrReader(errors.New("read on"))), MaxFrame)
		_, err := r.Next()
		assert.Equal(t, ErrFrameSize, err, size)
	}
}

// An announced size allocates nothing; received bytes do, in proportion.
func TestReaderAllocatesWhatWasReceived(t *testing.T) {
	for _, received := range []int{0, 1, 600, 100 << 10, 1 << 20} {
		in := append(binary.BigEndian.AppendUint32(nil, MaxFrame), make([]byte, received)...)
		r := NewReader(bytes.NewReader(in), MaxFrame)
		_, err := r.Next()
		assert.Equal(t, io.ErrUnexpectedEOF, err)
		assert.T(t, len(r.buf) <= max(largeBuffer, growth*(received+headerSize)), received, len(r.buf))
	}
}

func TestReaderSkips(t *testing.T) {
	value := append([]byte{0x2a, 0xa0, 0x8d, 0x06}, make([]byte, 100000)...)
	for _, tt := range []struct {
		name string
		body []byte
		want TooLarge
	}{
		{"no tag", value, TooLarge{}},
		{"tag first", append([]byte{8, 5}, value...), TooLarge{Tag: 5, Tagged: true}},
		{"tag last", append(bytes.Clone(value), 8, 6), TooLarge{Tag: 6, Tagged: true}},
		{"tag 0", append(bytes.Clone(value), 8, 0), TooLarge{Tagged: true}},
		{"the last of two", append(append([]byte{8, 5}, value...), 8, 7), TooLarge{Tag: 7, Tagged: true}},
	} {
		for _, source := range sources {
			r := NewReader(source.of(bytes.NewReader(framed(tt.body, []byte("next")))), 1000)
			_, err := r.Next()
			want := tt.want
			want.Size, want.Limit = len(tt.body), 1000
			assert.Equal(t, &want, err, tt.name, source.name)
			assert.T(t, len(r.buf) <= largeBuffer, tt.name, source.name)
			next, err := r.Next()
			assert.Equal(t, nil, err, tt.name, source.name)
			assert.Equal(t, "next", string(next), tt.name, source.name)
		}
	}
}

func TestReaderSkipsNothingMalformed(t *testing.T) {
	padding := append([]byte{0x2a, 0xe8, 0x07}, make([]byte, 1000)...)
	for _, tt := range malformed {
		body := append(bytes.Clone(padding), bin(t, tt.body)...)
		_, err := NewReader(bytes.NewReader(framed(body)), 100).Next()
		assert.T(t, errors.Is(err, ErrMalformed), tt.name, err)
	}
}

func TestReaderTruncatedWhileSkipping(t *testing.T) {
	whole := framed(append([]byte{0x2a, 0xe8, 0x07}, make([]byte, 1000)...))
	_, err := NewReader(bytes.NewReader(whole[:500]), 100).Next()
	assert.Equal(t, io.ErrUnexpectedEOF, err)
	_, err = NewReader(bytes.NewReader(whole[:4]), 100).Next()
	assert.Equal(t, io.ErrUnexpectedEOF, err)
}

func TestReaderReady(t *testing.T) {
	whole := framed([]byte("one"), []byte("two"))
	r := NewReader(bytes.NewReader(append(whole, 0, 0, 0, 9, 'c')), 100)
	assert.T(t, !r.Ready(), "before the first read")
	for range 2 {
		_, err := r.Next()
		assert.Equal(t, nil, err)
	}
	assert.T(t, !r.Ready(), "with part of a frame")

	r = NewReader(bytes.NewReader(append(framed(nil), 0xff, 0xff, 0xff, 0xff)), 100)
	_, err := r.Next()
	assert.Equal(t, nil, err)
	assert.T(t, r.Ready(), "an illegal size needs no reading")
}

// A deadline that passes within a frame loses nothing of it.
func TestReaderGoesOnAfterAnError(t *testing.T) {
	late := errors.New("late")
	whole := framed([]byte("hello"))
	for n := range whole {
		r := NewReader(io.MultiReader(bytes.NewReader(whole[:n]), &once{err: late}, bytes.NewReader(whole[n:])), 100)
		_, err := r.Next()
		assert.Equal(t, late, err, n)
		got, err := r.Next()
		assert.Equal(t, nil, err, n)
		assert.Equal(t, "hello", string(got), n)
	}
}

// once fails once and then is at its end.
type once struct{ err error }

func (o *once) Read([]byte) (int, error) {
	err := o.err
	o.err = io.EOF
	return 0, err
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestReaderNoProgress(t *testing.T) {
	_, err := NewReader(silent{}, 100).Next()
	assert.Equal(t, io.ErrNoProgress, err)
}

// After a lot, a Reader that waits for more is small again.
func TestReaderGivesItsBufferBack(t *testing.T) {
	rest := &once{err: io.EOF}
	r := NewReader(io.MultiReader(bytes.NewReader(framed(make([]byte, 10*largeBuffer))), rest), 10*largeBuffer)
	_, err := r.Next()
	assert.Equal(t, nil, err)
	r.full = false // the last read left room
	_, err = r.Next()
	assert.Equal(t, io.EOF, err)
	assert.Equal(t, smallBuffer, len(r.buf))
	assert.T(t, r.large == nil)
}

func TestTooLargeNamesTheLimit(t *testing.T) {
	assert.Equal(t, "frame of 20 bytes, the limit is 10", (&TooLarge{Size: 20, Limit: 10}).Error())
}
