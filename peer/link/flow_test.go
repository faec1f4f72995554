package link

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

// Who does not read keeps nobody from sending, neither to it nor to others.
func TestSlowReader(t *testing.T) {
	release := make(chan struct{})
	slow := start(t, "S")
	slow.receiving = func(Remote, []byte) { <-release }
	a, b := start(t, "A", func(c *Config) { c.MaxQueueBytes = 1 << 20 }), start(t, "B")
	a.connect(slow, b)
	body := []byte(strings.Repeat("x", 100_000))
	for a.Stats().NoRoom == 0 {
		a.Send(slow.peer(), body)
	}
	a.Send(b.peer(), []byte("hello"))
	b.awaitGot("A/ hello")
	close(release)
	slow.await("served what was queued", func() bool { return len(slow.got) >= 10 })
	for drained := false; !drained; { // there is room again
		before := a.Stats().NoRoom
		a.Send(slow.peer(), []byte("last"))
		drained = a.Stats().NoRoom == before
	}
	slow.awaitGot("A/ last")
}

func TestQueueLimits(t *testing.T) {
	q := queue{maxFrames: 3, maxBytes: 100, ready: make(chan struct{}, 1)}
	body := func(n int) []byte { return make([]byte, n) }
	assert.Equal(t, noLink, q.push("B", body(1)))
	q.open("B", 16)
	assert.Equal(t, noLink, q.push("C", body(1)))
	assert.Equal(t, queued, q.push("B", body(1000))) // alone, it may be longer
	assert.Equal(t, noRoom, q.push("B", body(1)))
	batch, frames := q.take(nil)
	assert.Equal(t, 1, frames)
	assert.Equal(t, sizeBytes+kindBytes+1000+16, len(batch))

	for range 3 {
		assert.Equal(t, queued, q.push("", body(1)))
	}
	assert.Equal(t, noRoom, q.push("B", body(1)))
	assert.Equal(t, 3, q.close())
	assert.Equal(t, noLink, q.push("B", body(1)))

	q.open("C", 0)
	assert.Equal(t, queued, q.push("C", body(95))) // of 100, with what is around it
	assert.Equal(t, noRoom, q.push("C", body(0)))
}

func TestFramesOfAllSizes(t *testing.T) {
	for _, secret := range []string{"", "s"} {
		a, b := start(t, "A", withSecret(secret)), start(t, "B", withSecret(secret))
		sum := make(chan string, 1)
		b.receiving = func(_ Remote, body []byte) { sum <- fmt.Sprint(len(body), strings.Count(string(body), "y")) }
		a.connect(b)
		for _, n := range []int{0, 1, 511, 512, 32 << 10, 1 << 20, wire.MaxPeerFrame} {
			a.Send(b.peer(), []byte(strings.Repeat("y", n)))
			assert.Equal(t, fmt.Sprint(n, n), <-sum)
		}
		a.Send(b.peer(), make([]byte, wire.MaxPeerFrame+1))
		assert.Equal(t, uint64(1), a.Stats().NoRoom)
	}
}

// Frames of one link arrive in order, each once, as long as the link is up.
func TestOrder(t *testing.T) {
	const frames = 10_000
	a, b := start(t, "A", withSecret("s")), start(t, "B", withSecret("s"))
	next, done := 0, make(chan int)
	b.receiving = func(_ Remote, body []byte) {
		if string(body) == fmt.Sprint(next) {
			next++
		}
		if string(body) == "end" {
			done <- next
		}
	}
	a.connect(b)
	for i := range frames {
		a.Send(b.peer(), fmt.Append(nil, i))
	}
	a.Send(b.peer(), []byte("end"))
	assert.Equal(t, frames, <-done)
}
