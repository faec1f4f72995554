package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ha/doozerd/internal/e2e/cluster"
)

// etcdClient is a client of etcd that is as cheap as ours of doozerd: it knows just one call,
// etcdserverpb.KV/Put, and as much of gRPC over HTTP/2 as that takes. The official one would take several times
// the processor time, and the nodes of both share the processors with their clients.
type etcdClient struct {
	net.Conn
	in     *bufio.Reader
	stream uint32 // of the next call; a client's are odd
	fields []byte // the header of each call after the first
	data   []byte // the message of each call, with its frame
	out    []byte
	answer []byte // the payload of a frame
}

// Types and flags of frames of HTTP/2.
const (
	h2Data         = 0x0
	h2Headers      = 0x1
	h2Reset        = 0x3
	h2Settings     = 0x4
	h2Ping         = 0x6
	h2Goaway       = 0x7
	h2WindowUpdate = 0x8

	h2EndStream  = 0x1
	h2Ack        = 0x1
	h2EndHeaders = 0x4

	h2FrameHead = 9
	h2Preface   = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	h2Window    = 1<<31 - 1 - 65535 // what the server may send before it needs leave to go on: more than a load ever gets
)

// Entries of HPACK's static table, and its first dynamic one.
const (
	hpackAuthority   = 1
	hpackPost        = 3
	hpackPath        = 4
	hpackHTTP        = 6
	hpackContentType = 31
	hpackDynamic     = 62

	hpackIndexed = 0x80 // name and value are those of an entry
	hpackAdd     = 0x40 // what follows becomes an entry
)

func dialEtcd(k int, addr string) (cluster.Client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &etcdClient{Conn: conn, in: bufio.NewReader(conn), stream: 1, data: putFrame(k)}
	c.out = append(c.out, h2Preface...)
	c.out = appendH2(c.out, h2Settings, 0, 0, nil)
	c.out = appendH2(c.out, h2WindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, h2Window))
	if err := c.call(firstFields(addr)); err != nil {
		conn.Close()
		return nil, err
	}
	// The header again, out of the tables: that is all that a good client sends.
	c.fields = []byte{hpackIndexed | hpackPost, hpackIndexed | hpackHTTP}
	for k := 3; k >= 0; k-- { // the newest entry is the first, and pseudo-fields come before others
		c.fields = append(c.fields, hpackIndexed|byte(hpackDynamic+k))
	}
	return c, nil
}

// firstFields is the header of the first call, which fills the table of the others.
func firstFields(addr string) []byte {
	b := []byte{hpackIndexed | hpackPost, hpackIndexed | hpackHTTP}
	b = append(b, hpackAdd|hpackPath)
	b = appendText(b, "/etcdserverpb.KV/Put")
	b = append(b, hpackAdd|hpackAuthority)
	b = appendText(b, addr)
	b = append(b, hpackAdd|hpackContentType)
	b = appendText(b, "application/grpc")
	b = append(b, hpackAdd)
	b = appendText(b, "te")
	return appendText(b, "trailers")
}

// appendText appends a text of less than 127 bytes as HPACK has it.
func appendText(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

// putFrame is the message of a Put of the kth client, with what gRPC puts before it, as a frame of stream 0.
func putFrame(k int) []byte {
	put := protowire.AppendTag(nil, 1, protowire.BytesType)
	put = protowire.AppendString(put, fmt.Sprintf("/load/f%d", k))
	put = protowire.AppendTag(put, 2, protowire.BytesType)
	put = protowire.AppendString(put, strings.Repeat("v", cluster.BodySize))
	message := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(put)))
	return appendH2(nil, h2Data, h2EndStream, 0, append(message, put...))
}

func appendH2(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload))<<8|uint32(kind))
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// Set is one Put.
func (c *etcdClient) Set() error { return c.call(c.fields) }

// call sends a Put and waits for the end of its answer.
func (c *etcdClient) call(fields []byte) error {
	const streamAt = 5 // in the head of a frame
	binary.BigEndian.PutUint32(c.data[streamAt:], c.stream)
	c.out = appendH2(c.out, h2Headers, h2EndHeaders, c.stream, fields)
	c.out = append(c.out, c.data...)
	_, err := c.Write(c.out)
	c.out = c.out[:0]
	if err != nil {
		return err
	}
	c.stream += 2
	return c.await()
}

// await reads until the stream ends. A call that failed has a header, and no message.
func (c *etcdClient) await() error {
	message := false
	for {
		kind, flags, err := c.next()
		switch {
		case err != nil:
			return err
		case kind == h2Data:
			message = message || len(c.answer) > 0
		case kind == h2Headers && flags&h2EndStream != 0:
			if !message {
				return errors.New("etcd refused a Put")
			}
			return nil
		case kind == h2Reset || kind == h2Goaway:
			return fmt.Errorf("etcd ended a call: %x", c.answer)
		case flags&h2Ack == 0 && kind == h2Settings:
			c.out = appendH2(c.out, h2Settings, h2Ack, 0, nil) // goes out with the next call
		case flags&h2Ack == 0 && kind == h2Ping:
			c.out = appendH2(c.out, h2Ping, h2Ack, 0, c.answer)
		}
	}
}

// next reads a frame. Its payload is then in answer.
func (c *etcdClient) next() (kind, flags byte, err error) {
	head, err := c.in.Peek(h2FrameHead)
	if err != nil {
		return 0, 0, err
	}
	size := int(binary.BigEndian.Uint32(head) >> 8)
	kind, flags = head[3], head[4]
	_, _ = c.in.Discard(h2FrameHead) // they are there
	c.answer = slices.Grow(c.answer[:0], size)[:size]
	_, err = io.ReadFull(c.in, c.answer)
	return kind, flags, err
}
