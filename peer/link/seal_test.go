package link

import (
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

func sealersOf(t testing.TB, secret, transcript string) (dialer, answerer *sealer) {
	t.Helper()
	dialer, answerer, err := newSealers(secret, []byte(transcript))
	if err != nil {
		t.Fatal(err)
	}
	return dialer, answerer
}

// sealed returns body and its seal.
func sealed(s *sealer, body string) []byte {
	b := append([]byte(body), make([]byte, s.size())...)
	s.seal(b[len(body):], b[:len(body)])
	return b
}

func TestSeals(t *testing.T) {
	from, back := sealersOf(t, "s", "x")
	one, two := sealed(from, "one"), sealed(from, "two")
	assert.Equal(t, 3+wire.PeerSealSize, len(one))

	by, _ := sealersOf(t, "s", "x")
	for _, want := range []string{"one", "two"} {
		b := map[string][]byte{"one": one, "two": two}[want]
		body, ok := by.open(b)
		assert.Equal(t, true, ok)
		assert.Equal(t, want, string(body))
	}

	for name, s := range map[string]*sealer{
		"of the other direction":  back,
		"of another secret":       first(sealersOf(t, "S", "x")),
		"of another conversation": first(sealersOf(t, "s", "y")),
		"of what comes later":     {mac: from.mac, count: 1},
		"of what came already":    by,
	} {
		_, ok := s.open(one)
		assert.Equal(t, false, ok, name)
	}
}

func first(s, _ *sealer) *sealer { return s }

func TestShortSeals(t *testing.T) {
	for n := range wire.PeerSealSize {
		_, ok := first(sealersOf(t, "s", "x")).open(make([]byte, n))
		assert.Equal(t, false, ok)
	}
}
