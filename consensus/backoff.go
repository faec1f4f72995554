package consensus

import (
	"math/rand/v2"
	"time"
)

// maxBackoff is the longest pause between two tries of anything.
const maxBackoff = 2 * time.Second

// backoff says when to try again: after a pause that doubles each time.
type backoff struct {
	at    time.Duration
	pause time.Duration
}

func (b *backoff) start(now, pause time.Duration) {
	b.pause = pause
	b.at = now + pause
}

// due reports whether it is time to try, and if so puts the next try off.
func (b *backoff) due(now time.Duration) bool {
	if now < b.at {
		return false
	}
	b.pause = max(b.pause, min(2*b.pause, maxBackoff))
	b.at = now + b.pause
	return true
}

// jitter returns a random pause of half to one and a half times d.
func jitter(r *rand.Rand, d time.Duration) time.Duration {
	return d/2 + time.Duration(r.Int64N(int64(d)+1))
}
