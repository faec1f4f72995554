package raw

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Conn is one client connection. One goroutine may send while another
// receives.
type Conn struct {
	// Patience is how long Recv waits for an answer before it fails.
	Patience time.Duration
	net.Conn
	r *bufio.Reader
}

// Dial connects to a node.
func Dial(addr string, patience time.Duration) (*Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Conn{Patience: patience, Conn: c, r: bufio.NewReader(c)}, nil
}

// Send sends requests given as text, all in one write.
func (c *Conn) Send(texts ...string) error {
	var frames []byte
	for _, text := range texts {
		frames = append(frames, Frame(Request(text))...)
	}
	_, err := c.Write(frames)
	return err
}

// Recv waits for the next answer and returns it as text. A connection that
// the server has ended is io.EOF.
func (c *Conn) Recv() (string, error) {
	message, err := c.RecvBytes()
	if err != nil {
		return "", err
	}
	return Text(message)
}

// RecvBytes is Recv without the decoding.
func (c *Conn) RecvBytes() ([]byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.Patience)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(c.r, size[:]); err != nil {
		return nil, ended(err)
	}
	message := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.r, message); err != nil {
		return nil, errors.Join(ErrShort, err)
	}
	return message, nil
}

// ended makes one error of the ways in which a server ends a connection.
func ended(err error) error {
	if errors.Is(err, syscall.ECONNRESET) {
		return io.EOF
	}
	return err
}

// Call sends one request and returns the next answer.
func (c *Conn) Call(text string) (string, error) {
	if err := c.Send(text); err != nil {
		return "", err
	}
	return c.Recv()
}

// Callf is Call with a format.
func (c *Conn) Callf(format string, args ...any) (string, error) {
	return c.Call(fmt.Sprintf(format, args...))
}

// RecvByTwoReads receives an answer as simple clients do: one read of four
// bytes, one of the whole message, and no loop. It fails where they would. It
// must be the only way in which the connection is read.
func (c *Conn) RecvByTwoReads() (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.Patience)); err != nil {
		return "", err
	}
	size := make([]byte, 4)
	if n, err := c.Conn.Read(size); n != len(size) {
		return "", fmt.Errorf("one read of the size got %d bytes: %w", n, err)
	}
	message := make([]byte, binary.BigEndian.Uint32(size))
	if n, err := c.Conn.Read(message); n != len(message) {
		return "", fmt.Errorf("one read of a message of %d bytes got %d: %w", len(message), n, err)
	}
	return Text(message)
}

// Answer is a response taken apart, for tests that compute with it.
type Answer struct {
	Tag, Flags, Rev, Len, Err int64
	Path, Value, Detail       string
}

// Parse takes a response apart; what is absent is zero.
func Parse(message []byte) (Answer, error) {
	var a Answer
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return a, protowire.ParseError(n)
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(num, typ, message)
		if n < 0 {
			return a, protowire.ParseError(n)
		}
		if p := a.number(num); p != nil && typ == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(message)
			*p = int64(v)
		}
		if p := a.text(num); p != nil && typ == protowire.BytesType {
			*p, _ = protowire.ConsumeString(message)
		}
		message = message[n:]
	}
	return a, nil
}

// number returns where a field that is a number goes, nil if there is none.
func (a *Answer) number(field protowire.Number) *int64 {
	switch field {
	case 1:
		return &a.Tag
	case 2:
		return &a.Flags
	case 3:
		return &a.Rev
	case 8:
		return &a.Len
	case 100:
		return &a.Err
	}
	return nil
}

// text returns where a field that is a text goes, nil if there is none.
func (a *Answer) text(field protowire.Number) *string {
	switch field {
	case 5:
		return &a.Path
	case 6:
		return &a.Value
	case 101:
		return &a.Detail
	}
	return nil
}

// RecvAnswer is Recv, taken apart.
func (c *Conn) RecvAnswer() (Answer, error) {
	message, err := c.RecvBytes()
	if err != nil {
		return Answer{}, err
	}
	return Parse(message)
}

// Ask is Call, taken apart.
func (c *Conn) Ask(format string, args ...any) (Answer, error) {
	if err := c.Send(fmt.Sprintf(format, args...)); err != nil {
		return Answer{}, err
	}
	return c.RecvAnswer()
}
