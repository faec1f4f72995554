package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sessionLength is how long a browser stays signed in.
const sessionLength = 7 * 24 * time.Hour

// maxSignin bounds the body of a form with a secret, in bytes.
const maxSignin = 64 << 10

// An access is what somebody may do. Whoever may write may read.
type access int

const (
	mayNothing access = iota
	mayRead
	mayWrite
)

// A gate knows the secrets and who has shown one.
type gate struct {
	rw, ro   [sha256.Size]byte // digests: of one length, whatever the secrets'
	everyone access            // without a secret
	hosts    []string
	key      []byte // signs sessions
}

func newGate(c Config) *gate {
	g := &gate{
		rw:    sha256.Sum256([]byte(c.RWSecret)),
		ro:    sha256.Sum256([]byte(c.ROSecret)),
		hosts: c.Hosts,
	}
	switch {
	case c.RWSecret == "":
		g.everyone = mayWrite
	case c.ROSecret == "":
		g.everyone = mayRead
	}
	// The key follows from the secrets, so that a session outlives the process,
	// is good at each member, and ends when the secrets change.
	mac := hmac.New(sha256.New, slices.Concat(g.rw[:], g.ro[:]))
	mac.Write([]byte("doozerd web session"))
	g.key = mac.Sum(nil)
	return g
}

// bySecret returns what a secret gives access to. It takes the same time
// whatever the guess.
func (g *gate) bySecret(guess string) access {
	sum := sha256.Sum256([]byte(guess))
	ro := subtle.ConstantTimeCompare(sum[:], g.ro[:])
	rw := subtle.ConstantTimeCompare(sum[:], g.rw[:])
	return max(g.everyone, access(ro)*mayRead, access(rw)*mayWrite)
}

// of returns what the sender of r may do: by a session, by HTTP Basic with any
// user name, or by a bearer token, the last two being the secret itself.
func (g *gate) of(r *http.Request) access {
	a := g.everyone
	if cookie, err := r.Cookie(cookieName(r)); err == nil {
		a = max(a, g.bySession(cookie.Value, time.Now()))
	}
	if _, password, ok := r.BasicAuth(); ok {
		a = max(a, g.bySecret(password))
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		a = max(a, g.bySecret(token))
	}
	return a
}

// session returns the value of a cookie that gives access a until end.
func (g *gate) session(a access, end time.Time) string {
	text := fmt.Sprintf("%d.%d", a, end.Unix())
	return text + "." + g.sign(text)
}

func (g *gate) sign(text string) string {
	mac := hmac.New(sha256.New, g.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// bySession returns what a cookie gives access to.
func (g *gate) bySession(cookie string, now time.Time) access {
	text, signature := cutLast(cookie, ".")
	if !hmac.Equal([]byte(signature), []byte(g.sign(text))) {
		return mayNothing
	}
	a, end, _ := strings.Cut(text, ".")
	level, err1 := strconv.Atoi(a)
	until, err2 := strconv.ParseInt(end, 10, 64)
	if err1 != nil || err2 != nil || now.Unix() >= until {
		return mayNothing
	}
	return access(level)
}

// cutLast cuts s around the last sep; without one, all of it is before.
func cutLast(s, sep string) (before, after string) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):]
	}
	return s, ""
}

// cookieName keeps apart the nodes of one host, whose cookies browsers mix.
func cookieName(r *http.Request) string {
	_, port, _ := net.SplitHostPort(r.Host)
	return "doozer-" + port
}

// needRead lets through whoever may read the tree. Others are asked for a
// secret: a reader of pages by a page, a script by the status.
func (v *View) needRead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case v.gate.of(r) >= mayRead:
			next.ServeHTTP(w, r)
		case isPage(r):
			v.askSecret(w, r, signinForm{Next: r.URL.RequestURI()})
		default:
			refuse(w, r)
		}
	})
}

// isPage reports whether a browser wants to show the answer to r.
func isPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// refuse says that a secret is needed. A script's browser would put up a dialog
// of its own if it were told how, so only those are who are no script.
func refuse(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/_/") {
		w.Header().Set("WWW-Authenticate", `Basic realm="doozerd", charset="UTF-8"`)
	}
	http.Error(w, "any user name, and a secret of this cluster as the password", http.StatusUnauthorized)
}

// A signinForm is what the page that asks for a secret shows.
type signinForm struct {
	Name, Addr, Hash string
	Next             string // where to go from there
	Write            bool   // the secret for reading does not do
	Wrong            bool
}

func (v *View) signinPage(w http.ResponseWriter, r *http.Request) {
	v.askSecret(w, r, signinForm{Next: r.URL.Query().Get("next"), Write: true})
}

func (v *View) askSecret(w http.ResponseWriter, r *http.Request, f signinForm) {
	f.Name, f.Addr, f.Hash, f.Next = v.config.Name, v.config.Addr, v.assets.hash, ownPath(f.Next)
	v.render(w, r, http.StatusUnauthorized, "signin", f)
}

// signin takes the secret of a form and goes where its reader wanted to.
func (v *View) signin(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxSignin)
	f := signinForm{Next: r.PostFormValue("next"), Write: r.PostFormValue("write") != ""}
	a := v.gate.bySecret(r.PostFormValue("secret"))
	if a <= v.gate.everyone || f.Write && a < mayWrite {
		f.Wrong = true
		v.askSecret(w, r, f)
		return
	}
	v.setSession(w, r, v.gate.session(a, time.Now().Add(sessionLength)), int(sessionLength.Seconds()))
	http.Redirect(w, r, ownPath(f.Next), http.StatusSeeOther)
}

func (v *View) signout(w http.ResponseWriter, r *http.Request) {
	v.setSession(w, r, "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (v *View) setSession(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}

// ownPath returns next if that is a path of this server, and else the root.
func ownPath(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

// ownHost refuses requests for a name that is not ours, unless a secret is
// needed anyway: see [Config.Hosts].
func (g *gate) ownHost(next http.Handler) http.Handler {
	if g.everyone == mayNothing {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.isOwn(hostname(r.Host)) {
			http.Error(w, "this server is not known by that name: use its address, or give the name to -w", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *gate) isOwn(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true // nobody can point an address elsewhere
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		slices.ContainsFunc(g.hosts, func(own string) bool { return strings.EqualFold(own, name) })
}

// hostname returns the host of a Host header: no port, no brackets.
func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}
