package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

// TestManualHasEveryOption holds the manual page to the program: every option,
// with its default.
func TestManualHasEveryOption(t *testing.T) {
	page, err := os.ReadFile("../../doc/doozerd.1")
	assert.Equal(t, nil, err)
	new(options).flags().VisitAll(func(f *flag.Flag) {
		text := manualOf(string(page), f.Name)
		if text == "" {
			t.Errorf("-%s is not in the manual", f.Name)
		}
		if !isSwitch(f) && f.DefValue != "" && !strings.Contains(text, "\nDefault: "+f.DefValue+".") {
			t.Errorf("the manual does not say that -%s is %s by default:\n%s", f.Name, f.DefValue, text)
		}
	})
}

// manualOf returns what the page says of one option, empty if nothing.
func manualOf(page, name string) string {
	name = strings.ReplaceAll(name, "-", `\-`)
	for _, head := range []string{".BI \\-" + name + " \"", ".B \\-" + name + "\n"} {
		if _, text, ok := strings.Cut(page, head); ok {
			text, _, _ = strings.Cut(text, "\n.TP\n")
			return text
		}
	}
	return ""
}
