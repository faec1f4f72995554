package store

import "strings"

// permit returns why m must fail on the tree root: ErrNotDir, ErrRevMismatch or
// ErrIsDir, the first of them that holds; nil if it may go on.
//
// So that a failure can always be written down, /ctl is a directory and
// /ctl/err a file here even where there are none.
func permit(root *entry, m Mutation) error {
	path := m.Path[1:]
	if root.fileAbove(path) || strings.HasPrefix(m.Path, ctlErr+"/") {
		return ErrNotDir
	}
	rev := Missing
	if e := root.find(path); e != nil {
		rev = e.rev
	} else if m.Path == ctlDir {
		rev = Dir
	}
	switch {
	case !passes(m.Guard, rev):
		return ErrRevMismatch
	case rev == Dir:
		return ErrIsDir
	}
	return nil
}

// passes reports whether a guard lets through what has the given rev.
func passes(guard, rev int64) bool {
	return guard == Clobber || guard >= rev
}
