package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

const manualPage = "../../doc/doozer.1"

// headings returns what the manual page has an entry for in a section, as it
// reads: "add PATH", "-a URI".
func headings(t *testing.T, section string) map[string]bool {
	page, err := os.ReadFile(manualPage)
	assert.Equal(t, nil, err)
	_, text, found := strings.Cut(string(page), "\n.SH "+section+"\n")
	assert.T(t, found, section)
	text, _, _ = strings.Cut(text, "\n.SH ")
	entries := map[string]bool{}
	for _, entry := range regexp.MustCompile(`(?m)^\.TP\n\.BI? (.*)$`).FindAllStringSubmatch(text, -1) {
		entries[strings.NewReplacer(` "`, "", `"`, "", `\`, "").Replace(entry[1])] = true
	}
	return entries
}

func TestManualListsCommands(t *testing.T) {
	want := map[string]bool{}
	for _, cmd := range commands() {
		if !cmd.hidden {
			want[cmd.synopsis()] = true
		}
	}
	assert.Equal(t, want, headings(t, "COMMANDS"))
}

func TestManualListsOptions(t *testing.T) {
	want := map[string]bool{}
	optionTable().VisitAll(func(f *flag.Flag) {
		arg, _ := flag.UnquoteUsage(f)
		want[strings.TrimSpace("-"+f.Name+" "+arg)] = true
	})
	assert.Equal(t, want, headings(t, "OPTIONS"))
}

func TestManualListsVariables(t *testing.T) {
	want := map[string]bool{uriVariable: true, bootVariable: true}
	assert.Equal(t, want, headings(t, "ENVIRONMENT"))
}

func TestManualRendersWithoutWarnings(t *testing.T) {
	man := exec.Command("man", "--warnings", "-l", manualPage)
	man.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80", "PAGER=cat")
	var warnings bytes.Buffer
	man.Stderr = &warnings
	assert.Equal(t, nil, man.Run())
	assert.Equal(t, "", warnings.String())
}

// Each command's help says how it is used, and shows it.
func TestHelpOfEachCommand(t *testing.T) {
	for _, cmd := range commands() {
		var out bytes.Buffer
		assert.Equal(t, nil, writeHelp(env{name: "doozer", stdout: &out}, cmd))
		help := out.String()
		assert.T(t, strings.HasPrefix(help, "Use: doozer [options] "+cmd.name+" [options]"), help)
		assert.T(t, strings.Contains(help, "\nExample:\n  $ "), help)
		assert.T(t, strings.Contains(cmd.example, cmd.name), help)
		for _, line := range strings.Split(help, "\n") {
			assert.T(t, len(line) <= 100, line)
		}
	}
}
