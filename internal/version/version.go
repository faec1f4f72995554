// Package version holds the one number that doozerd, doozer and
// /ctl/node/ID/version report.
package version

// Version is digits first, as clients that parse it expect.
const Version = "1.0.0"
