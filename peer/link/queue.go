package link

import (
	"encoding/binary"
	"sync"

	"github.com/ha/doozerd/internal/wire"
)

// keptBuffer is the largest buffer that a link keeps while it has nothing to
// send, in bytes.
const keptBuffer = 256 << 10

// kindBytes is the length of a frame's kind, in front of its body.
const kindBytes = 1

// A queue holds the frames that wait for a link while it is up, the way they
// travel but for their seals. Its zero value takes nothing until it is opened.
type queue struct {
	maxFrames, maxBytes int

	ready chan struct{} // has a token when something may wait

	mu     sync.Mutex
	id     string // of the process that the link leads to; empty: it is not up
	room   int    // what a seal takes, in bytes
	frames int
	bytes  []byte
}

// A verdict is what became of a frame that was to be sent.
type verdict int

const (
	queued verdict = iota
	noLink         // to that process
	noRoom
)

// open makes the queue take frames to the process with that id, which are
// followed by room bytes for a seal.
func (q *queue) open(id string, room int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.id, q.room = id, room
}

// close empties the queue, makes it take nothing more, and returns how many
// frames were in it.
func (q *queue) close() (frames int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	frames = q.frames
	q.id, q.frames, q.bytes = "", 0, nil
	return frames
}

// leadsTo is the id of the process that the link leads to, empty if it is not up.
func (q *queue) leadsTo() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.id
}

// push copies the body of a frame into the queue, if it is to the process with
// that id. An empty id is that of any process.
func (q *queue) push(id string, body []byte) verdict {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.id == "" || id != "" && id != q.id {
		return noLink
	}
	if q.frames > 0 && (q.frames >= q.maxFrames || len(q.bytes)+sizeBytes+kindBytes+len(body)+q.room > q.maxBytes) {
		return noRoom
	}
	q.frames++
	q.bytes = appendFrame(q.bytes, wire.PeerData, body, q.room)
	if q.frames == 1 {
		signal(q.ready)
	}
	return queued
}

// take returns all that waits. The queue goes on with spare, which holds nothing.
func (q *queue) take(spare []byte) (batch []byte, frames int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, frames = q.bytes, q.frames
	q.bytes, q.frames = spare[:0], 0
	return batch, frames
}

// rest gives back the memory of a queue that is empty, if it is much.
func (q *queue) rest() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.frames == 0 && cap(q.bytes) > keptBuffer {
		q.bytes = nil
	}
}

// appendFrame appends a frame as it travels, with room bytes for its seal.
func appendFrame(dst []byte, kind byte, body []byte, room int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(kindBytes+len(body)+room))
	dst = append(dst, kind)
	dst = append(dst, body...)
	return append(dst, make([]byte, room)...)
}

// sealAll seals the frames of a batch, one by one.
func sealAll(batch []byte, s *sealer) {
	if s == nil {
		return
	}
	for len(batch) > 0 {
		end := sizeBytes + int(binary.BigEndian.Uint32(batch))
		body := end - s.size()
		s.seal(batch[body:end], batch[sizeBytes:body])
		batch = batch[end:]
	}
}

// signal puts a token into c, which has room for one, unless it has it.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
