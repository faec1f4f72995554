package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/version"
	"github.com/ha/doozerd/internal/wire"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"doozerd": main})
}

// TestScripts runs the transcripts in testdata against the real program.
// Besides testscript's own commands they use:
//
//	mistake N text [option]...  doozerd with these options ends with status N and the line "doozerd: text…",
//	                            which is all it says, but for the usage after status 2
//	serve NAME [option]...      run doozerd in the background until it says that it serves; sets $NAME_addr,
//	                            $NAME_web and $NAME_id; what it says one may try is on stdout
//	look NAME [option]...       run doozerd in the background until it says that it looks for its cluster
//	served NAME                 wait until it says that it serves
//	logged NAME pattern         what NAME wrote before it served, on stdout
//	signal NAME SIG             send INT or TERM, and take the end: status 0, nothing on stdout
//	crash NAME                  end it without a warning
//	occupy NAME [ADDR]          listen on ADDR, or on a free port; sets $NAME_addr
//	stubborn NAME               ask node NAME often for a large file, and read no answer
//	signal-twice NAME           send TERM, and again when NAME says that it stops: it must end by that
//	await NAME GLOB             wait until a file that matches is deleted at node NAME
//	keys FILE FILE              write a certificate for 127.0.0.1 and its key
//	old-keys FILE FILE          the same, of a certificate that has expired
//	tree NAME [secret]          the files of node NAME and their bodies, on stdout
//	tls-tree NAME CA [CERT KEY] the same over TLS, trusting the certificate in the file
//	                            CA, showing that of the others
//	tls-refused NAME CA         without a certificate to show, there is no answer
//	put NAME path body          set a file at node NAME
//	remove NAME path            delete one
//	fetch N URL [password]      get a page: its status is N, its body on stdout; a probe that is to
//	                            find all well is sent again until it does
//	fetch-as HOST N URL         the same, calling the server by that name
//	fetch-tls N URL CA [CERT KEY]
//	                            the same, trusting CA and showing CERT
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mistake":      command(mistake, 2),
			"serve":        command(serveCommand, 1),
			"look":         command(lookCommand, 1),
			"served":       command(servedCommand, 1),
			"logged":       command(loggedCommand, 1),
			"signal":       command(signalCommand, 2),
			"crash":        command(crashCommand, 1),
			"occupy":       command(occupyCommand, 1),
			"stubborn":     command(stubbornCommand, 1),
			"await":        command(awaitCommand, 2),
			"appears":      command(appearsCommand, 2),
			"signal-twice": command(signalTwiceCommand, 1),
			"keys":         command(keysCommand, 2),
			"old-keys":     command(oldKeysCommand, 2),
			"tree":         command(treeCommand, 1),
			"tls-tree":     command(tlsTreeCommand, 2),
			"tls-refused":  command(tlsRefusedCommand, 2),
			"put":          command(putCommand, 3),
			"remove":       command(removeCommand, 2),
			"fetch":        command(fetchCommand, 2),
			"fetch-as":     command(fetchAsCommand, 3),
			"fetch-tls":    command(fetchTLSCommand, 3),
		},
	})
}

// command makes a command of f, which takes at least n arguments and no "!".
func command(f func(*testscript.TestScript, []string), n int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < n {
			ts.Fatalf("wrong use of a command: %v", args)
		}
		f(ts, args)
	}
}

// A process is a doozerd that serves.
type process struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	before string // what it logged before it served

	serving  chan struct{} // closed when it says that it serves, after it was looking for its cluster
	stopping chan struct{} // closed when it says that it stops
	cause    any           // why, as it says then
	logEnd   chan struct{} // closed when it says nothing more
}

type processes map[string]*process

type processesKey struct{}

func setup(e *testscript.Env) error {
	e.Setenv("hostname", hostname())
	e.Setenv("version", version.Version)
	e.Values[processesKey{}] = make(processes)
	return nil
}

func processesOf(ts *testscript.TestScript) processes {
	return ts.Value(processesKey{}).(processes)
}

