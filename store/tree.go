package store

import "strings"

// Paths inside of this file are relative: names joined by slashes.

// find returns the entry at path below e, nil if there is none. The empty path
// is e itself.
func (e *entry) find(path string) *entry {
	for path != "" {
		if !e.isDir() {
			return nil
		}
		name, below, more := strings.Cut(path, "/")
		if e = e.sub.get(name); e == nil || more && below == "" {
			return nil
		}
		path = below
	}
	return e
}

// fileAbove reports whether a file stands where path needs a directory.
func (e *entry) fileAbove(path string) bool {
	for {
		name, below, more := strings.Cut(path, "/")
		if !more {
			return false
		}
		if e = e.sub.get(name); e == nil {
			return false
		}
		if !e.isDir() {
			return true
		}
		path = below
	}
}

// with returns the directory e with file at path, and with the directories
// that it needs. No file may stand in their places.
func (e *entry) with(path string, file *entry) *entry {
	name, below, more := strings.Cut(path, "/")
	if more {
		sub := e.sub.get(name)
		if sub == nil {
			sub = emptyDir()
		}
		file = sub.with(below, file)
	}
	return &entry{rev: Dir, sub: e.sub.set(name, file)}
}

// without returns the directory e without the file at path, which must exist,
// and without the directories that this leaves empty. e itself may become
// empty.
func (e *entry) without(path string) *entry {
	name, below, more := strings.Cut(path, "/")
	if more {
		if sub := e.sub.get(name).without(below); sub.sub.entries > 0 {
			return &entry{rev: Dir, sub: e.sub.set(name, sub)}
		}
	}
	return &entry{rev: Dir, sub: e.sub.remove(name)}
}

func emptyDir() *entry { return &entry{rev: Dir, sub: emptyNode()} }
