package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// readers lets through whoever may read the tree.
func (h *handler) readers(next http.Handler) http.Handler {
	if h.ROSecret == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if !isOneOf(password, h.ROSecret, h.RWSecret) {
			w.Header().Set("WWW-Authenticate", `Basic realm="doozerd", charset="UTF-8"`)
			http.Error(w, "any user name, and a secret of this cluster as the password", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOneOf takes the same time whatever the guess, its length included.
func isOneOf(guess string, secrets ...string) bool {
	sum := sha256.Sum256([]byte(guess))
	found := 0
	for _, s := range secrets {
		want := sha256.Sum256([]byte(s))
		found |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	return found == 1
}

// ownHost refuses requests for a name that is not ours, unless a secret is
// needed anyway: see [Config.Hosts].
func (h *handler) ownHost(next http.Handler) http.Handler {
	if h.ROSecret != "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.isOwn(hostname(r.Host)) {
			http.Error(w, "this server is not known by that name: use its address, or give the name to -w", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *handler) isOwn(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true // nobody can point an address elsewhere
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		slices.ContainsFunc(h.Hosts, func(own string) bool { return strings.EqualFold(own, name) })
}

// hostname returns the host of a Host header: no port, no brackets.
func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}
