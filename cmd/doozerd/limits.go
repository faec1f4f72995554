package main

import (
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"
)

// spareFiles is how many files a node has open besides its connections.
const spareFiles = 64

// warnOfFewFiles says so if the process may not open as many files as its
// clients may make connections. The Go runtime has raised the limit as far as
// it may.
func warnOfFewFiles(log *slog.Logger, conns int) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err == nil && limit.Cur < uint64(conns)+spareFiles {
		log.Warn("fewer open files are allowed than -max-conns: raise the limit (ulimit -n), or lower -max-conns",
			"files", limit.Cur, "max-conns", conns)
	}
}

// gcPercent makes the heap grow by half, not twice, between two collections. A
// node's heap is its tree, which changes little in that time: collecting more
// often costs a few per cent of its speed and saves a third of its memory.
const gcPercent = 50

// saveMemory sets gcPercent unless the user has asked for something else.
func saveMemory() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
