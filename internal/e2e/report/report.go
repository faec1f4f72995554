// Package report puts what was measured into a document. What a generator writes stands between two lines that name its
// section; all else, the sections of other generators too, stays as it is.
package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// ErrMarkers reports a document in which a section has no clear beginning and end.
var ErrMarkers = errors.New("markers of a section")

// Put makes text the section of that name in a file. A document that has no such section gets it at its end;
// one that does not exist is made.
func Put(file, section, text string) error {
	file = filepath.Clean(file)
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	document, err := replace(string(old), section, text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(document), 0o644)
}

func replace(document, section, text string) (string, error) {
	begin, end := fmt.Sprintf("<!-- %s: generated -->\n", section), fmt.Sprintf("<!-- end of %s -->\n", section)
	whole := begin + "\n" + strings.TrimSpace(text) + "\n\n" + end
	switch begins, ends := strings.Count(document, begin), strings.Count(document, end); {
	case begins == 0 && ends == 0:
		if document != "" {
			document = strings.TrimRight(document, "\n") + "\n\n"
		}
		return document + whole, nil
	case begins != 1 || ends != 1:
		return "", fmt.Errorf("%w %s: it begins %d times and ends %d times", ErrMarkers, section, begins, ends)
	}
	before, rest, _ := strings.Cut(document, begin)
	inside, after, ok := strings.Cut(rest, end)
	if !ok || strings.Contains(inside, ": generated -->\n") || strings.Contains(inside, "<!-- end of ") {
		return "", fmt.Errorf("%w %s: its end comes before its beginning, or behind that of another", ErrMarkers, section)
	}
	return before + whole + after, nil
}

// Made says by which command a section is made, when and where. load is what [LoadAverage] returned before.
func Made(command, load string) string {
	return fmt.Sprintf("Made by `%s` on %s: Go %s, %s/%s, %d processors; load average before: %s.\n", command,
		time.Now().Format(time.DateOnly), strings.TrimPrefix(runtime.Version(), "go"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), load)
}

// LoadAverage is that of the last minute, where the system tells it.
func LoadAverage() string {
	loads, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	last, _, _ := strings.Cut(string(loads), " ")
	return last
}

// Median is the middle one of figures.
func Median(figures []float64) float64 {
	s := slices.Sorted(slices.Values(figures))
	return s[len(s)/2]
}
