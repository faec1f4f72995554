package main

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"
)

func optionsOf(t *testing.T, args ...string) *options {
	t.Helper()
	o, err := parse(args, func(string) string { return "" })
	assert.Equal(t, nil, err)
	return o
}

func TestAddressOfTheWebView(t *testing.T) {
	for _, c := range []struct {
		w     string
		addr  string
		asked bool
	}{
		{"", "10.0.0.1:8000", false},
		{"1", "10.0.0.1:8000", false},
		{"t", "10.0.0.1:8000", false},
		{"T", "10.0.0.1:8000", false},
		{"true", "10.0.0.1:8000", false},
		{"TRUE", "10.0.0.1:8000", false},
		{"True", "10.0.0.1:8000", false},
		{"0", "", false},
		{"f", "", false},
		{"F", "", false},
		{"false", "", false},
		{"FALSE", "", false},
		{"False", "", false},
		{"127.0.0.1:9000", "127.0.0.1:9000", true},
		{":9000", ":9000", true},
	} {
		o := optionsOf(t, "-l", "10.0.0.1:8046", "-w", c.w)
		assert.Equal(t, nil, o.validate())
		addr, asked := o.webAddr()
		assert.Equal(t, c.addr, addr, c.w)
		assert.Equal(t, c.asked, asked, c.w)
	}
}

func TestURLOfTheWebView(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.Equal(t, nil, err)
	defer l.Close()
	port := boundPort(l)
	for asked, want := range map[string]string{
		"localhost:0": "http://localhost:" + port + "/",
		":0":          "http://10.0.0.1:" + port + "/",
		"0.0.0.0:0":   "http://10.0.0.1:" + port + "/",
		"[::1]:0":     "http://[::1]:" + port + "/",
	} {
		assert.Equal(t, want, webURL(asked, l, "10.0.0.1", false))
		assert.Equal(t, strings.Replace(want, "http:", "https:", 1), webURL(asked, l, "10.0.0.1", true))
	}
}

func TestLogFormatAndLevel(t *testing.T) {
	for _, c := range []struct{ format, level, want string }{
		{"text", "info", "level=INFO msg=two\nlevel=WARN msg=three\n"},
		{"json", "warn", `{"level":"WARN","msg":"three"}` + "\n"},
		{"text", "error", ""},
		{"text", "debug", "level=DEBUG msg=one\nlevel=INFO msg=two\nlevel=WARN msg=three\n"},
	} {
		var b bytes.Buffer
		log := optionsOf(t, "-log-format", c.format, "-log-level", c.level).logger(&b)
		log.Debug("one")
		log.Info("two")
		log.Warn("three")
		assert.Equal(t, c.want, withoutTimes(b.String()))
	}
}

func withoutTimes(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if _, rest, ok := strings.Cut(line, `,"level"`); ok {
			line = `{"level"` + rest
		} else {
			_, line, _ = strings.Cut(line, " ")
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestWarningOfFewFiles(t *testing.T) {
	var b bytes.Buffer
	log := optionsOf(t).logger(&b)
	warnOfFewFiles(log, 1)
	assert.Equal(t, "", b.String())
	warnOfFewFiles(log, math.MaxInt64)
	if !strings.Contains(b.String(), "ulimit -n") {
		t.Fatalf("no warning: %s", b.String())
	}
}

// pipes is a listener whose connections are never short.
type pipes struct{ net.Listener }

func (pipes) Accept() (net.Conn, error) {
	c, _ := net.Pipe()
	return c, nil
}

func (pipes) Close() error { return nil }

func TestWebConnectionsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimitedListener(pipes{}, 2)
		first, err := l.Accept()
		assert.Equal(t, nil, err)
		_, err = l.Accept()
		assert.Equal(t, nil, err)

		accepted := make(chan error)
		accept := func() {
			_, err := l.Accept()
			accepted <- err
		}
		go accept()
		synctest.Wait()
		select {
		case <-accepted:
			t.Fatal("one too many was accepted")
		default:
		}
		first.Close()
		first.Close() // as package http may: it makes room once
		assert.Equal(t, nil, <-accepted)

		go accept()
		synctest.Wait()
		l.Close()
		assert.Equal(t, net.ErrClosed, <-accepted)
	})
}

// oneConn is a listener that has one connection.
type oneConn chan net.Conn

func (l oneConn) Accept() (net.Conn, error) {
	c, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l oneConn) Close() error { return nil }

func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestRequestThatNeverEnds holds that whoever announces a body and sends none
// is cut off, as one connection fewer is free for others meanwhile.
func TestRequestThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		view := newWebServer(http.NotFoundHandler(), nil, slog.New(slog.DiscardHandler))
		here, there := net.Pipe()
		l := make(oneConn, 1)
		l <- there
		served := make(chan error)
		go func() { served <- view.serve(l) }()
		cutOff := make(chan struct{})
		go func() {
			io.Copy(io.Discard, here)
			close(cutOff)
		}()
		io.WriteString(here, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\n")
		select {
		case <-cutOff:
		case <-time.After(time.Hour):
			t.Error("after an hour the connection is still there")
			here.Close()
		}
		close(l)
		<-served
		view.close()
	})
}

func TestExample(t *testing.T) {
	keys := []string{"-tlscert", "c.pem", "-tlskey", "k.pem"}
	for _, c := range []struct {
		addr, ro, want string
		args           []string
	}{
		{defaultListen, "", "doozer find /", nil},
		{"h:1", "", "doozer -a 'doozer:?ca=h:1' find /", nil},
		{"h:1", "", "doozer -tls -a 'doozer:?ca=h:1' find /", keys},
		{"h:1", "", "doozer -tlsca a.pem -a 'doozer:?ca=h:1' find /", append(keys, "-tlsca", "a.pem")},
		{
			"h:1", "", "doozer -tlsca a.pem -tlscert c.pem -tlskey k.pem -a 'doozer:?ca=h:1' find /",
			append(keys, "-tlsca", "a.pem", "-tlsclients"),
		},
		{defaultListen, "hidden", "doozer -a 'doozer:?ca=" + defaultListen + "&sk='$DOOZER_ROSECRET find /", nil},
	} {
		o := optionsOf(t, c.args...)
		o.roSecret = c.ro
		d := daemon{options: o, addr: c.addr}
		assert.Equal(t, c.want, d.example())
	}
}

func TestSecretOfMembers(t *testing.T) {
	for _, c := range []struct{ peer, rw, ro, want string }{
		{"", "", "", ""},
		{"", "w", "", "w"},
		{"", "w", "r", "w"},
		{"p", "w", "r", "p"},
		{"p", "", "", "p"},
	} {
		env := map[string]string{"DOOZER_PEERSECRET": c.peer, "DOOZER_RWSECRET": c.rw, "DOOZER_ROSECRET": c.ro}
		o, err := parse(nil, func(name string) string { return env[name] })
		assert.Equal(t, nil, err)
		assert.Equal(t, c.want, o.membersSecret())
	}
}

func TestAddressesToAttachToGetTheUsualPort(t *testing.T) {
	o := &options{attach: addrs{"host", "10.0.0.1", "[::1]", "::1", "host:1", "[::1]:2"}}
	assert.Equal(t, nil, o.checkAttach())
	assert.Equal(t, addrs{"host:8046", "10.0.0.1:8046", "[::1]:8046", "[::1]:8046", "host:1", "[::1]:2"}, o.attach)
}
