//go:build !linux

package cluster

import (
	"errors"
	"os"
)

// openTun fails: only on Linux are there hosts to be connected.
func openTun(string) (*os.File, error) {
	return nil, errors.New("wires can be made rough on Linux only")
}
