package main

import "strings"

// splitLine splits the beginning of a command line into words as a POSIX shell
// does, but expands nothing. The last word is the one being typed: "" behind a
// space, and perhaps in a quote that is still open.
func splitLine(line string) []string {
	var (
		words  []string
		word   strings.Builder
		inWord bool
	)
	for line != "" {
		part, rest := cutPart(line)
		switch {
		case part != "" || strings.ContainsAny(line[:1], `'"\`):
			word.WriteString(part)
			inWord = true
		case inWord:
			words = append(words, word.String())
			word.Reset()
			inWord = false
		}
		line = rest
	}
	return append(words, word.String())
}

// cutPart cuts the first part off a line that is not empty: one blank, which
// stands for nothing, a quotation, a quoted byte or a plain one.
func cutPart(line string) (part, rest string) {
	switch c, rest := line[0], line[1:]; c {
	case ' ', '\t', '\n':
		return "", rest
	case '\'':
		part, rest, _ = strings.Cut(rest, "'")
		return part, rest
	case '"':
		return cutDoubleQuoted(rest)
	case '\\':
		return rest[:min(1, len(rest))], rest[min(1, len(rest)):]
	}
	return line[:1], line[1:]
}

// cutDoubleQuoted cuts after the quote that ends what stands in double quotes.
func cutDoubleQuoted(line string) (part, rest string) {
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"':
			return b.String(), line[i+1:]
		case line[i] == '\\' && i+1 < len(line) && strings.IndexByte("\\\"$`", line[i+1]) >= 0:
			i++
		}
		b.WriteByte(line[i])
	}
	return b.String(), ""
}