func processNamed(ts *testscript.TestScript, name string) *process {
	p := processesOf(ts)[name]
	if p == nil {
		ts.Fatalf("no process %s", name)
	}
	return p
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.wait()
}

// wait takes the end of the process, once all it wrote has been read.
func (p *process) wait() error {
	<-p.logEnd
	return p.cmd.Wait()
}

func mistake(ts *testscript.TestScript, args []string) {
	err := ts.Exec("doozerd", args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("doozerd ended with %v, want status %s", err, args[0])
	}
	if ts.ReadFile("stdout") != "" {
		ts.Fatalf("something on stdout")
	}
	line, rest, _ := strings.Cut(ts.ReadFile("stderr"), "\n")
	if !strings.HasPrefix(line, "doozerd: "+args[1]) {
		ts.Fatalf("it said %q", line)
	}
	if args[0] == "2" != strings.HasPrefix(rest, "Usage: doozerd [OPTIONS]\n") || args[0] == "1" && rest != "" {
		ts.Fatalf("then it said %q", rest)
	}
}

func serveCommand(ts *testscript.TestScript, args []string) { start(ts, "serving", args) }

func lookCommand(ts *testscript.TestScript, args []string) {
	start(ts, "looking for the cluster", args)
}

func servedCommand(ts *testscript.TestScript, args []string) {
	p := processNamed(ts, args[0])
	select {
	case <-p.serving:
	case <-p.logEnd:
		ts.Fatalf("%s ended before it served", args[0])
	}
}

// start runs a process until it logs msg.
func start(ts *testscript.TestScript, msg string, args []string) {
	bin, err := os.Executable()
	ts.Check(err)
	p := &process{
		cmd:      exec.Command(bin, append([]string{"-log-format=json", "-l=127.0.0.1:0"}, args[1:]...)...),
		serving:  make(chan struct{}),
		stopping: make(chan struct{}),
		logEnd:   make(chan struct{}),
	}
	p.cmd.Args[0] = "doozerd"
	p.cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "DOOZER_BOOT_URI", "DOOZER_RWSECRET", "DOOZER_ROSECRET", "GOCOVERDIR"} {
		p.cmd.Env = append(p.cmd.Env, name+"="+ts.Getenv(name))
	}
	p.cmd.Stdout = &p.stdout
	log, err := p.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	ts.Defer(p.kill) // also if another takes its name
	processesOf(ts)[args[0]] = p
	p.awaitLine(ts, msg, args[0], log)
}

// awaitLine reads the log up to the line that says msg. The rest is read in the background.
func (p *process) awaitLine(ts *testscript.TestScript, msg, name string, log io.Reader) {
	lines := bufio.NewScanner(log)
	defer func() { go p.awaitStopping(lines) }()
	for lines.Scan() {
		line := logLine(lines)
		if line["msg"] == msg {
			for _, attr := range []string{"addr", "web", "id"} {
				text, _ := line[attr].(string)
				ts.Setenv(name+"_"+attr, text)
			}
			fmt.Fprintln(ts.Stdout(), line["try"])
			return
		}
		p.before += lines.Text() + "\n"
	}
	ts.Fatalf("%s ended before %q: %s", name, msg, p.before)
}

func (p *process) awaitStopping(lines *bufio.Scanner) {
	defer close(p.logEnd)
	for lines.Scan() {
		switch line := logLine(lines); line["msg"] {
		case "serving":
			close(p.serving)
		case "stopping":
			p.cause = line["cause"]
			close(p.stopping)
		}
	}
}

func logLine(lines *bufio.Scanner) (attrs map[string]any) {
	if json.Unmarshal(lines.Bytes(), &attrs) != nil {
		return nil // not of the log: a trace of the race detector, say
	}
	return attrs
}

func loggedCommand(ts *testscript.TestScript, args []string) {
	fmt.Fprint(ts.Stdout(), processNamed(ts, args[0]).before)
}

