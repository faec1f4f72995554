//go:build !unix

package main

import "os/exec"

// Without process groups only the shell itself is ended, by its context.

func endTogether(*exec.Cmd) {}

func killRest(*exec.Cmd) {}
