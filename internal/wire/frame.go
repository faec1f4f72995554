package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	// smallBuffer is what a Reader keeps while nothing comes, in bytes: a few
	// usual requests, so that thousands of idle connections cost little.
	smallBuffer = 512

	// largeBuffer is what a Reader borrows while a lot comes, in bytes.
	largeBuffer = 32 << 10

	// growth is how much larger, at most, a buffer gets than what was
	// received of the frame that it is for.
	growth = 4

	// maxEmptyReads is how often a source may return nothing and no error
	// before a Reader gives up on it.
	maxEmptyReads = 100
)

// ErrFrameSize reports an illegal size: its top bit is set, or it is above
// MaxFrame. The stream is of no further use.
var ErrFrameSize = errors.New("illegal frame size")

// TooLarge reports a frame above the reader's limit that was skipped. The
// frames behind it can be read.
type TooLarge struct {
	Size   int   // of the body, in bytes
	Limit  int   // what would have been read, in bytes
	Tag    int32 // the message's tag; 0 if it had none
	Tagged bool  // whether it had one
}

// Error names both sizes.
func (e *TooLarge) Error() string {
	return fmt.Sprintf("frame of %d bytes, the limit is %d", e.Size, e.Limit)
}

// largeBuffers caches the large buffers that no Reader needs at the moment.
var largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

// A Reader reads frames from a stream. It reads ahead as far as its buffer
// goes, which is small while little comes. It is for one goroutine at a time.
type Reader struct {
	src   io.Reader
	limit int

	buf  []byte // all of the buffer in use
	r, w int    // buf[r:w] was received and not yet consumed
	full bool   // the last read filled the buffer: more is waiting

	small [smallBuffer]byte
	large *[largeBuffer]byte // what buf is, if it was borrowed
}

// NewReader returns a Reader of the frames that src delivers. A body longer
// than limit bytes is skipped; limit is at most MaxFrame.
func NewReader(src io.Reader, limit int) *Reader {
	r := &Reader{src: src, limit: min(limit, MaxFrame)}
	r.buf = r.small[:]
	return r
}

// Ready reports whether Next has all it needs and will not read.
func (r *Reader) Ready() bool {
	n := r.w - r.r
	if n < headerSize {
		return false
	}
	size := r.size()
	return size > MaxFrame || n-headerSize >= int(size)
}

// Next returns the next frame's body, which is valid until the call after it.
//
// The error is io.EOF if the stream ended between two frames,
// io.ErrUnexpectedEOF if it ended within one, ErrFrameSize for an illegal
// size, a *TooLarge for a frame that was skipped, one that wraps ErrMalformed
// for a frame that was being skipped and is no message, or the source's own.
// After a source's own error that is not final, such as a deadline, Next may
// be called again, unless it was skipping a frame.
func (r *Reader) Next() ([]byte, error) {
	if err := r.await(headerSize); err != nil {
		return nil, err
	}
	size := r.size()
	if size > MaxFrame {
		return nil, ErrFrameSize
	}
	if int(size) > r.limit {
		return nil, r.skip(int(size))
	}
	if err := r.await(headerSize + int(size)); err != nil {
		return nil, err
	}
	start := r.r + headerSize
	r.r = start + int(size)
	return r.buf[start:r.r:r.r], nil
}

// Rest is what was received and not yet consumed. It is valid until the next
// call of Next.
func (r *Reader) Rest() []byte { return r.buf[r.r:r.w:r.w] }

// size is the size announced by the next four bytes, which were received.
func (r *Reader) size() uint32 {
	return binary.BigEndian.Uint32(r.buf[r.r:r.w])
}

// await reads until n bytes are there to be consumed.
func (r *Reader) await(n int) error {
	for r.w-r.r < n {
		r.makeRoom(n)
		if err := r.read(); err != nil {
			return r.ended(err)
		}
	}
	return nil
}

// ended turns the end of the stream into what it means here.
func (r *Reader) ended(err error) error {
	if err == io.EOF && r.w > r.r {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read reads once into the room there is.
func (r *Reader) read() error {
	for range maxEmptyReads {
		n, err := r.src.Read(r.buf[r.w:])
		r.w += n
		r.full = r.w == len(r.buf)
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// makeRoom makes room for at least one more byte of the n that are awaited.
func (r *Reader) makeRoom(n int) {
	switch {
	case r.r == r.w:
		r.restart()
	case r.w < len(r.buf):
	case r.r > 0:
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	default:
		r.grow(n)
	}
}

// restart chooses the buffer to begin anew with: a large one only if the last
// one was filled.
func (r *Reader) restart() {
	if r.full {
		r.use(largeBuffer)
	} else {
		r.use(smallBuffer)
	}
	r.r, r.w = 0, 0
}

// grow moves what was received, all of it of a frame of n bytes, to a larger
// buffer.
func (r *Reader) grow(n int) {
	old, large := r.buf, r.large
	r.large = nil
	r.use(max(largeBuffer, min(growth*len(old), n)))
	copy(r.buf, old)
	recycle(large)
}

// use makes buf one of n bytes, keeping the one in use if it is just that.
func (r *Reader) use(n int) {
	if len(r.buf) == n {
		return
	}
	recycle(r.large)
	r.large = nil
	switch n {
	case smallBuffer:
		r.buf = r.small[:]
	case largeBuffer:
		r.large = largeBuffers.Get().(*[largeBuffer]byte)
		r.buf = r.large[:]
	default:
		r.buf = make([]byte, n)
	}
}

// recycle gives a large buffer back, if there is one.
func recycle(b *[largeBuffer]byte) {
	if b != nil {
		largeBuffers.Put(b)
	}
}

// skip consumes the next frame, whose body has size bytes, in the buffer at
// hand. The error is a *TooLarge if that went well.
func (r *Reader) skip(size int) error {
	r.r += headerSize
	var tag tagScanner
	for left := size; left > 0; {
		if r.r == r.w {
			r.makeRoom(left)
			if err := r.read(); err != nil {
				return cut(err)
			}
		}
		n := min(left, r.w-r.r)
		if err := tag.scan(r.buf[r.r : r.r+n]); err != nil {
			return err
		}
		r.r += n
		left -= n
	}
	if err := tag.end(); err != nil {
		return err
	}
	return &TooLarge{Size: size, Limit: r.limit, Tag: tag.tag, Tagged: tag.tagged}
}

// cut turns the end of the stream within a frame into what it means here.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
