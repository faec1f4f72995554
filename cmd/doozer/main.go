// Doozer is the command line client of doozerd: it reads, writes and watches
// the files of a cluster.
//
// Its grammar, outputs and exit statuses are relied on by scripts; doc/doozer.1
// states them. The program is a table of commands (command.go), a parser that
// turns arguments into a call of one of them (call.go), and one small file per
// command. Everything a command may touch of its process comes to it as an
// [env], so that nothing here depends on global state, and every error ends in
// one place (errors.go), which alone decides what is said and with which exit
// status.
//
// What is printed on standard output is the answer and nothing but the answer:
// usage, errors and hints go to standard error (help that was asked for is an
// answer).
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(untilSignal(context.Background()), processEnv()))
}

// run does what e.args ask for and returns the exit status.
func run(ctx context.Context, e env) int {
	c, err := parse(e)
	if err == nil {
		err = c.run(ctx, c)
	}
	return report(ctx, e, err)
}
