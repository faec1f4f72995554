package report

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

const two = `By hand.

<!-- a: generated -->

old a

<!-- end of a -->

Between, by hand.

<!-- b: generated -->

old b

<!-- end of b -->

Behind.
`

func TestReplace(t *testing.T) {
	for _, tt := range []struct{ name, document, section, want string }{
		{"a document that is empty", "", "a", "<!-- a: generated -->\n\nnew\n\n<!-- end of a -->\n"},
		{"a section that is missing", "By hand.\n", "a", "By hand.\n\n<!-- a: generated -->\n\nnew\n\n<!-- end of a -->\n"},
		{"one of two", two, "b", "By hand.\n\n<!-- a: generated -->\n\nold a\n\n<!-- end of a -->\n\nBetween, by hand.\n\n" +
			"<!-- b: generated -->\n\nnew\n\n<!-- end of b -->\n\nBehind.\n"},
	} {
		got, err := replace(tt.document, tt.section, "\nnew\n")
		assert.Equal(t, nil, err, tt.name)
		assert.Equal(t, tt.want, got, tt.name)
		again, err := replace(got, tt.section, "new")
		assert.Equal(t, nil, err, tt.name)
		assert.Equal(t, got, again, tt.name)
	}
}

// A document that somebody has damaged is left alone.
func TestReplaceMarkers(t *testing.T) {
	for name, document := range map[string]string{
		"no end":        "<!-- a: generated -->\n",
		"no beginning":  "<!-- end of a -->\n",
		"backwards":     "<!-- end of a -->\n<!-- a: generated -->\n",
		"twice":         "<!-- a: generated -->\n<!-- end of a -->\n<!-- a: generated -->\n<!-- end of a -->\n",
		"one in it":     "<!-- a: generated -->\n<!-- b: generated -->\n<!-- end of b -->\n<!-- end of a -->\n",
		"one across it": "<!-- a: generated -->\n<!-- b: generated -->\n<!-- end of a -->\n<!-- end of b -->\n",
		"across one":    "<!-- b: generated -->\n<!-- a: generated -->\n<!-- end of b -->\n<!-- end of a -->\n",
	} {
		_, err := replace(document, "a", "new")
		assert.T(t, errors.Is(err, ErrMarkers), name)
	}
}

func TestPut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	assert.Equal(t, nil, Put(file, "a", "first"))
	assert.Equal(t, nil, Put(file, "b", "other"))
	assert.Equal(t, nil, Put(file, "a", "second"))
	got, err := os.ReadFile(file)
	assert.Equal(t, nil, err)
	assert.Equal(t, "<!-- a: generated -->\n\nsecond\n\n<!-- end of a -->\n\n<!-- b: generated -->\n\nother\n\n<!-- end of b -->\n", string(got))
}

// TestPerformance: the document that the generators write into can be written into.
func TestPerformance(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "doc", "performance.md"))
	assert.Equal(t, nil, err)
	assert.T(t, !strings.Contains(string(text), "@@"))
	for _, section := range []string{
		"store", "memory", "daemon", "listing", "tcp", "web", "engine", "simulated",
		"rates", "etcd", "faults", "joining", "returning", "idle",
	} {
		assert.T(t, strings.Contains(string(text), "<!-- "+section+": generated -->\n"), section+" has no place in the document")
		_, err := replace(string(text), section, "new")
		assert.Equal(t, nil, err)
	}
}
