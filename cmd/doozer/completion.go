package main

import (
	"context"
	"embed"
	"fmt"
)

// Shell completion has two halves: scripts that teach a shell to ask doozer
// what may follow on a command line, and the hidden command that answers
// (complete.go).

//go:embed completion
var completionScripts embed.FS

func completionCommand() command {
	return command{
		name:    "completion",
		args:    []string{"SHELL"},
		summary: "print the completion script for bash, zsh or fish",
		help: `Prints a script for SHELL, which is bash, zsh or fish, that completes the names
of commands, options, and the paths there are in the cluster. Put its line into
the file named:

  bash  ~/.bashrc                    source <(doozer completion bash)
  zsh   ~/.zshrc, after compinit     source <(doozer completion zsh)
  fish  ~/.config/fish/config.fish   doozer completion fish | source`,
		example: `$ source <(doozer completion bash)
$ doozer get /ctl/<TAB>
/ctl/cal/   /ctl/name   /ctl/node/  /ctl/ns/`,
		run: func(_ context.Context, c *call) error { return c.printScript() },
	}
}

func shells() []string { return []string{"bash", "zsh", "fish"} }

func (c *call) printScript() error {
	script, err := completionScripts.ReadFile("completion/doozer." + c.args[0])
	if err != nil {
		return fmt.Errorf("no completion for %q: there is bash, zsh and fish", c.args[0])
	}
	_, err = c.stdout.Write(script)
	return asOutputError(err)
}
