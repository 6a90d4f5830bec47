// Package vici speaks strongSwan's control protocol, as its
// src/libcharon/plugins/vici/README.md describes it: enough to start, end and
// list security associations from a test.
//
// A Conn carries one command at a time and is not safe for concurrent use.
package vici

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Packet types and element types of the protocol.
const (
	cmdRequest    = 0
	cmdResponse   = 1
	eventRegister = 3
	eventConfirm  = 5
	event         = 7

	sectionStart = 1
	sectionEnd   = 2
	keyValue     = 3
	listStart    = 4
	listItem     = 5
	listEnd      = 6
)

// maxPacket is the longest packet that the protocol allows.
const maxPacket = 512 << 10

var errMalformed = errors.New("vici: malformed message")

// Section is a message or a part of it: values are string, []string or Section.
type Section map[string]any

// Text is the string of that key, empty when there is none.
func (s Section) Text(key string) string {
	text, _ := s[key].(string)
	return text
}

// List is the list of that key.
func (s Section) List(key string) []string {
	list, _ := s[key].([]string)
	return list
}

// Section is the section of that key; a nil one is as good as an empty one.
func (s Section) Section(key string) Section {
	section, _ := s[key].(Section)
	return section
}

// Conn is a connection to a daemon.
type Conn struct{ conn net.Conn }

// New takes over a connection to the daemon's socket; ctx bounds what is done
// with it.
func New(ctx context.Context, conn net.Conn) (*Conn, error) {
	var err error
	if deadline, ok := ctx.Deadline(); ok {
		err = conn.SetDeadline(deadline)
	}
	return &Conn{conn}, err
}

// Close closes the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// SetDeadline bounds every call from now on.
func (c *Conn) SetDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

// Call runs a command. A refusal of the daemon is an error.
func (c *Conn) Call(command string, arguments Section) (Section, error) {
	return c.stream(command, arguments, nil)
}

// Stream runs a command and gives each event of that name to f meanwhile.
func (c *Conn) Stream(command, name string, f func(Section)) error {
	if err := c.send(named(eventRegister, name), nil); err != nil {
		return err
	}
	kind, _, err := c.receive()
	if err != nil {
		return err
	}
	if kind != eventConfirm {
		return fmt.Errorf("vici: the daemon knows no event %s", name)
	}
	_, err = c.stream(command, nil, f)
	return err
}

func (c *Conn) stream(command string, arguments Section, f func(Section)) (Section, error) {
	if err := c.send(named(cmdRequest, command), arguments); err != nil {
		return nil, err
	}
	for {
		kind, body, err := c.receive()
		if err != nil {
			return nil, err
		}
		switch kind {
		case event:
			if err := deliver(body, f); err != nil {
				return nil, err
			}
		case cmdResponse:
			answer, err := decode(body)
			if err == nil && answer.Text("success") == "no" {
				err = fmt.Errorf("vici: %s: %s", command, answer.Text("errmsg"))
			}
			return answer, err
		default:
			return nil, fmt.Errorf("vici: the daemon knows no command %s", command)
		}
	}
}

func deliver(body []byte, f func(Section)) error {
	if len(body) < 1 || len(body) < 1+int(body[0]) {
		return errMalformed
	}
	s, err := decode(body[1+int(body[0]):])
	if err == nil && f != nil {
		f(s)
	}
	return err
}

func named(kind byte, name string) []byte {
	return append([]byte{kind, byte(len(name))}, name...)
}

func (c *Conn) send(head []byte, s Section) error {
	packet := append(make([]byte, 4), head...)
	packet = encode(packet, s)
	binary.BigEndian.PutUint32(packet, uint32(len(packet)-4))
	_, err := c.conn.Write(packet)
	return err
}

func (c *Conn) receive() (kind byte, body []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return 0, nil, fmt.Errorf("vici: %w", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxPacket {
		return 0, nil, errMalformed
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return 0, nil, fmt.Errorf("vici: %w", err)
	}
	return body[0], body[1:], nil
}

func encode(b []byte, s Section) []byte {
	for key, value := range s {
		switch v := value.(type) {
		case string:
			b = appendValue(append(append(b, keyValue, byte(len(key))), key...), v)
		case []string:
			b = append(append(b, listStart, byte(len(key))), key...)
			for _, item := range v {
				b = appendValue(append(b, listItem), item)
			}
			b = append(b, listEnd)
		case Section:
			b = append(append(b, sectionStart, byte(len(key))), key...)
			b = append(encode(b, v), sectionEnd)
		}
	}
	return b
}

func appendValue(b []byte, v string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(v))), v...)
}
