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

// gcPercent makes the heap grow by two fifths between two collections, not by
// all of its size. Measured: a daemon in which 100,000 files of 128 bytes were
// just set takes 56 to 59 MB; with three fifths it took 59 to 68, with Go's
// default more. The rate of writes was the same within what it varies.
const gcPercent = 40

// saveMemory sets gcPercent unless the environment asks for something else.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
