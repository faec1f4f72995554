package wire

import (
	"errors"
	"io"
)

// ErrFrameSize reports an illegal size: its top bit is set, or it is above
// MaxFrame.
var ErrFrameSize = errors.New("illegal frame size")

// TooLarge reports a frame above the reader's limit that was skipped. The
// frames behind it can be read.
type TooLarge struct {
	Size   int   // of the body, in bytes
	Limit  int   // what would have been read, in bytes
	Tag    int32 // the message's tag; meaningful if Tagged
	Tagged bool  // whether the message had a tag
}

func (e *TooLarge) Error() string { return "" }

// Reader reads frames.
type Reader struct{ r io.Reader }

// NewReader returns a Reader of the frames that r delivers.
func NewReader(r io.Reader, limit int) *Reader { return &Reader{r: r} }

// Ready reports whether a whole frame has been received.
func (r *Reader) Ready() bool { return false }

// Next returns the next frame's body.
func (r *Reader) Next() ([]byte, error) { return nil, io.EOF }
