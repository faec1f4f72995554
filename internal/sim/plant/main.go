// Command plant shows that the simulation's checkers can fail: it breaks the engine, the node above it and the codec on purpose, one
// rule at a time, and counts the runs until the simulation notices.
//
//	plant [-seeds 10000] [-only NAME] [-in peer/]
//
// A fault is a change of the source, made in an overlay: the source itself knows nothing of faults. It exits with 1
// if a fault survives.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	seeds := flag.Int("seeds", 10000, "runs after which a fault has survived")
	only := flag.String("only", "", "plant only faults whose name contains this")
	in := flag.String("in", "", "plant only faults in files whose path begins with this")
	dir := flag.String("C", ".", "the top of the source tree")
	flag.Parse()
	work, err := os.MkdirTemp("", "plant")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	planted, survived := 0, 0
	for _, f := range faults {
		if !strings.Contains(f.name, *only) || !strings.HasPrefix(f.file, *in) {
			continue
		}
		planted++
		verdict, found := f.try(*dir, work, *seeds)
		if !found {
			survived++
		}
		fmt.Printf("%-28s %s\n", f.name, verdict)
	}
	if err := os.RemoveAll(work); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	fmt.Printf("%d faults planted, %d survived\n", planted, survived)
	if survived > 0 {
		os.Exit(1)
	}
}

// fault is a change of one file.
type fault struct {
	name     string
	rule     string // whose absence it is
	file     string // from the top of the source tree
	from, to string // from is there exactly once
}

// plant returns the changed source.
func (f fault) plant(dir string) ([]byte, error) {
	source, err := os.ReadFile(filepath.Join(dir, f.file))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(source), f.from); n != 1 {
		return nil, fmt.Errorf("%s: what it changes is %d times in %s", f.name, n, f.file)
	}
	return []byte(strings.Replace(string(source), f.from, f.to, 1)), nil
}

var failedSeed = regexp.MustCompile(`seed (\d+) .*?: FAILED: (.*?) \(\d+ instances`)

// try says how the simulation fared against the fault, and whether it found it.
func (f fault) try(dir, work string, seeds int) (verdict string, found bool) {
	program, err := f.build(dir, work)
	if err != nil {
		return err.Error(), false
	}
	out, err := exec.Command(program, "-seeds", fmt.Sprint(seeds), "-until").Output()
	m := failedSeed.FindSubmatch(out)
	if m == nil {
		return f.tryTests(dir, work, fmt.Sprintf("survived %d runs (%v)", seeds, err))
	}
	return fmt.Sprintf("found by seed %s: %.110s", m[1], m[2]), true
}

var failedTest = regexp.MustCompile(`--- FAIL: (\w+)`)

// tryTests runs the tests beside the file: what other rules make up for, a cluster hardly shows.
func (f fault) tryTests(dir, work, survived string) (verdict string, found bool) {
	test := exec.Command("go", "test", "-overlay", filepath.Join(work, "overlay.json"), "./"+path.Dir(f.file))
	test.Dir = dir
	out, err := test.CombinedOutput()
	m := failedTest.FindSubmatch(out)
	if m == nil {
		return fmt.Sprintf("SURVIVED: %s; tests: %v", survived, err), false
	}
	return fmt.Sprintf("%s; found by %s", survived, m[1]), true
}

// build makes the simulation with the fault in it.
func (f fault) build(dir, work string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	source, err := f.plant(dir)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(work, filepath.Base(f.file))
	if err := os.WriteFile(changed, source, 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, f.file): changed}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", err
	}
	program := filepath.Join(work, "simulate")
	build := exec.Command("go", "build", "-overlay", file, "-o", program, "./internal/sim/simulate")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not compile: %s", f.name, out)
	}
	return program, nil
}
