package main

import "context"

func setCommand() command {
	return command{
		name:    "set",
		args:    []string{"PATH", "REV"},
		summary: "set a file from standard input, if unchanged since REV",
		help: `Sets the file PATH to what is read from standard input to its end, and prints
its new rev. If the file was changed after REV, nothing is done and the exit
status is 1. REV 0 sets it only if it is missing, -1 in any case.`,
		example: `$ echo "hello again" | doozer set /message 9
10`,
		options: []string{"json"},
		run: func(ctx context.Context, c *call) error {
			rev, err := parseRev(c.args[1])
			if err != nil {
				return err
			}
			return c.write(ctx, c.args[0], rev)
		},
	}
}