func signalCommand(ts *testscript.TestScript, args []string) {
	p := processNamed(ts, args[0])
	signals := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	ts.Check(p.cmd.Process.Signal(signals[args[1]]))
	ts.Check(p.wait())
	select {
	case <-p.stopping:
		if want := "signal: " + signals[args[1]].String(); p.cause != want {
			ts.Fatalf("it says that it stops because of %v, not %q", p.cause, want)
		}
	default: // it had not joined its cluster
	}
	if p.stdout.Len() > 0 {
		ts.Fatalf("it wrote to stdout: %s", p.stdout.String())
	}
}

func crashCommand(ts *testscript.TestScript, args []string) {
	processNamed(ts, args[0]).kill()
}

func occupyCommand(ts *testscript.TestScript, args []string) {
	addr := "127.0.0.1:0"
	if len(args) > 1 {
		addr = args[1]
	}
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return // by somebody else: just as well
	}
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0]+"_addr", l.Addr().String())
}

func stubbornCommand(ts *testscript.TestScript, args []string) {
	large := "/large"
	ctx, c := dial(ts, args[0], client.Config{})
	_, err := c.Set(ctx, large, client.Missing, make([]byte, wire.DefaultMaxValue))
	ts.Check(err)
	frame, err := wire.AppendFrame(nil, &wire.Request{Verb: wire.Request_GET.Enum(), Path: &large})
	ts.Check(err)
	conn, err := net.Dial("tcp", ts.Getenv(args[0]+"_addr"))
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	_, err = conn.Write(bytes.Repeat(frame, 50))
	ts.Check(err)
	_, err = io.ReadFull(conn, make([]byte, 1)) // the first answer is on its way
	ts.Check(err)
}

// waitForClients is how long a node that ends waits for clients that do not take their answers.
const waitForClients = 2 * time.Second

func signalTwiceCommand(ts *testscript.TestScript, args []string) {
	p := processNamed(ts, args[0])
	began := time.Now()
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	<-p.stopping
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	late := time.Since(began) > waitForClients
	err := p.wait()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM:
	case err == nil && late: // this machine is so slow that it had ended before
	default:
		ts.Fatalf("it ended otherwise than by the signal: %v", err)
	}
}

func awaitCommand(ts *testscript.TestScript, args []string) {
	ctx, conn := dial(ts, args[0], client.Config{})
	for e, err := range conn.Watch(ctx, args[1], 1) {
		ts.Check(err)
		if e.IsDel() {
			return
		}
	}
}

// appearsCommand waits until there are files that match, one or as many as its last argument says.
func appearsCommand(ts *testscript.TestScript, args []string) {
	times := 1
	if len(args) > 2 {
		var err error
		times, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	ctx, conn := dial(ts, args[0], client.Config{})
	rev, err := conn.Rev(ctx)
	ts.Check(err)
	files := map[string]bool{}
	for e, err := range conn.Walk(ctx, args[1], rev) {
		ts.Check(err)
		files[e.Path] = true
	}
	if len(files) >= times {
		return
	}
	for e, err := range conn.Watch(ctx, args[1], rev+1) {
		ts.Check(err)
		if files[e.Path] = true; e.IsDel() {
			delete(files, e.Path)
		}
		if len(files) >= times {
			return
		}
	}
}

func keysCommand(ts *testscript.TestScript, args []string) {
	writeKeys(ts, args, time.Now().Add(time.Hour))
}

func oldKeysCommand(ts *testscript.TestScript, args []string) {
	writeKeys(ts, args, time.Now().Add(-time.Hour))
}

func writeKeys(ts *testscript.TestScript, args []string, until time.Time) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	ts.Check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	writePEM(ts, args[0], "CERTIFICATE", der)
	writePEM(ts, args[1], "PRIVATE KEY", keyDER)
}

