package store

import "errors"

// Errors that a mutation fails with. It consumes its rev nevertheless, and
// the text becomes the body of /ctl/err.
var (
	// ErrNotDir: a file stands where the path needs a directory. Snapshot.Entry
	// returns it for a file.
	ErrNotDir = errors.New("not a directory")
	// ErrRevMismatch: the guard forbids it, because the file is newer than the
	// guard, or exists and must not.
	ErrRevMismatch = errors.New("rev mismatch")
	// ErrIsDir: the path is a directory, and only files are set, deleted and got.
	ErrIsDir = errors.New("is a directory")
	// ErrBadMutation: the bytes are no mutation.
	ErrBadMutation = errors.New("bad mutation")
)

// Errors of reading.
var (
	// ErrNoEnt: there is no such directory.
	ErrNoEnt = errors.New("no such file or directory")
	// ErrRange: the offset is negative, or not less than the count.
	ErrRange = errors.New("offset out of range")
	// ErrTooLate: the rev is older than the history that is kept, or its event
	// came in with an installed version, which knows the tree but not the event.
	ErrTooLate = errors.New("rev no longer in history")
	// ErrFuture: the rev is still to come; AwaitRev waits for it.
	ErrFuture = errors.New("rev still to come")
)

// Errors of carrying a version from one store to another.
var (
	// ErrBadSnapshot: no store could have this version; the error that wraps it
	// says why.
	ErrBadSnapshot = errors.New("bad snapshot")
	// ErrOldSnapshot: the store is at that rev already, or beyond it.
	ErrOldSnapshot = errors.New("snapshot is not newer")
)

// Errors of what a caller passes on from outside.
var (
	// ErrBadPath: not a path; the error that wraps it says why.
	ErrBadPath = errors.New("bad path")
	// ErrBadGlob: not a glob; the error that wraps it says why.
	ErrBadGlob = errors.New("bad glob")
)
