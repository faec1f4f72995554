package client_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/wire"
)

func TestParseURI(t *testing.T) {
	for _, v := range []struct {
		uri  string
		want client.URI
	}{
		{"doozer:?", client.URI{}},
		{"doozer:?ca=127.0.0.1:8046", client.URI{Addrs: []string{"127.0.0.1:8046"}}},
		{"doozer:?ca=host", client.URI{Addrs: []string{"host:8046"}}},
		{"doozer:?ca=host:", client.URI{Addrs: []string{"host:8046"}}},
		{"doozer:?ca=:9", client.URI{Addrs: []string{"127.0.0.1:9"}}},
		{"doozer:?ca=[::1]", client.URI{Addrs: []string{"[::1]:8046"}}},
		{"doozer:?ca=::1", client.URI{Addrs: []string{"[::1]:8046"}}},
		{"doozer:?ca=[::1]:9", client.URI{Addrs: []string{"[::1]:9"}}},
		{"doozer:?ca=a&ca=b:2", client.URI{Addrs: []string{"a:8046", "b:2"}}},
		{"doozer:?ca=a%3A1", client.URI{Addrs: []string{"a:1"}}},
		{"doozer:?cn=example", client.URI{Name: "example"}},
		{"doozer:?cn=", client.URI{}},
		{"doozer:?sk=", client.URI{Secret: ptr("")}},
		{"doozer:?sk=a%26b+c", client.URI{Secret: ptr("a&b c")}},
		{"doozer:?un=me&x=y&cn=n", client.URI{Name: "n"}},
	} {
		got, err := client.ParseURI(v.uri)
		assert.Equal(t, nil, err)
		assert.Equal(t, v.want, got)
	}
}

func TestInvalidURIs(t *testing.T) {
	for uri, want := range map[string]string{
		"":                    "invalid uri",
		"doozer":              "invalid uri",
		"doozer:":             "invalid uri",
		"doozer:ca=a":         "invalid uri",
		"DOOZER:?ca=a":        "invalid uri",
		"http://a":            "invalid uri",
		"127.0.0.1:8046":      "invalid uri",
		"doozer:?ca=%zz":      "invalid uri",
		"doozer:?ca=a;ca=b":   "invalid uri",
		"doozer:?ca=":         `invalid uri: ca: address "" has no host`,
		"doozer:?ca=a[":       `invalid uri: ca: address "a[" is neither host nor host:port`,
		"doozer:?ca=[::1":     `invalid uri: ca: address "[::1" is neither host nor host:port`,
		"doozer:?ca=:":        `invalid uri: ca: address ":" has no host`,
		"doozer:?ca=a:b:c:8z": `invalid uri: ca: address "a:b:c:8z" is neither host nor host:port`,
	} {
		_, err := client.ParseURI(uri)
		assert.Equal(t, true, errors.Is(err, client.ErrInvalidURI))
		assert.Equal(t, want, err.Error())
	}
}

// What the DzNS refuses is told from what the cluster does; and of those that it
// lists no more are tried than a client takes.
func TestDzNSThatAnswers(t *testing.T) {
	const listed = client.MaxAddrs + 50
	for _, v := range []struct {
		answer func(*wire.Request) *wire.Response
		want   string
		tried  int
	}{
		{func(*wire.Request) *wire.Response { return refusal(wire.Response_OTHER, "permission denied") },
			"DzNS: OTHER: permission denied", 0},
		{func(r *wire.Request) *wire.Response { return addressAt(r, listed) }, "", client.MaxAddrs},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.serve("dzns:1", func(p *remote) {
				p.hello(10)
				p.hello(10)
				for r := p.next(); r != nil; r = p.next() {
					p.send(r, v.answer(r))
				}
			})
			_, err := client.DialURI(t.Context(), "doozer:?cn=app", "doozer:?ca=dzns:1", n.config())
			if v.want != "" {
				assert.Equal(t, v.want, err.Error())
			}
			assert.Equal(t, 1+v.tried, len(n.dialled()))
		})
	}
}

// addressAt answers a WALK through so many files, each of which holds an address.
func addressAt(r *wire.Request, files int32) *wire.Response {
	if r.GetOffset() >= files {
		return refusal(wire.Response_RANGE, "")
	}
	return event(5, "/ctl/ns/app/x", fmt.Sprintf("host-%d:1", r.GetOffset()))
}
