package e2e

import (
	"fmt"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

// secrets is the environment of a node with these secrets; "" is none.
func secrets(rw, ro string) []string {
	var env []string
	if rw != "" {
		env = append(env, "DOOZER_RWSECRET="+rw)
	}
	if ro != "" {
		env = append(env, "DOOZER_ROSECRET="+ro)
	}
	return env
}

// Levels of access, by what they allow.
const (
	nothing = "REV, SELF, CANCEL"
	read    = "read"
	all     = "all"
)

func testAccess(t *testing.T) {
	t.Run("matrix", testAccessMatrix)
	const denied = `err=OTHER detail="permission denied"`
	converse(t, []row{
		{name: "the connection lives on after a refusal", env: secrets("rw", "ro"), talk: `
			> ACCESS value=wrong
			< ` + denied + `
			> GET path=/ctl/name
			< ` + denied + `
			> ACCESS value=ro
			<
			> GET path=/ctl/name
			< rev=1 value="local"`},
		{name: "access only grows", env: secrets("rw", "ro"), talk: `
			> ACCESS value=rw
			<
			> ACCESS value=ro
			<
			> ACCESS value=wrong
			< ` + denied + `
			> ACCESS
			< ` + denied + `
			> SET path=/a rev=0
			< rev=9
			> GET path=/a
			< rev=9 value=""`},
		{name: "access belongs to the connection", env: secrets("rw", "ro"), talk: `
			> ACCESS value=rw
			<
			> SET path=/a rev=0
			< rev=9
			2> GET path=/a
			2< ` + denied},
		{name: "a token in path: open server", talk: `
			> ACCESS path=rw
			<`},
		{name: "a token in path: guarded server", env: secrets("rw", "ro"), talk: `
			> ACCESS path=rw
			< ` + denied},
		{name: "checked before arguments", env: secrets("rw", "ro"), talk: `
			> GET
			< ` + denied + `
			> SET
			< ` + denied + `
			> DEL
			< ` + denied + `
			> WAIT
			< ` + denied + `
			> NOP
			< ` + denied + `
			> WALK
			< ` + denied + `
			> GETDIR
			< ` + denied + `
			> STAT
			< ` + denied},
		{name: "tokens are compared in full", env: secrets("secret", ""), talk: `
			> ACCESS value=secre
			< ` + denied + `
			> ACCESS value=secrets
			< ` + denied + `
			> ACCESS value=Secret
			< ` + denied + `
			> ACCESS value="secret\x00"
			< ` + denied + `
			> SET path=/a rev=0
			< ` + denied + `
			> ACCESS value=secret
			<
			> SET path=/a rev=0
			< rev=9`},
		{name: "a wait under way outlives a wrong token", env: secrets("rw", "ro"), talk: `
			> ACCESS value=ro
			<
			> tag=1 WAIT path=/a rev=9
			> ACCESS value=wrong
			< ` + denied + `
			2> ACCESS value=rw
			2<
			2> SET path=/a rev=0
			2< rev=9
			< tag=1 flags=4 rev=9 path="/a" value=""`},
	})
}

// testAccessMatrix presents each kind of token to each kind of server, and
// looks at what the answer is and what is allowed then.
func testAccessMatrix(t *testing.T) {
	const refused = `err=OTHER detail="permission denied"`
	type offer struct {
		token  string // "" is a blank one; "none" no ACCESS at all
		answer string
		level  string
	}
	for _, server := range []struct {
		name   string
		rw, ro string
		offers []offer
	}{
		{"open", "", "", []offer{
			{"none", "", all}, {"", "", all}, {"other", refused, all},
		}},
		{"rw set", "W", "", []offer{
			{"none", "", read}, {"", "", read}, {"W", "", all}, {"other", refused, read},
		}},
		{"both set", "W", "R", []offer{
			{"none", "", nothing}, {"", refused, nothing}, {"R", "", read}, {"W", "", all}, {"other", refused, nothing},
		}},
		{"both the same", "S", "S", []offer{
			{"none", "", nothing}, {"", refused, nothing}, {"S", "", all}, {"other", refused, nothing},
		}},
	} {
		t.Run(server.name, func(t *testing.T) {
			n := startWith(t, Options{Env: secrets(server.rw, server.ro)})
			for _, o := range server.offers {
				t.Run(fmt.Sprintf("token %q", o.token), func(t *testing.T) {
					c := dial(t, n.Addr)
					if o.token != "none" {
						assert.Equal(t, o.answer, call(t, c, "ACCESS value=%q", o.token))
					}
					assert.Equal(t, o.level, level(t, c, n.ID))
				})
			}
			t.Run("absent token is blank", func(t *testing.T) {
				blank := call(t, dial(t, n.Addr), `ACCESS value=""`)
				assert.Equal(t, blank, call(t, dial(t, n.Addr), "ACCESS"))
			})
		})
	}
}

// level tries every verb and says which level of access allows just these.
func level(t *testing.T, c *raw.Conn, id string) string {
	t.Helper()
	allowed := func(request string) bool {
		return call(t, c, "%s", request) != `err=OTHER detail="permission denied"`
	}
	assert.Equal(t, fmt.Sprintf("value=%q", id), call(t, c, "SELF"))
	assert.Equal(t, int64(0), ask(t, c, "REV").Err)
	assert.Equal(t, "", call(t, c, "CANCEL other=1"))
	reads := allowed("GET path=/ctl/name")
	for _, request := range []string{
		"STAT path=/ctl", "GETDIR path=/ctl offset=0", "WALK path=/ctl/name offset=0", "WAIT path=/ctl/name rev=1",
	} {
		assert.Equal(t, reads, allowed(request), request)
	}
	writes := allowed("NOP")
	for _, request := range []string{"SET path=/x rev=-1", "DEL path=/x rev=-1"} {
		assert.Equal(t, writes, allowed(request), request)
	}
	assert.T(t, reads || !writes, "who may write may read")
	switch {
	case writes:
		return all
	case reads:
		return read
	}
	return nothing
}
