package link

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain checks that transports which were closed have left no goroutine.
func TestMain(m *testing.M) {
	status := m.Run()
	if left := goroutines(); left != "" && status == 0 {
		fmt.Println("left running:\n" + left)
		status = 1
	}
	os.Exit(status)
}

// goroutines returns the stacks of this package's goroutines but that of TestMain.
// One that has just done its last may take a moment.
func goroutines() string {
	for deadline := time.Now().Add(testPatience); ; runtime.Gosched() {
		buf := make([]byte, 1<<20)
		var left []string
		for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "peer/link.") && !strings.Contains(stack, "link.TestMain") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}
