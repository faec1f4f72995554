package web

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"
)

// A pipe is the answer to a stream, without a network, so that it can be used
// with a fake clock.
type pipe struct {
	stuck bool // nothing is taken: writing ends at its deadline

	mu       sync.Mutex
	buf      bytes.Buffer
	header   http.Header
	deadline time.Time
}

func newPipe() *pipe { return &pipe{header: make(http.Header)} }

func (p *pipe) Header() http.Header             { return p.header }
func (p *pipe) WriteHeader(int)                 {}
func (p *pipe) FlushError() error               { return nil }
func (p *pipe) SetReadDeadline(time.Time) error { return nil }

func (p *pipe) SetWriteDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	return nil
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.stuck {
		p.mu.Lock()
		wait := time.Until(p.deadline)
		p.mu.Unlock()
		time.Sleep(wait) // of a bubble's clock
		return 0, os.ErrDeadlineExceeded
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *pipe) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}

func requestOf(ctx context.Context, url string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, "GET", url, nil)
	r.Host = "127.0.0.1:8000"
	return r
}
