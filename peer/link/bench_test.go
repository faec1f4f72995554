package link

import (
	"fmt"
	"testing"
)

// BenchmarkFrames sends frames over loopback, as fast as they are received.
func BenchmarkFrames(b *testing.B) {
	for _, secret := range []string{"", "secret"} {
		for _, size := range []int{100, 1000, 100_000} {
			b.Run(fmt.Sprintf("secret=%v/size=%d", secret != "", size), func(b *testing.B) { benchmark(b, secret, size) })
		}
	}
}

// ahead is how many frames may be under way, as they would be in a cluster at
// full load.
const ahead = 64

func benchmark(b *testing.B, secret string, size int) {
	from, to := start(b, "A", withSecret(secret)), start(b, "B", withSecret(secret))
	room := make(chan struct{}, ahead)
	to.receiver = func(Remote, []byte) { <-room }
	from.connect(to)
	body := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		room <- struct{}{}
		from.Send(to.peer(), body)
	}
	for range ahead {
		room <- struct{}{}
	}
}

// BenchmarkRoundTrip is one frame there and one back.
func BenchmarkRoundTrip(b *testing.B) {
	for _, secret := range []string{"", "secret"} {
		b.Run(fmt.Sprintf("secret=%v", secret != ""), func(b *testing.B) {
			here, there := start(b, "A", withSecret(secret)), start(b, "B", withSecret(secret))
			back := make(chan struct{})
			there.receiver = func(_ Remote, body []byte) { there.Send(here.peer(), body) }
			here.receiver = func(Remote, []byte) { back <- struct{}{} }
			here.connect(there)
			there.connect(here)
			body := make([]byte, 200)
			for b.Loop() {
				here.Send(there.peer(), body)
				<-back
			}
		})
	}
}
