package wire

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// tagField is the number of the field tag, in requests and responses.
const tagField = 1

// lastVarintByte is how many bytes come before the last one that a varint can
// have, which holds one bit.
const lastVarintByte = 9

// A tagScanner finds the tag in a message that is too long to be kept, which
// it is given in pieces of any size. It accepts and refuses what Decode
// accepts and refuses, and its memory does not depend on the message.
type tagScanner struct {
	expect expectation
	varint uint64             // the bits so far of the varint expected
	bytes  int                // how many bytes these were
	field  protowire.Number   // the field whose value is being read
	left   uint64             // bytes of that value still to be passed over
	groups []protowire.Number // the fields of the groups that are open

	tag    int32
	tagged bool
}

// An expectation is what the next varint of a message means.
type expectation uint8

const (
	expectKey expectation = iota
	expectValue
	expectLength
)

// scan takes the message's next bytes.
func (s *tagScanner) scan(b []byte) error {
	for len(b) > 0 {
		if s.left > 0 {
			n := min(s.left, uint64(len(b)))
			s.left -= n
			b = b[n:]
			continue
		}
		if err := s.scanByte(b[0]); err != nil {
			return err
		}
		b = b[1:]
	}
	return nil
}

// end says that the message ends here.
func (s *tagScanner) end() error {
	if s.left > 0 || s.bytes > 0 || s.expect != expectKey || len(s.groups) > 0 {
		return fmt.Errorf("%w: it ends within a field", ErrMalformed)
	}
	return nil
}

// scanByte takes the next byte of a varint.
func (s *tagScanner) scanByte(c byte) error {
	if s.bytes == lastVarintByte && c > 1 {
		return fmt.Errorf("%w: a number of more than 64 bits", ErrMalformed)
	}
	s.varint |= uint64(c&0x7f) << (7 * s.bytes)
	s.bytes++
	if c >= 0x80 {
		return nil
	}
	v := s.varint
	s.varint, s.bytes = 0, 0
	return s.scanVarint(v)
}

// scanVarint takes a whole varint for what was expected.
func (s *tagScanner) scanVarint(v uint64) error {
	switch s.expect {
	case expectKey:
		return s.scanKey(v)
	case expectLength:
		s.left = v
	case expectValue:
		if s.field == tagField && len(s.groups) == 0 {
			s.tag, s.tagged = int32(v), true
		}
	}
	s.expect = expectKey
	return nil
}

// scanKey takes a field's number and wire type.
func (s *tagScanner) scanKey(key uint64) error {
	if n := key >> 3; n < 1 || n > s.maxNumber() {
		return fmt.Errorf("%w: field number %d", ErrMalformed, n)
	}
	s.field = protowire.Number(key >> 3)
	switch t := protowire.Type(key & 7); t {
	case protowire.VarintType:
		s.expect = expectValue
	case protowire.Fixed64Type:
		s.left = 8
	case protowire.Fixed32Type:
		s.left = 4
	case protowire.BytesType:
		s.expect = expectLength
	case protowire.StartGroupType:
		return s.open()
	case protowire.EndGroupType:
		return s.close()
	default:
		return fmt.Errorf("%w: wire type %d", ErrMalformed, t)
	}
	return nil
}

// maxNumber is the highest field number that the library takes here.
func (s *tagScanner) maxNumber() uint64 {
	if len(s.groups) > 0 {
		return math.MaxInt32
	}
	return uint64(protowire.MaxValidNumber)
}

// open begins a group.
func (s *tagScanner) open() error {
	if len(s.groups) == maxGroups {
		return fmt.Errorf("%w: more than %d groups within each other", ErrMalformed, maxGroups)
	}
	s.groups = append(s.groups, s.field)
	return nil
}

// close ends the innermost group.
func (s *tagScanner) close() error {
	last := len(s.groups) - 1
	if last < 0 || s.groups[last] != s.field {
		return fmt.Errorf("%w: the end of a group that is not open", ErrMalformed)
	}
	s.groups = s.groups[:last]
	return nil
}
