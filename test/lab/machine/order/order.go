// Package order is what the test and the agent inside an emulated machine say
// to each other: one order for each TCP connection, a line of JSON, and then
// frames from the agent, or for Dial the bytes of the connection.
//
// Both ends are the tests' own and of one build: nothing here is versioned.
package order

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// The machine's side of the link that orders come over. No peer sees it: what
// the orders start lives in another network namespace of the machine.
var (
	Agent = netip.MustParseAddrPort("169.254.77.2:7")
	Host  = netip.MustParseAddr("169.254.77.1")
)

// The machine's devices, known by their hardware addresses.
const (
	MACWan   = "52:54:00:00:00:01"
	MACLan   = "52:54:00:00:00:02"
	MACOrder = "52:54:00:00:00:03"
)

// Verb says what is to be done.
type Verb string

// The verbs.
const (
	// Fresh kills what runs and forgets what was changed: every root is as it
	// was made, and the devices wan and lan are in a new network namespace.
	Fresh Verb = "fresh"
	// Run runs a program to its end, or until the connection is closed. A byte
	// that the test sends meanwhile is the number of a signal for it.
	Run Verb = "run"
	// Write writes a file.
	Write Verb = "write"
	// Dial connects to a unix socket.
	Dial Verb = "dial"
)

// Order is one order.
type Order struct {
	Verb Verb
	// Root is the root that the programs and paths of the others are in.
	Root      string
	Arguments []string  `json:",omitempty"` // of Run
	Path      string    `json:",omitempty"` // of Write and Dial
	Data      []byte    `json:",omitempty"` // of Write
	Now       time.Time // the machine's clock is set by it
}

// Send writes an order.
func Send(w io.Writer, o Order) error {
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Kind is what a frame holds.
type Kind byte

// The kinds of frames.
const (
	Output  Kind = iota // of a program
	Done                // the order is carried out; no frame follows
	Problem             // it is not, and the frame says why; no frame follows
)

// maxFrame bounds a frame.
const maxFrame = 64 << 10

// WriteFrame sends a frame of at most maxFrame bytes.
func WriteFrame(w io.Writer, k Kind, body []byte) error {
	b := binary.BigEndian.AppendUint32([]byte{byte(k)}, uint32(len(body)))
	_, err := w.Write(append(b, body...))
	return err
}

// ReadFrame reads what WriteFrame sent.
func ReadFrame(r io.Reader) (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, fmt.Errorf("order: %w", err)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("order: a frame of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, fmt.Errorf("order: %w", err)
	}
	return Kind(head[0]), body, nil
}

// Ready is what the agent writes to the console when it takes orders.
const Ready = "agent: ready for orders"
