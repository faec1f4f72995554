package store

import (
	"encoding/binary"
	"fmt"
)

// Revs that are no revs of a file.
const (
	// Clobber as a guard: set or delete whatever is there.
	Clobber int64 = -1
	// Missing as a guard: only if there is no such file. As a rev: there is none.
	Missing int64 = 0
	// Dir is the rev of a directory.
	Dir int64 = -2
)

// MaxBody is the longest body of a mutation, in bytes. It is the bound of the
// encoding; servers refuse long before it what their users may not store.
const MaxBody = 64 << 20

// Op is what a mutation does to its file.
type Op uint8

// The operations.
const (
	Set Op = iota + 1 // give the file a body; it appears if it was missing
	Del               // remove the file; succeeds if it was missing
)

// Mutation is a change as it is proposed.
type Mutation struct {
	Op   Op
	Path string
	// Guard is the newest rev of the file that the change may replace. A
	// missing file has rev 0 and so passes any Guard > 0. See also Clobber and
	// Missing; other guards below 0 pass for nothing.
	Guard int64
	Body  []byte // of a Set
}

// The encoding of a mutation: the version, the operation, the guard (zigzag
// varint), the length of the path (varint), the path, and the body, which is
// all the rest. There is one encoding of each mutation.
const mutationVersion = 1

// Append appends the encoding of m to dst.
func (m Mutation) Append(dst []byte) []byte {
	dst = append(dst, mutationVersion, byte(m.Op))
	dst = binary.AppendVarint(dst, m.Guard)
	dst = binary.AppendUvarint(dst, uint64(len(m.Path)))
	dst = append(dst, m.Path...)
	return append(dst, m.Body...)
}

// DecodeMutation returns the mutation that b encodes, its Body being part of
// b. An error wraps ErrBadMutation: b is not exactly what Append appends for a
// mutation with a good operation and path, and a body that it may have.
func DecodeMutation(b []byte) (Mutation, error) {
	d := mutationDecoder{rest: b}
	version, op := d.byte(), Op(d.byte())
	guard := d.varint()
	path := string(d.bytes(d.uvarint()))
	m := Mutation{Op: op, Path: path, Guard: guard, Body: d.rest}
	switch {
	case d.broken:
		return Mutation{}, fmt.Errorf("%w: cut short, or a number not in its shortest form", ErrBadMutation)
	case version != mutationVersion:
		return Mutation{}, fmt.Errorf("%w: version %d", ErrBadMutation, version)
	case op != Set && op != Del:
		return Mutation{}, fmt.Errorf("%w: operation %d", ErrBadMutation, op)
	case len(m.Body) > MaxBody:
		return Mutation{}, fmt.Errorf("%w: body of %d bytes, more than %d", ErrBadMutation, len(m.Body), MaxBody)
	case op == Del && len(m.Body) > 0:
		return Mutation{}, fmt.Errorf("%w: a delete with a body", ErrBadMutation)
	}
	if err := CheckPath(path); err != nil {
		return Mutation{}, fmt.Errorf("%w: %w", ErrBadMutation, err)
	}
	if op == Del {
		m.Body = nil
	}
	return m, nil
}

// A mutationDecoder takes fields off the front of rest. Once broken it yields
// zeros.
type mutationDecoder struct {
	rest   []byte
	broken bool
}

func (d *mutationDecoder) byte() byte {
	b := d.bytes(1)
	if d.broken {
		return 0
	}
	return b[0]
}

func (d *mutationDecoder) bytes(n uint64) []byte {
	if d.broken || n > uint64(len(d.rest)) {
		d.broken = true
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *mutationDecoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || n > 1 && d.rest[n-1] == 0 { // a last byte of 0 is not the shortest form
		d.broken = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *mutationDecoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}
