package e2e

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

const module = "github.com/ha/doozerd/"

// mayImport lists, for each package, the packages of this module that its code
// imports (tests apart), and no others may be. Arrows go one way:
// cmd → peer, server, web, client → consensus, store, wire.
var mayImport = map[string]string{
	"cmd/doozerd":      "peer peer/link server web client store internal/wire internal/version",
	"cmd/doozer":       "client internal/wire internal/version",
	"peer":             "peer/link consensus store internal/wire internal/version",
	"peer/link":        "internal/wire",
	"server":           "store internal/wire",
	"web":              "store",
	"client":           "internal/wire",
	"consensus":        "",
	"store":            "",
	"internal/wire":    "",
	"internal/version": "",
	"internal/e2e":     "",
	"internal/sim":     "consensus peer store",

	"internal/sim/simulate": "internal/sim",
	"internal/sim/figures":  "internal/sim",
	"internal/sim/plant":    "internal/e2e/report",

	"internal/e2e/raw":             "",
	"internal/e2e/report":          "",
	"internal/e2e/browser":         "",
	"internal/e2e/shots":           "internal/e2e internal/e2e/browser internal/e2e/raw",
	"internal/e2e/cluster":         "client internal/e2e internal/e2e/raw",
	"internal/e2e/cluster/figures": "internal/e2e internal/e2e/cluster internal/e2e/report",
	"internal/e2e/cluster/soak":    "internal/e2e internal/e2e/cluster",
	"internal/e2e/bench":           "client peer server store internal/e2e internal/e2e/browser internal/e2e/raw internal/e2e/report internal/sim",
}

// pure is the part of the standard library that consensus and store may use:
// no network, no files, no clock, no randomness of its own, no log. Nor do they
// start goroutines.
const pure = "bytes cmp container/heap encoding/binary errors fmt iter maps math math/bits slices strconv strings " +
	"sync sync/atomic unicode/utf8 time math/rand/v2"

// harmless is what they may use of packages that also hold a clock and a source of randomness: the types of what
// is handed to them.
var harmless = map[string]string{
	"time": "Duration Nanosecond Microsecond Millisecond Second Minute Hour",
	"rand": "Rand",
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

func TestImports(t *testing.T) {
	packages := listPackages(t)
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module)
		t.Run(name, func(t *testing.T) {
			allowed, known := mayImport[name]
			assert.T(t, known, "a package without a rule: say what it may import")
			for _, i := range p.Imports {
				if ours, ok := strings.CutPrefix(i, module); ok {
					assert.T(t, slices.Contains(strings.Fields(allowed), ours), "imports "+ours)
				}
			}
			for _, i := range strings.Fields(allowed) {
				assert.T(t, slices.Contains(p.Imports, module+i), "does not import "+i+": take that out of the rule")
			}
		})
	}
	for _, p := range packages {
		if name := strings.TrimPrefix(p.ImportPath, module); name == "consensus" || name == "store" {
			t.Run(name+" is pure", func(t *testing.T) {
				for _, i := range p.Imports {
					assert.T(t, slices.Contains(strings.Fields(pure), i), "imports "+i)
				}
				for _, file := range p.GoFiles {
					assert.Equal(t, []token.Position(nil), goStatements(t, filepath.Join(p.Dir, file)))
					assert.Equal(t, []string(nil), harmful(t, filepath.Join(p.Dir, file)))
				}
			})
		}
	}
}

// goStatements are the places in a file where goroutines are started.
func goStatements(t *testing.T, file string) []token.Position {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
	assert.Equal(t, nil, err)
	var places []token.Position
	ast.Inspect(parsed, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			places = append(places, files.Position(g.Pos()))
		}
		return true
	})
	return places
}

// harmful is what a file uses of the packages in harmless beyond what is listed there.
func harmful(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	assert.Equal(t, nil, err)
	var uses []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			pkg, _ := s.X.(*ast.Ident)
			if pkg == nil || harmless[pkg.Name] == "" {
				return true
			}
			if !slices.Contains(strings.Fields(harmless[pkg.Name]), s.Sel.Name) {
				uses = append(uses, pkg.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	return uses
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", module+"...").Output()
	assert.Equal(t, nil, err)
	var packages []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		assert.Equal(t, nil, err)
		packages = append(packages, p)
	}
}
