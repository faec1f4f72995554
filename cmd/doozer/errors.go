package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/ha/doozerd/client"
)

// The exit statuses, besides 0 and those of signals (128 + their number).
const (
	exitMismatch = 1   // a rev did not match
	exitError    = 2   // any other error
	exitBadCall  = 127 // no such command, or not that way
)

// A callError says that doozer was called in a wrong way.
type callError struct {
	line    string // what was wrong
	status  int
	explain func(env) error // prints how it would be right
}

func (e *callError) Error() string { return e.line }

func badOption(err error) error { return mistake(err.Error(), exitError) }

func missingCommand() error {
	return &callError{"doozer: missing command", exitBadCall, writeUsage}
}

func unknownCommand(name string) error { return mistake("Unknown command: "+name, exitBadCall) }

// mistake is explained by the usage. That fills a screen, so what was wrong is said
// again behind it.
func mistake(line string, status int) error {
	return &callError{line, status, func(e env) error {
		_ = writeUsage(e)
		_, err := fmt.Fprintf(e.stderr, "\n%s\n", line)
		return err
	}}
}

func wrongArguments(cmd command) error {
	return &callError{
		line:    cmd.name + ": wrong number of arguments",
		status:  exitBadCall,
		explain: func(e env) error { return writeHelp(e, cmd) },
	}
}

// A noFileError is stat's answer for a path where nothing is.
type noFileError struct{ path string }

func (e noFileError) Error() string { return "No such file or directory: " + e.path }

// An outputError is a failed write to standard output.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// readerGone reports whether err says that nobody reads standard output any
// more, as behind `| head`: then there is nothing left to do and nothing wrong.
func readerGone(err error) bool {
	var output outputError
	return errors.As(err, &output) && errors.Is(output, syscall.EPIPE)
}

// report says on standard error how the run ended, if there is anything to
// say, and returns its exit status.
func report(ctx context.Context, e env, err error) int {
	var (
		bad      *callError
		signaled signalError
		missing  noFileError
	)
	switch {
	case err == nil, readerGone(err):
		return 0
	case errors.As(err, &bad):
		fmt.Fprintln(e.stderr, bad.line)
		_ = bad.explain(e) // the status says that it failed, whether or not it can be explained
		return bad.status
	case errors.As(context.Cause(ctx), &signaled):
		return signaled.status()
	case errors.As(err, &missing):
		fmt.Fprintln(e.stderr, missing)
		return exitError
	}
	fmt.Fprintln(e.stderr, "Error:", message(err))
	if h := hint(e, err); h != "" {
		fmt.Fprintln(e.stderr, h)
	}
	if mismatch(err) {
		return exitMismatch
	}
	return exitError
}

// mismatch reports whether the server refused a write for its rev. (Refusing
// the second copy of one is no proof that the first one was refused.)
func mismatch(err error) bool {
	return errors.Is(err, client.ErrRevMismatch) && !errors.Is(err, client.ErrUnknownOutcome)
}

// message is what an error line says.
func message(err error) string {
	if line := fixedLine(err); line != "" {
		return line
	}
	return plain.Replace(err.Error())
}

// plain takes away what libraries say twice, or in words of their own.
var plain = strings.NewReplacer(
	"no answer in time: i/o timeout", "no answer in time",
	"context deadline exceeded", "no answer in time",
	"tls: tls: ", "tls: ",
)

// fixedLine is the error line of the server's own errors and of a bad URI, ""
// for others. Scripts compare these, so they stand alone, whatever they are
// wrapped in; only a person at a terminal gets a second line.
func fixedLine(err error) string {
	var answer *client.Error
	switch {
	case errors.As(err, &answer) && errors.Is(answer, client.ErrUnknownOutcome):
		return answer.Error()
	case errors.Is(err, client.ErrUnknownOutcome):
		return ""
	case errors.As(err, &answer):
		return answer.Error()
	case errors.Is(err, client.ErrInvalidURI):
		return client.ErrInvalidURI.Error()
	}
	return ""
}

// hint says what may be done about err, "" if that is plain.
func hint(e env, err error) string {
	switch {
	case fixedLine(err) != "" && !e.terminal:
		return ""
	case errors.Is(err, client.ErrUnknownOutcome):
		return "See with get or stat what has become of it."
	case fixedLine(err) != "":
		return fixedHint(err)
	}
	return connectionHint(err)
}

// fixedHint is the hint for what has a fixed line.
func fixedHint(err error) string {
	switch {
	case errors.Is(err, client.ErrInvalidURI):
		return "A URI is doozer:?ca=HOST:PORT."
	case errors.Is(err, client.ErrPermission):
		return "Give the secret that this needs as sk=SECRET in the URI, which is best kept in " + uriVariable + "."
	case errors.Is(err, client.ErrBadPath):
		return "A path is / or names, each with one slash before it; a name is made of letters, digits, dots and hyphens."
	case errors.Is(err, client.ErrBadGlob):
		return "A glob is a path in whose names * and ? may stand, too."
	case errors.Is(err, client.ErrTooLate):
		return "The server's history no longer has that rev: take a later one."
	case errors.Is(err, client.ErrReadOnly):
		return "Only observers were reached: give the address of a voter as one more ca in the URI."
	}
	return ""
}

// connectionHint is the hint for what went wrong between doozer and a server.
func connectionHint(err error) string {
	var (
		dial     dialError
		resolve  *net.DNSError
		notTLS   tls.RecordHeaderError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
	)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &resolve):
		return "Is doozerd running there? To reach another cluster, give -a or " + uriVariable + "."
	case errors.As(err, &notTLS):
		return "It does not speak TLS: leave the -tls options out."
	case errors.As(err, &unknown):
		return "If the certificate is to be trusted, give it, or its authority's, to -tlsca."
	case errors.As(err, &hostname):
		return "If that server is meant, give -tlsname a name that is in the certificate."
	case refusesCertificate(err):
		return "The server wants a certificate that it trusts: give -tlscert and -tlskey."
	case errors.As(err, &dial) && timedOut(err):
		return "Is that doozerd's client port (8046, if it was not told otherwise)? A firewall may also be in between."
	case errors.As(err, &dial) && hungUp(err):
		return "It may not have joined its cluster yet, or speak TLS and doozer not, or the other way round: see -tls."
	}
	return ""
}

// refusesCertificate reports whether the server does not accept our certificate,
// or that we have none. It says so in a TLS alert, which has no type to ask for.
func refusesCertificate(err error) bool {
	for _, alert := range []string{"certificate required", "bad certificate", "unknown certificate authority", "expired certificate"} {
		if strings.Contains(err.Error(), "tls: "+alert) {
			return true
		}
	}
	return false
}

// timedOut reports whether the server did not answer in time.
func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errTimeout)
}

// hungUp reports whether the server ended a connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}
