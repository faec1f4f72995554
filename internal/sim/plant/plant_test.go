package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/bmizerany/assert"
)

const top = "../../.."

// Each fault still changes the engine: what it takes away is there, once.
func TestFaultsApply(t *testing.T) {
	names := map[string]bool{}
	for _, f := range faults {
		source, err := os.ReadFile(filepath.Join(top, "consensus", f.file))
		assert.Equal(t, nil, err)
		planted, err := f.plant(top)
		assert.Equal(t, nil, err, f.name)
		assert.T(t, !bytes.Equal(source, planted), f.name)
		assert.T(t, !names[f.name], f.name, "twice")
		names[f.name] = true
	}
}

// One fault, from planting to finding.
func TestFaultIsFound(t *testing.T) {
	for _, f := range faults {
		if f.name == "vote forgotten" {
			verdict, found := f.try(top, t.TempDir(), 100)
			assert.T(t, found, verdict)
			return
		}
	}
	t.Fatal("no such fault")
}
