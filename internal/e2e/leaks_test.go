package e2e

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/server"
)

// TestNothingLeaks lets each attack loose on a node in this process, where
// goroutines and heap can be counted: both are back to where they were as soon
// as the attackers have gone, with the node still up.
func TestNothingLeaks(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			addr := startInProcess(t)
			c := dial(t, addr)
			assert.Equal(t, "", call(t, c, "NOP"))
			goroutines := runtime.NumGoroutine() + resting
			a.run(t, addr) // once for what is made on first use, and then stays
			settle(t, goroutines)
			heap := heapInUse()
			stop := bystander(t, addr)
			a.run(t, addr)
			stop()
			settle(t, goroutines)
			eventually(t, "the heap is as it was", func() bool { return heapInUse() <= heap+slack })
			assert.Equal(t, "", call(t, c, "NOP"))
		})
	}
}

// resting is how many goroutines a server may keep for what comes next.
const resting = 16

// slack is what the heap may have grown by: history that has become longer.
const slack = 8 << 20

// settle waits until there are at most so many goroutines.
func settle(t *testing.T, goroutines int) {
	t.Helper()
	eventually(t, fmt.Sprintf("at most %d goroutines", goroutines), func() bool {
		return runtime.NumGoroutine() <= goroutines
	})
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// startInProcess is start without a process. Clients that do not read are cut
// off soon.
func startInProcess(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.Equal(t, nil, err)
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	node, err := peer.Start(peer.Config{Addr: l.Addr().String(), NS: true, Pulse: 24 * time.Hour, Logger: logger})
	assert.Equal(t, nil, err)
	srv, err := server.New(server.Config{Node: node, Logger: logger, WriteTimeout: time.Second})
	assert.Equal(t, nil, err)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		assert.Equal(t, nil, srv.Close())
		assert.Equal(t, server.ErrClosed, <-served)
		assert.Equal(t, nil, node.Close())
	})
	return l.Addr().String()
}
