//go:build !linux

package server

// hungUp cannot tell here before everything that was sent is read.
func hungUp(uintptr) bool { return false }
