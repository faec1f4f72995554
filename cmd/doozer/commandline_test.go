package main

import (
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

func TestSplitLine(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
	}{
		{``, []string{""}},
		{`doozer`, []string{"doozer"}},
		{`doozer `, []string{"doozer", ""}},
		{"doozer \t get  /a", []string{"doozer", "get", "/a"}},
		{`doozer -a 'doozer:?ca=a&ca=b' /`, []string{"doozer", "-a", "doozer:?ca=a&ca=b", "/"}},
		{`doozer -exec "echo \"\$a\" \n" `, []string{"doozer", "-exec", `echo "$a" \n`, ""}},
		{`a\ b c\`, []string{"a b", "c"}},
		{`-a=x'y z'"u v" w`, []string{"-a=xy zu v", "w"}},
		{`'' "" x`, []string{"", "", "x"}},
		{`get 'still op`, []string{"get", "still op"}},
		{`get "still op\`, []string{"get", `still op\`}},
		{`get '`, []string{"get", ""}},
	} {
		assert.Equal(t, c.want, splitLine(c.line), c.line)
	}
}

// FuzzSplitLine holds splitLine to what a line of plain words is made of: those
// words, whatever else the line may hold.
func FuzzSplitLine(f *testing.F) {
	f.Add(`doozer get '/a' "b\"c" \`)
	f.Fuzz(func(t *testing.T, line string) {
		words := splitLine(line)
		assert.NotEqual(t, 0, len(words))
		if !strings.ContainsAny(line, `'"\`) {
			last := line[strings.LastIndexAny(line, " \t\n")+1:]
			assert.Equal(t, append(fields(line[:len(line)-len(last)]), last), words)
		}
	})
}

// fields splits at the blanks that splitLine knows.
func fields(line string) []string {
	return strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\n", r) })
}
