package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

const top = "../../.."

// Each fault still changes the source: what it takes away is there, once.
func TestFaultsApply(t *testing.T) {
	names := map[string]bool{}
	for _, p := range all() {
		planted, err := p.plant(top)
		assert.Equal(t, nil, err, p.name)
		for file, changed := range planted {
			source, err := os.ReadFile(filepath.Join(top, file))
			assert.Equal(t, nil, err)
			assert.T(t, string(source) != changed, p.name)
		}
		assert.T(t, !names[p.name], p.name, "twice")
		names[p.name] = true
	}
	for _, f := range halves {
		assert.T(t, !names[f.name], f.name, "twice")
		names[f.name] = true
	}
	for _, c := range combined {
		for _, name := range c.of {
			assert.T(t, names[name], name)
		}
	}
}

// Each rule has faults that break it and a test that holds it, and each fault of a rule is named there.
func TestRulesHaveFaultsAndTests(t *testing.T) {
	tests := testsIn(t, "consensus", "peer", "internal/sim")
	unnamed := map[string]bool{}
	for _, p := range all() {
		if strings.HasPrefix(p.rule, "▲") {
			unnamed[p.name] = true
		}
	}
	for _, r := range rules {
		assert.T(t, len(r.faults) > 0, r.text)
		for _, name := range r.faults {
			assert.T(t, slices.ContainsFunc(all(), func(p planting) bool { return p.name == name }), name)
			delete(unnamed, name)
		}
		assert.T(t, tests[r.test], r.test)
	}
	assert.Equal(t, map[string]bool{}, unnamed)
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// testsIn returns the names of the tests in these directories.
func testsIn(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(top, dir, "*_test.go"))
		assert.Equal(t, nil, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			assert.Equal(t, nil, err)
			for _, m := range testFunc.FindAllSubmatch(source, -1) {
				names[string(m[1])] = true
			}
		}
	}
	return names
}

// Some faults, from planting to finding by the simulation itself.
func TestFaultsAreFound(t *testing.T) {
	tried := 0
	for _, p := range all() {
		switch p.name {
		case "vote forgotten", "checksum not checked", "addressee not checked":
			tried++
			verdict, by := p.try(top, t.TempDir(), 100)
			assert.Equal(t, bySimulation, by, p.name, verdict)
		}
	}
	assert.Equal(t, 3, tried)
}
