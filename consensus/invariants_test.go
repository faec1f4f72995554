package consensus

import "testing"

// checkInvariants holds what must be true of an engine between any two calls.
func checkInvariants(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
}
