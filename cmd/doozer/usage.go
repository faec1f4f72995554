package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ha/doozerd/internal/version"
)

const usageHead = `Use: doozer [options] <command> [options] [args]

Reads, writes and watches the files of a doozerd cluster.

Options, before the command's name or behind it, not behind its first argument:
`

const usageTail = `
Environment:
  DOOZER_URI       the cluster, if there is no -a
  DOOZER_BOOT_URI  the DzNS, if there is no -b
A URI is doozer:?ca=HOST:PORT; several ca may be given, and sk=SECRET. In the
environment a secret stays out of the list of processes.

Exit status:
  0    done
  1    the file's rev is not the one given (REV_MISMATCH)
  2    any other error
  127  no such command, or wrong arguments
  130  ended by Ctrl-C; other signals likewise, 128 + their number

Commands:
`

const usageFoot = `
doozer help COMMAND shows more, with an example.
`

func printUsage(_ context.Context, c *call) error { return writeUsage(c.env) }

// writeUsage prints how doozer is used, to standard error.
func writeUsage(e env) error {
	var text bytes.Buffer
	text.WriteString(usageHead)
	writeOptions(&text, func(*flag.Flag) bool { return true })
	text.WriteString(usageTail)
	writeCommands(&text)
	text.WriteString(usageFoot)
	_, err := e.stderr.Write(text.Bytes())
	return err
}

// writeOptions lists the options that are wanted. Their defaults are those of
// an empty environment: DOOZER_URI may hold a secret.
func writeOptions(w io.Writer, wanted func(*flag.Flag) bool) {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	optionTable().VisitAll(func(f *flag.Flag) {
		if wanted(f) {
			arg, meaning := flag.UnquoteUsage(f)
			fmt.Fprintf(columns, "  %s\t%s\n", strings.TrimSpace("-"+f.Name+" "+arg), meaning+defaultNote(f))
		}
	})
	columns.Flush()
}

// optionTable returns all options with the defaults of an empty environment.
func optionTable() *flag.FlagSet { return defaultOptions(env{}).flags() }

func defaultNote(f *flag.Flag) string {
	switch f.DefValue {
	case "", "false":
		return ""
	}
	return " (default " + f.DefValue + ")"
}

func writeCommands(w io.Writer) {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cmd := range commands() {
		if !cmd.hidden {
			fmt.Fprintf(columns, "  %s\t%s\n", cmd.synopsis(), cmd.summary)
		}
	}
	columns.Flush()
}

// synopsis is the command with its arguments.
func (cmd command) synopsis() string {
	return strings.Join(append([]string{cmd.name}, cmd.args...), " ")
}

// writeHelp prints the help of cmd, to standard output.
func writeHelp(e env, cmd command) error {
	var text bytes.Buffer
	args := strings.Join(cmd.args, " ")
	fmt.Fprintln(&text, strings.TrimSpace(fmt.Sprintf("Use: %s [options] %s [options] %s", e.name, cmd.name, args)))
	fmt.Fprintf(&text, "\n%s\n", cmd.help)
	if cmd.more != nil {
		cmd.more(&text)
	}
	if len(cmd.options) > 0 {
		fmt.Fprintf(&text, "\n%s:\n", cmd.optionsHead())
		writeOptions(&text, func(f *flag.Flag) bool { return slices.Contains(cmd.options, f.Name) })
	}
	fmt.Fprintf(&text, "\nExample:\n%s\n\n%s -h lists all commands and options.\n", indent(cmd.example), e.name)
	_, err := e.stdout.Write(text.Bytes())
	return asOutputError(err)
}

// optionsHead says where options stand: an option behind an argument is none.
func (cmd command) optionsHead() string {
	if len(cmd.args) == 0 {
		return "Options"
	}
	return "Options, before " + cmd.args[0]
}

func indent(lines string) string {
	return "  " + strings.ReplaceAll(lines, "\n", "\n  ")
}

func printVersion(_ context.Context, c *call) error {
	_, err := fmt.Fprintf(c.stdout, "doozer %s\n", version.Version)
	return asOutputError(err)
}
