package link

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/bmizerany/assert"
)

// Where one address of a name refuses, the process may listen at another.
func TestNobodyIsSaidOnlyIfAllAddressesRefuse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.Equal(t, nil, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	assert.Equal(t, nil, err)
	assert.Equal(t, nil, l.Close())
	for _, test := range []struct {
		second error // what comes of dialling it
		nobody bool
	}{
		{syscall.ECONNREFUSED, true},
		{syscall.ETIMEDOUT, false},
		{syscall.ENETUNREACH, false},
	} {
		d := &net.Dialer{Resolver: namer(t), Control: func(_, addr string, _ syscall.RawConn) error {
			if strings.HasPrefix(addr, "127.0.0.9:") {
				return test.second
			}
			return nil
		}}
		conn, err := dialBy(t.Context(), d, "two.test:"+port)
		assert.T(t, conn == nil && err != nil, err)
		assert.Equal(t, test.nobody, errors.Is(explain(err), ErrNobody), err)
	}
}

// An address of a kind that this host has not is none that somebody listens at.
func TestForeignAddresses(t *testing.T) {
	for _, test := range []struct {
		addr    string
		err     error
		foreign bool
	}{
		{"[2001:db8::1]:8046", syscall.ENETUNREACH, true},
		{"[2001:db8::1]:8046", syscall.EADDRNOTAVAIL, true},
		{"[2001:db8::1]:8046", syscall.ETIMEDOUT, false},
		{"192.0.2.1:8046", syscall.ENETUNREACH, false},
	} {
		assert.Equal(t, test.foreign, isForeign(test.addr, test.err), test)
	}
}

// namer knows each name as 127.0.0.1 and 127.0.0.9.
func namer(t *testing.T) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close() })
		go serveNames(ours)
		return theirs, nil
	}}
}

// serveNames answers questions of DNS (RFC 1035), each behind its length as over TCP.
func serveNames(conn net.Conn) {
	for question := make([]byte, 1024); ; {
		n, err := conn.Read(question)
		if err != nil {
			return
		}
		if _, err := conn.Write(namesAnswer(question[2:n])); err != nil {
			return
		}
	}
}

func namesAnswer(question []byte) []byte {
	const head, typeA = 12, 1
	end := head
	for question[end] != 0 {
		end += 1 + int(question[end])
	}
	answer := append([]byte{0, 0}, question[:end+5]...)
	body := answer[2:]
	body[2], body[3] = 0x81, 0x80            // it is an answer, and all is well
	copy(body[6:head], make([]byte, head-6)) // of no records
	if body[end+2] == typeA {
		body[7] = 2
		for _, last := range []byte{1, 9} {
			answer = append(answer, 0xc0, head, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, last)
		}
	}
	answer[0], answer[1] = byte((len(answer)-2)>>8), byte(len(answer)-2)
	return answer
}
