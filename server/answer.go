package server

import (
	"sync"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// A tag is what a client told a request by; absent is a tag too.
type tag struct {
	value   int32
	present bool
}

// fields is which fields an answer has, besides tag and error: a set of bits.
type fields uint8

const (
	hasFlags fields = 1 << iota
	hasRev
	hasPath
	hasValue
	hasLen
)

// eventFields is what the answers to WAIT and WALK have.
const eventFields = hasFlags | hasRev | hasPath | hasValue

// answerOverhead is what a queued answer costs besides its texts and its value,
// in bytes.
const answerOverhead = 256

// An answer is a response that is still to be encoded. Its value is shared
// with the store and every other answer that has it.
type answer struct {
	tag    tag
	fields fields
	flags  int32
	rev    int64
	path   string
	value  []byte
	length int32

	code   wire.Response_Err // 0 is none
	detail string            // of OTHER

	cost int // what it counts for while it is queued, in bytes
}

// refused answers a request with an error.
func refused(t tag, e refusal) answer {
	return answer{tag: t, code: e.code, detail: e.detail}
}

// happened answers a WAIT or a WALK with an event.
func happened(t tag, e store.Event) answer {
	flags := wire.FlagSet
	if e.Op == store.Del {
		flags = wire.FlagDel
	}
	return answer{tag: t, fields: eventFields, flags: flags, rev: e.Rev, path: e.Path, value: e.Body}
}

// happenedOr answers with err if there is one, else with the event.
func happenedOr(t tag, e store.Event, err error) answer {
	if err != nil {
		return refused(t, refuse(err))
	}
	return happened(t, e)
}

// sharesValue reports whether a and b hold the same memory as their values.
func (a *answer) sharesValue(b *answer) bool {
	return len(a.value) > 0 && len(a.value) == len(b.value) && &a.value[0] == &b.value[0]
}

const (
	// chunkSize is how many bytes of frames are gathered for one write.
	chunkSize = 32 << 10

	// inlineValue is the longest value that is copied to its frame, in bytes.
	// Longer ones are written from where they are.
	inlineValue = 4 << 10

	// spareBuffer is the largest buffer that an encoder keeps for the next
	// time, in bytes.
	spareBuffer = 2 * chunkSize
)

// An encoder turns answers into frames. It is reused.
type encoder struct {
	response wire.Response
	buf      []byte

	// What the fields of response point to.
	tag, flags, length int32
	rev                int64
	path, detail       string
	code               wire.Response_Err
}

// encoders caches encoders that no connection needs at the moment.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

// release gives e back to the cache. It forgets texts and values.
func (e *encoder) release() {
	e.path, e.detail = "", ""
	if cap(e.buf) > spareBuffer {
		e.buf = nil
	}
	encoders.Put(e)
}

// chunk makes e.buf the frames of the first n answers, about chunkSize bytes. If
// the last of them has a long value, that is not in e.buf but returned.
func (e *encoder) chunk(answers []answer) (n int, value []byte) {
	e.buf = e.buf[:0]
	for i := range answers {
		a := &answers[i]
		e.head(a)
		if len(a.value) > inlineValue {
			return i + 1, a.value
		}
		if e.buf = append(e.buf, a.value...); len(e.buf) >= chunkSize {
			return i + 1, nil
		}
	}
	return len(answers), nil
}

// head appends the frame of a to e.buf, up to its value and without it.
func (e *encoder) head(a *answer) {
	e.fill(a)
	var err error
	if a.fields&hasValue != 0 {
		e.buf, err = wire.AppendFrameHead(e.buf, &e.response, len(a.value))
	} else {
		e.buf, err = wire.AppendFrame(e.buf, &e.response)
	}
	if err != nil { // limits on requests and values make every answer fit
		panic("server: an answer that cannot be encoded: " + err.Error())
	}
}

// fill makes e.response what a says, without a value.
func (e *encoder) fill(a *answer) {
	r := &e.response
	r.Tag = optional(&e.tag, a.tag.value, a.tag.present)
	r.Flags = optional(&e.flags, a.flags, a.fields&hasFlags != 0)
	r.Rev = optional(&e.rev, a.rev, a.fields&hasRev != 0)
	r.Path = optional(&e.path, a.path, a.fields&hasPath != 0)
	r.Len = optional(&e.length, a.length, a.fields&hasLen != 0)
	r.ErrCode = optional(&e.code, a.code, a.code != 0)
	r.ErrDetail = optional(&e.detail, a.detail, a.code == wire.Response_OTHER)
}

// optional sets *field to value and returns field, or nil if it is absent.
func optional[T any](field *T, value T, present bool) *T {
	if !present {
		return nil
	}
	*field = value
	return field
}
