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

func emptyDir() *entry { return &entry{rev: Dir, sub: emptyNode()} }
