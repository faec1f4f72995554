package peer

import (
	"context"
	"log/slog"
	"time"
)

// quietFor is how long a node that attaches to others keeps the ups and downs of its links to itself: if it
// finds nobody, one line tells all.
const quietFor = 2 * time.Second

// A quietHandler lets warnings through, and all else only when it may be loud.
type quietHandler struct {
	slog.Handler
	loud func() bool
}

func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return (level >= slog.LevelWarn || h.loud()) && h.Handler.Enabled(ctx, level)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs), h.loud}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name), h.loud}
}

// linkLog returns the log of the links.
func (n *Node) linkLog() *slog.Logger {
	return slog.New(quietHandler{n.log.Handler(), func() bool { return n.Ready() || time.Since(n.start) > quietFor }})
}
