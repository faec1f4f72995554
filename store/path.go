package store

import (
	"fmt"
	"strings"
)

// MaxPath is the longest path and the longest glob, in bytes.
const MaxPath = 4096

// The paths of the servers' own that the tree itself knows.
const (
	ctlDir = "/ctl"
	ctlErr = "/ctl/err" // holds the text of the last failure
)

// CheckPath returns nil if path is "/", or one or more of "/" and a name, a
// name being one or more of a-z A-Z 0-9 . -; and else an error that wraps
// ErrBadPath. Nothing is normalised: "." and ".." are names like others.
func CheckPath(path string) error {
	if why := checkNames(path, ""); why != "" {
		return fmt.Errorf("%w: %s", ErrBadPath, why)
	}
	return nil
}

// checkNames says what keeps path from being a path whose names may also hold
// the bytes of wild; "" if nothing does.
func checkNames(path, wild string) string {
	switch {
	case path == "":
		return "it is empty"
	case len(path) > MaxPath:
		return fmt.Sprintf("it has %d bytes, more than %d", len(path), MaxPath)
	case path[0] != '/':
		return "it does not begin with a slash"
	case path == "/":
		return ""
	case path[len(path)-1] == '/':
		return "it ends with a slash"
	}
	for i := 1; i < len(path); i++ {
		c := path[i]
		if c == '/' && path[i-1] == '/' {
			return fmt.Sprintf("the name at byte %d is empty", i)
		}
		if c != '/' && !isNameByte(c) && strings.IndexByte(wild, c) < 0 {
			return fmt.Sprintf("byte %d is %q", i, c)
		}
	}
	return ""
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-'
}
