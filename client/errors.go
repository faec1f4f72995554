package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ha/doozerd/internal/wire"
)

// Answers of a server, for errors.Is. What is returned is an *[Error].
var (
	ErrRevMismatch = errors.New("rev mismatch")               // the guard of a write did not pass
	ErrTooLate     = errors.New("too late")                   // the rev is no longer in the server's history
	ErrReadOnly    = errors.New("read only")                  // the server is an observer: it takes no writes
	ErrBadPath     = errors.New("bad path")                   // the path is malformed or too long
	ErrBadGlob     = errors.New("bad glob")                   // the glob is malformed or too long
	ErrNoEnt       = errors.New("no such entry")              // a listing of what does not exist
	ErrIsDir       = errors.New("is a directory")             // only a file can be read or written
	ErrNotDir      = errors.New("not a directory")            // a listing of a file, or a write below one
	ErrRange       = errors.New("offset out of range")        // the end of a listing
	ErrPermission  = errors.New("permission denied")          // the secret is wrong, or one is needed
	ErrCancelled   = errors.New("cancelled")                  // the request was ended by CANCEL
	ErrMissingArg  = errors.New("missing argument")           // never seen from this package's own requests
	ErrUnknownVerb = errors.New("verb unknown to the server") // the server is older than the request
)

// Errors that arise on this side.
var (
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("client is closed")

	// ErrUnknownOutcome: a write was sent and its answer did not come, or was
	// that the server itself does not know, having found no majority in time:
	// so it may or may not have been applied, or may yet be. The error wraps the
	// reason too: a context's error, a *[ConnError], or an *[Error].
	ErrUnknownOutcome = errors.New("the write may or may not have been applied")

	// ErrBehind: a server has not applied what this client has seen already.
	ErrBehind = errors.New("server is behind what was seen before")

	// ErrTooLarge: a request is larger than a frame may be. Servers refuse
	// values much smaller than that, 1 MiB by default, with an *[Error].
	ErrTooLarge = errors.New("request too large")

	// ErrInvalidURI: not a doozer URI, or one that names no address.
	ErrInvalidURI = errors.New("invalid uri")

	// ErrUnknownName: the DzNS knows no cluster of that name.
	ErrUnknownName = errors.New("unknown cluster name")

	// ErrProtocol: the server sent what no doozer server sends. The
	// connection was given up.
	ErrProtocol = errors.New("protocol violation")
)

// Code is an error code of the protocol.
type Code int32

// The codes that servers send.
const (
	TagInUse    = Code(wire.Response_TAG_IN_USE)
	UnknownVerb = Code(wire.Response_UNKNOWN_VERB)
	ReadOnly    = Code(wire.Response_READONLY)
	TooLate     = Code(wire.Response_TOO_LATE)
	RevMismatch = Code(wire.Response_REV_MISMATCH)
	BadPath     = Code(wire.Response_BAD_PATH)
	MissingArg  = Code(wire.Response_MISSING_ARG)
	Range       = Code(wire.Response_RANGE)
	NotDir      = Code(wire.Response_NOTDIR)
	IsDir       = Code(wire.Response_ISDIR)
	NoEnt       = Code(wire.Response_NOENT)
	Other       = Code(wire.Response_OTHER)
)

// String returns the code's name in the protocol, such as REV_MISMATCH, or
// its number if it has none.
func (c Code) String() string { return wire.Response_Err(c).String() }

// Error is an error answer of a server: it got the request and did not do it,
// or if it is [ErrUnknownOutcome] does not know.
// (A Set or Del that failed with RevMismatch, IsDir or NotDir has used up a
// rev all the same, in which /ctl/err was set.)
type Error struct {
	Code   Code
	Detail string // only with Other
}

// Error prints as REV_MISMATCH, or as OTHER: detail.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Detail
}

// Is reports whether target is the sentinel of this answer.
func (e *Error) Is(target error) bool {
	s := e.sentinel()
	return s != nil && s == target
}

func (e *Error) sentinel() error {
	switch e.Code {
	case RevMismatch:
		return ErrRevMismatch
	case TooLate:
		return ErrTooLate
	case ReadOnly:
		return ErrReadOnly
	case BadPath:
		return ErrBadPath
	case NoEnt:
		return ErrNoEnt
	case IsDir:
		return ErrIsDir
	case NotDir:
		return ErrNotDir
	case Range:
		return ErrRange
	case MissingArg:
		return ErrMissingArg
	case UnknownVerb:
		return ErrUnknownVerb
	case Other:
		return e.otherSentinel()
	}
	return nil
}

// otherSentinel knows the details that servers never change because clients
// compare them.
func (e *Error) otherSentinel() error {
	switch {
	case e.Detail == wire.DetailPermission:
		return ErrPermission
	case e.Detail == wire.DetailCancelled:
		return ErrCancelled
	case strings.HasPrefix(e.Detail, wire.DetailBadGlob):
		return ErrBadGlob
	case strings.HasPrefix(e.Detail, wire.DetailUnknown):
		return ErrUnknownOutcome
	}
	return nil
}

// ConnError says why an address could not be reached, or why the connection
// to it was lost.
type ConnError struct {
	Addr string // host:port
	Err  error
}

func (e *ConnError) Error() string { return fmt.Sprintf("%s: %v", e.Addr, e.Err) }

// Unwrap returns the cause, such as syscall.ECONNREFUSED or io.EOF.
func (e *ConnError) Unwrap() error { return e.Err }
