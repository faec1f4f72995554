package main

import (
	"context"
	"io"
	"slices"
)

// A command is one thing that doozer does.
type command struct {
	name    string
	args    []string        // what its arguments are, as the usage names them
	hidden  bool            // is for programs: not listed for people
	summary string          // one line, for usage and completion
	help    string          // paragraphs, for help
	more    func(io.Writer) // what help goes on with, if it must be made up
	example string          // a transcript, for help
	options []string        // the options it heeds, connecting and -h aside
	run     func(context.Context, *call) error
}

// commands returns the table of all commands, in the order of the usage.
func commands() []command {
	return []command{
		addCommand(),
		completionCommand(),
		delCommand(),
		escapeCommand(),
		findCommand(),
		getCommand(),
		helpCommand(),
		nopCommand(),
		revCommand(),
		selfCommand(),
		setCommand(),
		statCommand(),
		statusCommand(),
		touchCommand(),
		waitCommand(),
		watchCommand(),
		completeCommand(),
	}
}

func lookup(name string) (command, bool) {
	for _, cmd := range commands() {
		if cmd.name == name {
			return cmd, true
		}
	}
	return command{}, false
}

// heeds reports whether an option changes what the command does. Those that say
// how to connect always count.
func (cmd command) heeds(option string) bool {
	switch option {
	case "r", "t", "json", "exec":
		return slices.Contains(cmd.options, option)
	}
	return true
}
