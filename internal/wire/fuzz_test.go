package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// addBodies gives a fuzzer bodies good and bad to begin with.
func addBodies(f *testing.F, add func(body []byte)) {
	for _, b := range malformed {
		add(bin(f, b.body))
	}
	for _, b := range []string{"", "0801 1001 2202 2f61", "0801 0802", "0a0105 0807", "1b 0805 1c 0806",
		"2a03 080908 08ffffffffffffffffff01", "1b 23 2b 0805 2c 24 1c", "f8ffffff0f 01", "1b f8ffffff7f01 1c"} {
		add(bin(f, b))
	}
}

// FuzzFrame reads arbitrary bytes as frames: the reader ends with one of its
// errors, and holds no more memory than what was received explains.
func FuzzFrame(f *testing.F) {
	addBodies(f, func(body []byte) { f.Add(framed(body, body), 20) })
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, 100)
	f.Add([]byte{4, 0, 0, 0, 1}, MaxFrame)
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		limit = max(limit, 0) % (MaxFrame + 1)
		r := NewReader(bytes.NewReader(in), limit)
		consumed := 0
		for {
			body, err := r.Next()
			if len(r.buf) > max(largeBuffer, growth*len(in)) {
				t.Fatalf("a buffer of %d bytes for %d received", len(r.buf), len(in))
			}
			var skipped *TooLarge
			switch {
			case errors.As(err, &skipped):
				consumed += headerSize + skipped.Size
				continue
			case err != nil:
				checkEnd(t, err, consumed == len(in))
				return
			}
			consumed += headerSize + len(body)
			var m Request
			if err := Decode(body, &m); err != nil && !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
		}
	})
}

// checkEnd checks why a reader ended, whether or not at the end of a frame.
func checkEnd(t *testing.T, err error, whole bool) {
	switch {
	case err == io.EOF && whole:
	case err == io.ErrUnexpectedEOF && !whole:
	case err == ErrFrameSize && !whole:
	case errors.Is(err, ErrMalformed) && !whole:
	default:
		t.Fatalf("ended with %v, at the end of a frame: %v", err, whole)
	}
}

// FuzzScanTag holds the scanner of skipped frames against the decoder: they
// accept the same bodies and find the same tags, however a body is cut.
func FuzzScanTag(f *testing.F) {
	addBodies(f, func(body []byte) { f.Add(body, 1); f.Add(body, 1000) })
	f.Fuzz(func(t *testing.T, body []byte, piece int) {
		var m Request
		decodeErr := Decode(body, &m)
		tag, scanErr := scanPieces(body, max(piece, 1))
		if (decodeErr == nil) != (scanErr == nil) {
			t.Fatalf("decoder says %v, scanner %v", decodeErr, scanErr)
		}
		if scanErr != nil {
			if !errors.Is(scanErr, ErrMalformed) {
				t.Fatal(scanErr)
			}
			return
		}
		if tag.tagged != (m.Tag != nil) || tag.tag != m.GetTag() {
			t.Fatalf("scanner found %d (%v), decoder %v", tag.tag, tag.tagged, m.Tag)
		}
	})
}

func scanPieces(body []byte, piece int) (*tagScanner, error) {
	s := new(tagScanner)
	for len(body) > 0 {
		n := min(piece, len(body))
		if err := s.scan(body[:n]); err != nil {
			return s, err
		}
		body = body[n:]
	}
	return s, s.end()
}
