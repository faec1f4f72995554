package e2e

import "testing"

// TestConformance is what clients and scripts written since 2011 rely on, row
// by row.
func TestConformance(t *testing.T) {
	t.Run("1 wire", func(t *testing.T) {
		t.Run("framing", testFraming)
		t.Run("unknown verbs", testUnknownVerbs)
		t.Run("verbs", testVerbs)
		t.Run("cancel", testCancel)
		t.Run("tags", testTags)
		t.Run("one write per reply ✱", testOneWritePerReply)
		t.Run("end of a connection", testEndOfConnection)
	})
	t.Run("2 revs", func(t *testing.T) {
		t.Run("guards", testGuards)
		t.Run("reads", testReadRevs)
		t.Run("dense", testDenseRevs)
		t.Run("history", testHistory)
	})
	t.Run("3 paths and globs", func(t *testing.T) {
		t.Run("paths", testPaths)
		t.Run("bytes", testPathBytes)
		t.Run("globs", testGlobs)
		t.Run("bad globs", testBadGlobs)
	})
	t.Run("4 tree", func(t *testing.T) {
		t.Run("cases", testTree)
		t.Run("order", testOrder)
	})
	t.Run("5 events", func(t *testing.T) {
		t.Run("cases", testEvents)
		t.Run("watch under load", testWatchUnderLoad)
	})
	t.Run("6 access", testAccess)
	t.Run("7 ctl", testCtl)
	t.Run("7 members", testMembers)
	t.Run("11 independent clients", testIndependentClients)
	t.Run("13 limits", testLimits)
}
