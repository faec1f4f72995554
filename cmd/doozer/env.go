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
	terminal       bool // stderr is one: a person reads it
}

func processEnv() env {
	return env{
		name:     filepath.Base(os.Args[0]),
		args:     os.Args[1:],
		environ:  os.Environ(),
		stdin:    os.Stdin,
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		terminal: isTerminal(os.Stderr),
	}
}

// isTerminal takes other character devices for terminals too, but none of them
// is looked at by a script.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
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