func writePEM(ts *testscript.TestScript, file, kind string, der []byte) {
	ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// patience is how long a thing that must happen may take before it counts as never happening. A slow machine
// must not fail.
const patience = 60 * time.Second

// dial connects to the node that a script knows as name.
func dial(ts *testscript.TestScript, name string, c client.Config) (context.Context, *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	ts.Defer(cancel)
	c.Addrs = []string{ts.Getenv(name + "_addr")}
	conn, err := client.DialConfig(ctx, c)
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	return ctx, conn
}

func treeCommand(ts *testscript.TestScript, args []string) {
	var c client.Config
	if len(args) > 1 {
		c.Secret = &args[1]
	}
	printTree(ts, args[0], c)
}

func tlsTreeCommand(ts *testscript.TestScript, args []string) {
	printTree(ts, args[0], client.Config{TLS: tlsOf(ts, args[1:])})
}

func tlsRefusedCommand(ts *testscript.TestScript, args []string) {
	c := client.Config{Addrs: []string{ts.Getenv(args[0] + "_addr")}, TLS: tlsOf(ts, args[1:]), RetryFor: time.Nanosecond}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := client.DialConfig(ctx, c)
	if err == nil {
		defer conn.Close()
		_, err = conn.Rev(ctx)
	}
	if err == nil {
		ts.Fatalf("served without a certificate")
	}
	fmt.Fprintln(ts.Stdout(), err)
}

// tlsOf returns how to speak TLS with these files: an authority, and perhaps a
// certificate and its key.
func tlsOf(ts *testscript.TestScript, files []string) *tls.Config {
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	c.RootCAs.AppendCertsFromPEM([]byte(ts.ReadFile(files[0])))
	if len(files) > 1 {
		pair, err := tls.X509KeyPair([]byte(ts.ReadFile(files[1])), []byte(ts.ReadFile(files[2])))
		ts.Check(err)
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func printTree(ts *testscript.TestScript, name string, c client.Config) {
	ctx, conn := dial(ts, name, c)
	for e, err := range conn.Walk(ctx, "/**", client.Now) {
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "%s %s\n", e.Path, e.Body)
	}
}

func putCommand(ts *testscript.TestScript, args []string) {
	ctx, conn := dial(ts, args[0], client.Config{})
	_, err := conn.Set(ctx, args[1], client.Clobber, []byte(args[2]))
	ts.Check(err)
}

func removeCommand(ts *testscript.TestScript, args []string) {
	ctx, conn := dial(ts, args[0], client.Config{})
	ts.Check(conn.Del(ctx, args[1], client.Clobber))
}

func fetchCommand(ts *testscript.TestScript, args []string) {
	r, err := http.NewRequest("GET", args[1], nil)
	ts.Check(err)
	if len(args) > 2 {
		r.SetBasicAuth("anybody", args[2])
	}
	fetch(ts, http.DefaultClient, r, args[0])
}

func fetchAsCommand(ts *testscript.TestScript, args []string) {
	r, err := http.NewRequest("GET", args[2], nil)
	ts.Check(err)
	r.Host = args[0]
	fetch(ts, http.DefaultClient, r, args[1])
}

func fetchTLSCommand(ts *testscript.TestScript, args []string) {
	transport := &http.Transport{TLSClientConfig: tlsOf(ts, args[2:]), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest("GET", args[1], nil)
	ts.Check(err)
	fetch(ts, &http.Client{Transport: transport}, r, args[0])
}

func fetch(ts *testscript.TestScript, by *http.Client, r *http.Request, status string) {
	again := time.NewTicker(50 * time.Millisecond) // no event tells what a probe would find
	defer again.Stop()
	tooLate := time.After(patience)
	for {
		got, body := get(ts, by, r)
		if got == status {
			fmt.Fprint(ts.Stdout(), body)
			return
		}
		if status != "200" || !isProbe(r) {
			ts.Fatalf("status %s, want %s: %s", got, status, body)
		}
		select {
		case <-again.C:
		case <-tooLate:
			ts.Fatalf("still status %s, want %s: %s", got, status, body)
		}
	}
}

func get(ts *testscript.TestScript, by *http.Client, r *http.Request) (status, body string) {
	answer, err := by.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	return strconv.Itoa(answer.StatusCode), string(text)
}

// isProbe reports whether the answer is how well a node does, which is not well on a machine that has much else to do.
func isProbe(r *http.Request) bool {
	return path.Base(r.URL.Path) == "readyz" || path.Base(r.URL.Path) == "livez"
}
