package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ha/doozerd/client"
)

const (
	// completeTimeout is how long a person who pressed TAB is kept waiting.
	completeTimeout = time.Second

	// maxCandidates is how many paths are offered at most: more than a screen
	// shows, so more must be typed anyway.
	maxCandidates = 500

	// filesCandidate stands for the names of files on this computer, which the
	// shell knows better.
	filesCandidate = ":files"
)

// completeCommand is what the completion scripts ask. Its argument is a command
// line up to the cursor; it prints what the last word may become, one per line,
// each with a tab and a description if there is one. What goes wrong is nothing
// that a person who pressed TAB wants to read: then it prints nothing.
func completeCommand() command {
	return command{
		name:    "__complete",
		args:    []string{"LINE"},
		hidden:  true,
		summary: "print what may follow on a command line",
		help:    "Prints what the last word of LINE, a beginning of a command line, may become.",
		example: "$ doozer __complete 'doozer se'",
		run:     func(ctx context.Context, c *call) error { return c.complete(ctx) },
	}
}

// A candidate is what a word may become.
type candidate struct{ word, description string }

func (c *call) complete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	l := parseLine(c.environ, splitLine(c.args[0]))
	for _, found := range l.candidates(ctx) {
		if !strings.HasPrefix(found.word, l.last) && found.word != filesCandidate {
			continue
		}
		if err := printCandidate(c.stdout, found); err != nil {
			return err
		}
	}
	return nil
}

func printCandidate(w io.Writer, c candidate) error {
	_, err := fmt.Fprintln(w, strings.TrimSuffix(c.word+"\t"+c.description, "\t"))
	return asOutputError(err)
}

// A line is a command line whose last word is being typed.
type line struct {
	last    string
	options *options   // as far as they are given
	open    *flag.Flag // the option that last is to be the value of, or nil
	name    string     // the command, "" if last is to name it
	args    []string   // its arguments before last
}

// parseLine reads the words of a command line as [parse] would, if they went
// on. Assignments may stand before doozer's own name, and count.
func parseLine(environ, words []string) line {
	for len(words) > 1 && strings.Contains(words[0], "=") {
		environ = append(slices.Clip(environ), words[0])
		words = words[1:]
	}
	last := len(words) - 1
	l := line{last: words[last], options: defaultOptions(env{environ: environ})}
	words = words[min(1, last):last]
	if words = l.skipOptions(words); l.open != nil || len(words) == 0 {
		return l
	}
	l.name = words[0]
	l.args = l.skipOptions(words[1:])
	return l
}

// skipOptions takes in the options at the head of words and returns the rest.
func (l *line) skipOptions(words []string) (rest []string) {
	table := l.options.flags()
	for rest = words; len(rest) > 0; rest = rest[1:] {
		name, value, valued, ok := cutOption(rest[0])
		if !ok {
			return rest
		}
		option := table.Lookup(name)
		switch {
		case option == nil || isSwitch(option):
			continue
		case !valued && len(rest) == 1:
			l.open = option
			return nil
		case !valued:
			value, rest = rest[1], rest[1:]
		}
		_ = option.Value.Set(value) // a bad value is for the call itself to refuse
	}
	return nil
}

// cutOption takes an option like -x, --x or -x=v apart.
func cutOption(word string) (name, value string, valued, ok bool) {
	name, dashed := strings.CutPrefix(word, "-")
	name = strings.TrimPrefix(name, "-")
	name, value, valued = strings.Cut(name, "=")
	return name, value, valued, dashed && name != ""
}

func isSwitch(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// candidates returns what the last word may become, by the place it is in.
func (l line) candidates(ctx context.Context) []candidate {
	cmd, known := lookup(l.name)
	option, _, valued, isOption := cutOption(l.last)
	switch {
	case l.open != nil:
		return valueCandidates(l.open)
	case valued && isOption:
		return valueCandidates(optionTable().Lookup(option))
	case strings.HasPrefix(l.last, "-") && len(l.args) == 0:
		return optionCandidates(cmd, known)
	case l.name == "":
		return commandCandidates()
	case len(l.args) < len(cmd.args):
		return l.argumentCandidates(ctx, cmd.args[len(l.args)])
	}
	return nil
}

func valueCandidates(f *flag.Flag) []candidate {
	if f == nil {
		return nil
	}
	if what, _ := flag.UnquoteUsage(f); what == "FILE" {
		return []candidate{{word: filesCandidate}}
	}
	return nil
}

// optionCandidates returns all options, or those that the command heeds.
func optionCandidates(cmd command, known bool) []candidate {
	var found []candidate
	optionTable().VisitAll(func(f *flag.Flag) {
		if !known || cmd.heeds(f.Name) {
			_, meaning := flag.UnquoteUsage(f)
			found = append(found, candidate{"-" + f.Name, meaning})
		}
	})
	return found
}

func commandCandidates() []candidate {
	var found []candidate
	for _, cmd := range commands() {
		if !cmd.hidden {
			found = append(found, candidate{cmd.name, cmd.summary})
		}
	}
	return found
}

func (l line) argumentCandidates(ctx context.Context, kind string) []candidate {
	switch kind {
	case "COMMAND":
		return commandCandidates()
	case "SHELL":
		return shellCandidates()
	case "PATH", "GLOB":
		return l.ask(ctx, l.pathCandidates)
	case "REV":
		return l.ask(ctx, l.revCandidates)
	}
	return nil
}

func shellCandidates() []candidate {
	var found []candidate
	for _, shell := range shells() {
		found = append(found, candidate{word: shell})
	}
	return found
}

// ask has f ask the cluster that the line names.
func (l line) ask(ctx context.Context, f func(context.Context, *client.Client) []candidate) (found []candidate) {
	c := &call{options: l.options}
	_ = c.withClient(ctx, func(ctx context.Context, cl *client.Client) error {
		found = f(ctx, cl)
		return nil
	}) // not to be reached: no candidates
	return found
}

// revCandidates returns the rev of the file that the line is about.
func (l line) revCandidates(ctx context.Context, cl *client.Client) []candidate {
	rev, _, err := cl.Stat(ctx, l.args[0], client.Now)
	if err != nil || rev == client.Dir {
		return nil
	}
	return []candidate{{fmt.Sprint(rev), "the rev of " + l.args[0]}}
}

// pathCandidates returns the entries of the directory that the last word is in,
// as far as they begin with it, directories with a slash.
func (l line) pathCandidates(ctx context.Context, cl *client.Client) []candidate {
	last := cmp.Or(l.last, "/")
	dir := last[:strings.LastIndex(last, "/")+1]
	var found []candidate
	for name, err := range cl.Getdir(ctx, cmp.Or(strings.TrimSuffix(dir, "/"), "/"), client.Now) {
		if err != nil || len(found) == maxCandidates {
			break
		}
		if strings.HasPrefix(dir+name, last) {
			found = append(found, candidate{word: dir + name})
		}
	}
	describe(ctx, cl, found)
	return found
}

// describe tells directories from files. What cannot be told in time stays.
func describe(ctx context.Context, cl *client.Client, found []candidate) {
	var asked sync.WaitGroup
	for i := range found {
		asked.Go(func() {
			rev, n, err := cl.Stat(ctx, found[i].word, client.Now)
			switch {
			case err != nil:
			case rev == client.Dir:
				found[i].word += "/"
			default:
				found[i].description = fmt.Sprintf("rev %d, %d bytes", rev, n)
			}
		})
	}
	asked.Wait()
}
