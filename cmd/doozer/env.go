package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// An env is the part of a process that doozer uses.
type env struct {
	name           string   // what the program was called, without directories
	args           []string // its arguments, without its name
	environ        []string // NAME=value; of two with one name the last counts
	stdin          io.Reader
	stdout, stderr io.Writer
}

func processEnv() env {
	return env{
		name:    filepath.Base(os.Args[0]),
		args:    os.Args[1:],
		environ: os.Environ(),
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
	}
}

// getenv returns the value of the environment variable name, "" if there is
// none: for doozer, empty and unset are the same.
func (e env) getenv(name string) string {
	value := ""
	for _, pair := range e.environ {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			value = v
		}
	}
	return value
}
