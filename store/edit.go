package store

import (
	"bytes"
	"strings"
)

// An edit applies one mutation to the tree, in one descent.
//
// So that a failure can always be written down, /ctl is a directory for it and
// /ctl/err a file even where there are none.
type edit struct {
	Mutation
	rev int64 // that it makes
	err error // why it failed, if it did
}

// apply returns the root after the mutation; the same root if it failed or
// changed nothing.
func (d *edit) apply(root *entry) *entry {
	switch {
	case strings.HasPrefix(d.Path, ctlErr+"/"):
		d.err = ErrNotDir
		return root
	case d.Path == "/":
		d.err = d.refusal(Dir)
		return root
	}
	return d.inDir(root, d.Path[1:])
}

// inDir returns the directory dir after the mutation of path, which is relative
// to it.
func (d *edit) inDir(dir *entry, path string) *entry {
	name, below, more := strings.Cut(path, "/")
	change := d.change
	if more {
		change = func(old *entry) *entry { return d.inSub(old, below) }
	}
	sub := dir.sub.edit(name, change)
	if sub == dir.sub {
		return dir
	}
	return &entry{rev: Dir, sub: sub}
}

// inSub returns what becomes of old, which the path needs to be a directory. It
// appears with its first entry and vanishes with its last.
func (d *edit) inSub(old *entry, below string) *entry {
	dir := old
	switch {
	case old == nil:
		dir = emptyDir()
	case !old.isDir():
		d.err = ErrNotDir
		return old
	}
	if dir = d.inDir(dir, below); dir.sub.entries == 0 {
		return nil
	}
	return dir
}

// change returns what becomes of old, to which the path leads.
func (d *edit) change(old *entry) *entry {
	rev := Missing
	switch {
	case old != nil:
		rev = old.rev
	case d.Path == ctlDir:
		rev = Dir
	}
	switch d.err = d.refusal(rev); {
	case d.err != nil:
		return old
	case d.Op == Del:
		return nil
	default:
		d.Body = bytes.Clone(d.Body) // it was part of what the caller may use again
		return &entry{rev: d.rev, body: d.Body}
	}
}

// refusal returns why the mutation must not change what has the given rev; nil
// if it may.
func (d *edit) refusal(rev int64) error {
	switch {
	case d.Guard < rev && d.Guard != Clobber:
		return ErrRevMismatch
	case rev == Dir:
		return ErrIsDir
	}
	return nil
}
