package ike

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
)

// flooded is a host that strangers without number write to: what it answers them
// is counted, and goes nowhere.
type flooded struct {
	*host
	answers, octets atomic.Uint64
}

// SendIKE implements Transport.
func (f *flooded) SendIKE(b []byte, local, remote netip.AddrPort) error {
	f.net.mu.Lock()
	known := f.net.hosts[remote.Addr()] != nil
	f.net.mu.Unlock()
	if known {
		return f.host.SendIKE(b, local, remote)
	}
	f.answers.Add(1)
	f.octets.Add(uint64(len(b)))
	return nil
}

// floodRate is how many requests a second come from addresses that nobody has.
const floodRate = 100_000

// floodTime is for how long, in virtual time.
func floodTime() time.Duration {
	if os.Getenv("CAUSEWAY_LONG") != "" {
		return 30 * time.Second
	}
	return 300 * time.Millisecond
}

// initRequest is an IKE_SA_INIT request that would be answered.
func initRequest(t *testing.T, suite transform.Proposal) []byte {
	t.Helper()
	p := wire.Proposal{Number: 1, Protocol: wire.ProtocolIKE}
	for _, tr := range suite.Transforms {
		w := wire.Transform{Type: wire.TransformType(tr.Type), ID: tr.ID}
		if tr.KeyBits != 0 {
			w.Attributes = []wire.Attribute{wire.KeyLengthAttribute(tr.KeyBits)}
		}
		p.Transforms = append(p.Transforms, w)
	}
	share := make([]byte, 32)
	share[0] = 9
	raw, err := (&wire.Message{
		Header: wire.Header{InitiatorSPI: 1, Exchange: wire.ExchangeIKESAInit, Flags: wire.FlagInitiator},
		Payloads: []wire.Payload{
			&wire.SecurityAssociation{Proposals: []wire.Proposal{p}}, &wire.KeyExchange{Group: 31, Data: share}, &wire.Nonce{Data: make([]byte, 32)},
		},
	}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// flood sends sound IKE_SA_INIT requests, each from another address.
func flood(to *Engine, request []byte, local netip.AddrPort, until <-chan struct{}) (sent, octets uint64) {
	for n := uint64(1); ; n++ {
		binary.BigEndian.PutUint64(request, n)
		source := netip.AddrFrom4([4]byte{198, byte(n >> 16), byte(n >> 8), byte(n)})
		to.Receive(request, local, netip.AddrPortFrom(source, uint16(1024+n>>24)))
		octets += uint64(len(request))
		if n%(floodRate/1000) != 0 {
			continue
		}
		time.Sleep(time.Millisecond)
		select {
		case <-until:
			return n, octets
		default:
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestFlood: 100,000 spoofed IKE_SA_INIT a second cost bounded memory and fewer
// octets than they have, and a peer that means it connects meanwhile.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		a, h := n.host(t, left), n.host(t, right)
		h.engine.Close(t.Context())
		b := &flooded{host: h}
		var err error
		if b.engine, err = NewEngine(EngineConfig{Transport: b, DataPath: h.data, Report: func(sa.Report) {}}); err != nil {
			t.Fatal(err)
		}
		defer b.close()
		defer a.close()
		suite, err := transform.ParseProposal(transform.IKE, "aes256gcm16-prfsha256-x25519")
		if err != nil {
			t.Fatal(err)
		}
		anyone, to := connection(t, "anyone", "", "a long shared key", StartOnDemand), connection(t, "to-right", right, "a long shared key", StartOnDemand)
		anyone.Settings.IKEProposals, to.Settings.IKEProposals = []transform.Proposal{suite}, []transform.Proposal{suite}
		b.set(anyone)
		a.set(to)

		before, stop := heap(), make(chan struct{})
		done := make(chan [2]uint64)
		go func() {
			sent, octets := flood(b.engine, initRequest(t, suite), netip.AddrPortFrom(h.address, 500), stop)
			done <- [2]uint64{sent, octets}
		}()
		began := time.Now()
		time.Sleep(floodTime() / 2)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		asked := time.Now()
		if err := a.engine.Up(ctx, "to-right"); err != nil {
			t.Fatalf("a peer does not connect during the flood: %v", err)
		}
		up := time.Since(asked)
		time.Sleep(floodTime() - time.Since(began))
		during := heap()
		close(stop)
		sent := <-done
		wantUp(t, a, "to-right")
		t.Logf("%d requests in %v: answered %d, %d octets for %d; a peer was up in %v; memory %d KiB more",
			sent[0], time.Since(began), b.answers.Load(), b.octets.Load(), sent[1], up, (int64(during)-int64(before))/1024)
		if b.octets.Load() > sent[1] {
			t.Error("the answers have more octets than the flood")
		}
		if during > before+64<<20 {
			t.Errorf("%d MiB for a flood", (during-before)>>20)
		}
		if rate := float64(sent[0]) / time.Since(began).Seconds(); rate < 0.9*floodRate {
			t.Errorf("only %.0f requests a second", rate)
		}
	})
}
