package sim

import (
	"reflect"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/consensus"
)

// A run comes to the same whether messages travel as bytes or as they are: what is spoiled is refused.
func TestFramesChangeNothing(t *testing.T) {
	refused := 0
	for _, seed := range onceFailed {
		plain := newWorld(seed, nil)
		plain.plan.frames = false
		want := plain.live()
		framed := newWorld(seed, nil)
		framed.plan.frames, framed.plan.spoiling = true, 0.2
		got := framed.live()

		assert.Equal(t, nil, got.Err)
		refused += got.Refused
		got.Refused, got.Plan = 0, want.Plan
		assert.Equal(t, want, got)
	}
	assert.T(t, refused > 1000, refused)
}

// Some seeds send no frames, some sound ones only, and some many that are spoiled.
func TestSeedsDecideWhatIsSpoiled(t *testing.T) {
	type decision struct {
		frames   bool
		spoiling float64
	}
	seen := map[decision]bool{}
	for seed := uint64(firstSeed); seed < firstSeed+someSeeds; seed++ {
		p := newWorld(seed, nil).plan
		seen[decision{p.frames, p.spoiling}] = true
	}
	for _, d := range []decision{{false, 0}, {true, 0}, {true, 0.2}} {
		assert.T(t, seen[d], d)
	}
}

// same looks at every field, so that none can be damaged unseen.
func TestSameSeesEveryField(t *testing.T) {
	seesEveryField(t, same)
	seesEveryField(t, sameVote)
	seesEveryField(t, sameBatch)
}

func seesEveryField[T any](t *testing.T, same func(a, b T) bool) {
	t.Helper()
	var zero T
	assert.T(t, same(zero, zero))
	for k := range reflect.TypeFor[T]().NumField() {
		var other T
		change(reflect.ValueOf(&other).Elem().Field(k))
		assert.T(t, !same(zero, other), reflect.TypeFor[T]().Field(k).Name)
	}
}

// change makes v another value than the zero one.
func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Struct:
		change(v.Field(v.NumField() - 1))
	}
}

// Messages that share all but the bytes of a mutation differ.
func TestSameSeesMutations(t *testing.T) {
	a, b := consensus.Message{}, consensus.Message{}
	a.Batch.Mutations, b.Batch.Mutations = [][]byte{[]byte("a")}, [][]byte{[]byte("b")}
	assert.T(t, !same(a, b))
}
