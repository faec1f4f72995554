package main

import (
	"context"
	"fmt"
)

// A call is one command with all that it needs.
type call struct {
	env
	*options
	args []string // as many as the command takes
	run  func(context.Context, *call) error
}

// parse turns the arguments of e into a call. Its error is a *callError.
func parse(e env) (*call, error) {
	o := defaultOptions(e)
	rest, err := o.parse(e.args)
	switch {
	case err != nil:
		return nil, badOption(err)
	case o.version:
		return &call{env: e, run: printVersion}, nil
	case o.help:
		return &call{env: e, run: printUsage}, nil
	case len(rest) == 0:
		return nil, missingCommand()
	}
	return o.parseCommand(e, rest[0], rest[1:])
}

// parseCommand goes on behind the options before the command's name.
func (o *options) parseCommand(e env, name string, args []string) (*call, error) {
	cmd, ok := lookup(name)
	if !ok {
		return nil, unknownCommand(name)
	}
	args, err := o.parse(args)
	switch {
	case err != nil:
		return nil, badOption(err)
	case o.help:
		return &call{env: e, args: []string{name}, run: printHelp}, nil
	case o.exec != "" && !cmd.heeds("exec"):
		return nil, badOption(fmt.Errorf("-exec is for watch, not for %s", name))
	case len(args) != len(cmd.args):
		return nil, wrongArguments(cmd)
	}
	return &call{env: e, options: o, args: args, run: cmd.run}, nil
}
