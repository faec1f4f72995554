package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

const top = "../../.."

// Each fault still changes the source: what it takes away is there, once.
func TestFaultsApply(t *testing.T) {
	names := map[string]bool{}
	for _, f := range faults {
		source, err := os.ReadFile(filepath.Join(top, f.file))
		assert.Equal(t, nil, err)
		planted, err := f.plant(top)
		assert.Equal(t, nil, err, f.name)
		assert.T(t, !bytes.Equal(source, planted), f.name)
		assert.T(t, !names[f.name], f.name, "twice")
		names[f.name] = true
	}
}

// Some faults, from planting to finding by the simulation itself.
func TestFaultsAreFound(t *testing.T) {
	tried := 0
	for _, f := range faults {
		switch f.name {
		case "vote forgotten", "checksum not checked", "addressee not checked":
			tried++
			verdict, found := f.try(top, t.TempDir(), 100)
			assert.T(t, found && strings.HasPrefix(verdict, "found by seed"), f.name, verdict)
		}
	}
	assert.Equal(t, 3, tried)
}
