package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/ha/doozerd/client"
)

// asOutputError marks err as one of writing to standard output.
func asOutputError(err error) error {
	if err == nil {
		return nil
	}
	return outputError{err}
}

// print writes an answer to standard output: the text, or with -json the
// object, as one line. It is one write, so that an answer is never seen in part.
func (c *call) print(text []byte, object any) error {
	return c.printTo(c.stdout, text, object)
}

func (c *call) printTo(w io.Writer, text []byte, object any) error {
	if c.json {
		var err error
		if text, err = jsonLine(object); err != nil {
			return err
		}
	}
	_, err := w.Write(text)
	return asOutputError(err)
}

// jsonLine is object as JSON in one line, with <, > and & as themselves.
func jsonLine(object any) ([]byte, error) {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	err := e.Encode(object)
	return line.Bytes(), err
}

// The objects of -json. Revs are numbers of up to 64 bits: readers that hold
// numbers as floating point lose the last digits above 2^53.
type (
	revObject struct {
		Rev int64 `json:"rev"`
	}
	idObject struct {
		ID string `json:"id"`
	}
	fileObject struct { // rev 0: there is no such file
		Path string `json:"path"`
		Rev  int64  `json:"rev"`
		Len  int    `json:"len"`
	}
	dirObject struct {
		Path    string `json:"path"`
		Dir     bool   `json:"dir"` // always true
		Entries int    `json:"entries"`
	}
	bodyObject struct {
		fileObject
		content
	}
	eventObject struct {
		fileObject
		Op string `json:"op"`
		content
	}
)

// content is a body in JSON: as text if it is text, else in base64. Exactly
// one of the two fields is there, for the empty body as well.
type content struct {
	Body   *string `json:"body,omitempty"`
	Base64 []byte  `json:"base64,omitempty"`
}

func contentOf(body []byte) content {
	if utf8.Valid(body) {
		text := string(body)
		return content{Body: &text}
	}
	return content{Base64: body}
}

// printEvent prints an event as a record: a line PATH REV set|del LEN, then the
// body and a line feed.
func (c *call) printEvent(ev client.Event) error {
	record := fmt.Appendf(nil, "%s %d %s %d\n", ev.Path, ev.Rev, op(ev), len(ev.Body))
	record = append(append(record, ev.Body...), '\n')
	return c.print(record, eventObject{
		fileObject: fileObject{ev.Path, ev.Rev, len(ev.Body)},
		Op:         op(ev),
		content:    contentOf(ev.Body),
	})
}

func op(ev client.Event) string {
	if ev.IsDel() {
		return "del"
	}
	return "set"
}

// printRev prints a rev, on a line of its own.
func (c *call) printRev(rev int64) error {
	return c.print(fmt.Appendln(nil, rev), revObject{rev})
}
