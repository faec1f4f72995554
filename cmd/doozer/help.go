package main

import "context"

func helpCommand() command {
	return command{
		name:    "help",
		args:    []string{"COMMAND"},
		summary: "show the help of a command",
		help:    "Prints what COMMAND does, what it prints, and an example. COMMAND is one of\n",
		more:    writeCommands,
		example: `$ doozer help wait`,
		run:     printHelp,
	}
}

// printHelp prints the help of the command that the only argument names.
func printHelp(_ context.Context, c *call) error {
	cmd, ok := lookup(c.args[0])
	if !ok {
		return unknownCommand(c.args[0])
	}
	return writeHelp(c.env, cmd)
}
