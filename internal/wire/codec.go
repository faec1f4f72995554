package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	//lint:ignore SA1019 the protocol's own library since 2011; this file is the only one to import it
	"github.com/golang/protobuf/proto"
	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed reports a body that is no protobuf message. Nothing that
// follows it on the connection can be trusted.
var ErrMalformed = errors.New("malformed message")

// ErrTooLong reports a message that does not fit a frame of MaxFrame bytes.
var ErrTooLong = errors.New("message does not fit a frame")

// maxGroups is how deep groups may nest before the library calls a message
// malformed. The scanner of skipped frames keeps the same bound.
const maxGroups = protowire.DefaultRecursionLimit + 1

// Decode makes m the message that body holds, forgetting what m was before.
// m shares no memory with body. A field that is repeated counts once, with its
// last value; one of an unexpected wire type counts as unknown, and unknown
// ones are skipped; strings may hold any bytes. The error wraps ErrMalformed.
func Decode(body []byte, m proto.Message) error {
	m.Reset()
	b := proto.NewBuffer(body)
	if err := b.Unmarshal(m); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// AppendFrame appends m, framed, to dst and returns the extended slice. The
// error wraps ErrTooLong; dst is then returned as it was.
func AppendFrame(dst []byte, m proto.Message) ([]byte, error) {
	return appendFrame(dst, m, 0)
}

// AppendFrameHead appends the frame of m with a value of n bytes up to that
// value, which the caller has to send right behind it, and which m itself must
// not hold. So a value that many answers share is never copied into a frame.
// The error wraps ErrTooLong; dst is then returned as it was.
func AppendFrameHead(dst []byte, m *Response, n int) ([]byte, error) {
	var field [2 * binary.MaxVarintLen64]byte
	head := protowire.AppendTag(field[:0], valueField, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(n))
	framed, err := appendFrame(dst, m, len(head)+n)
	if err != nil {
		return dst, err
	}
	return append(framed, head...), nil
}

// valueField is the number of Response.value.
const valueField = 6

// appendFrame appends the size of m and rest more bytes, and then m.
func appendFrame(dst []byte, m proto.Message, rest int) ([]byte, error) {
	b := proto.NewBuffer(append(dst, make([]byte, headerSize)...))
	if err := b.Marshal(m); err != nil {
		return dst, fmt.Errorf("encoding %T: %w", m, err)
	}
	framed := b.Bytes()
	size := len(framed) - len(dst) - headerSize + rest
	if size > MaxFrame {
		return dst, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLong, size, MaxFrame)
	}
	binary.BigEndian.PutUint32(framed[len(dst):], uint32(size))
	return framed, nil
}
