package server

import (
	"errors"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// A refusal is an error as clients see it. The zero refusal is none.
type refusal struct {
	code   wire.Response_Err
	detail string // of OTHER
}

// other is the refusal with a code of no meaning and the given text.
func other(detail string) refusal {
	return refusal{code: wire.Response_OTHER, detail: detail}
}

// storeErrors says what the store's errors are to clients.
var storeErrors = [...]struct {
	err  error
	code wire.Response_Err
}{
	{store.ErrRevMismatch, wire.Response_REV_MISMATCH},
	{store.ErrIsDir, wire.Response_ISDIR},
	{store.ErrNotDir, wire.Response_NOTDIR},
	{store.ErrNoEnt, wire.Response_NOENT},
	{store.ErrRange, wire.Response_RANGE},
	{store.ErrTooLate, wire.Response_TOO_LATE},
	{store.ErrBadPath, wire.Response_BAD_PATH},
}

// refuse is the refusal for an error of the store.
func refuse(err error) refusal {
	for _, e := range storeErrors {
		if errors.Is(err, e.err) {
			return refusal{code: e.code}
		}
	}
	return other(err.Error())
}

// isReadOnly reports whether err says that a node takes no writes.
func isReadOnly(err error) bool {
	var marked interface{ ReadOnly() bool }
	return errors.As(err, &marked) && marked.ReadOnly()
}
