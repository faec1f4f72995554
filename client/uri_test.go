package client_test

import (
	"errors"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
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
		"doozer:?ca=:8046":    `invalid uri: ca: address ":8046" has no host`,
		"doozer:?ca=a:b:c:8z": `invalid uri: ca: address "a:b:c:8z" is neither host nor host:port`,
	} {
		_, err := client.ParseURI(uri)
		assert.Equal(t, true, errors.Is(err, client.ErrInvalidURI))
		assert.Equal(t, want, err.Error())
	}
}
