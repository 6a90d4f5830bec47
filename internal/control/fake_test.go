package control

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend answers with what it is told to.
type backend struct {
	mu     sync.Mutex
	status Status
	// do runs each command; nil succeeds.
	do    func(ctx context.Context) error
	calls []string
}

func (b *backend) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

func (b *backend) run(ctx context.Context, call string) error {
	b.mu.Lock()
	b.calls = append(b.calls, call)
	do := b.do
	b.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(ctx)
}

func (b *backend) Up(ctx context.Context, c string) error   { return b.run(ctx, "up "+c) }
func (b *backend) Down(ctx context.Context, c string) error { return b.run(ctx, "down "+c) }

func (b *backend) Reload(ctx context.Context) (Applied, error) { return b.apply(ctx, "reload") }

func (b *backend) apply(ctx context.Context, call string) (Applied, error) {
	return Applied{Warnings: []string{call + " is doubtful"}}, b.run(ctx, call)
}

func (b *backend) Plan(file string, text []byte) (Plan, error) {
	err := b.run(context.Background(), "plan "+file+" "+string(text))
	return Plan{Added: []string{"a"}, Changed: []PlannedChange{{Name: "b", Keys: []string{"metric"}, Live: true}}}, err
}

func (b *backend) Usage(q UsageQuery) (Usage, error) {
	err := b.run(context.Background(), fmt.Sprint("usage ", q.From.Format(time.RFC3339), " ", q.To.Format(time.RFC3339), " ", q.Daily, " ", q.Connection))
	return Usage{From: q.From, To: q.To, By: "day", Rows: []UsageRow{{
		Start: noon, Connection: "a", PacketsIn: 1, BytesIn: 2, PacketsOut: 3, BytesOut: 4, DropsIn: 5, DropsOut: 6, LimitedInS: 6.5, LimitedOutS: 7,
	}}}, err
}

func (b *backend) SetConnection(ctx context.Context, name string, keys []byte, persist bool) (Applied, error) {
	return b.apply(ctx, fmt.Sprint("set ", name, " ", string(keys), " ", persist))
}

func (b *backend) RemoveConnection(ctx context.Context, name string, persist bool) (Applied, error) {
	return b.apply(ctx, fmt.Sprint("remove ", name, " ", persist))
}

func (b *backend) Rekey(ctx context.Context, c string, ike, children bool) error {
	call := "rekey " + c
	if ike {
		call += " ike"
	}
	if children {
		call += " children"
	}
	return b.run(ctx, call)
}

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

// sample is a status in which every field is set.
func sample() Status {
	established, rekey := noon.Add(-time.Hour), noon.Add(7*time.Hour)
	return Status{
		Gateway: Gateway{
			Name: "hq", Version: "v1", UptimeS: 12, Interface: "cw0", MTU: 1438, Workers: 2, DataPath: "portable",
			Offloads: map[string]string{
				"spi_steering": "on", "tso": "on", "tun_steering": "off", "udp_gro": "on", "udp_segment": "on", "uso": "off", "vaes": "on",
			},
			OffloadsRefused: "no tun_steering: it needs CAP_BPF",
			Drops:           map[string]uint64{"no_route": 3},
			Sockets: &Sockets{
				MessagesIn: 1, DatagramsIn: 7, BytesIn: 100, DatagramsOut: 2, BytesOut: 200, GSOFallbacks: 4, LentMessages: 5,
				Drops: map[string]uint64{"overflow": 5},
			},
		},
		Connections: []Connection{
			{
				Name: "azure-west", Wanted: "up", State: "up",
				IKE: &IKE{
					Version: 2, Role: "initiator", SPIi: "0011223344556677", SPIr: "8899aabbccddeeff",
					Local: "198.51.100.10:4500", Remote: "203.0.113.5:4500",
					LocalIdentity: "hq.example.com", RemoteIdentity: "203.0.113.5", NAT: "none",
					Suite: "aes256gcm16-prfsha384-ecp384", EstablishedAt: &established, RekeyAt: &rekey,
				},
				Children: []Child{{
					Name: "azure-west", SPIIn: "c0ffee01", SPIOut: "0badcafe", Suite: "aes256gcm16-esn", Encapsulation: "udp",
					LocalSelectors: []string{"0.0.0.0/0"}, RemoteSelectors: []string{"0.0.0.0/0"},
					PacketsIn: 1, BytesIn: 2, PacketsOut: 3, BytesOut: 4, EstablishedAt: established, RekeyAt: &rekey,
				}},
				PacketsIn: 10, BytesIn: 20, PacketsOut: 30, BytesOut: 40, LimitedOutS: 1.5,
				DropsIn: 1, DropsOut: 2,
				Drops:         map[string]uint64{"replay": 0, "authentication": 1, "selector": 0, "meter": 0},
				Paths:         []Path{{Kind: "direct", State: "up", Since: noon, Interface: "eth1", Target: "192.168.9.2"}},
				LocalNetworks: []string{"10.1.0.0/16"}, RemoteNetworks: []string{"10.2.0.0/16"}, Remote: "203.0.113.5",
			},
			{
				Name: "branch", Wanted: "up", State: "failed", Children: []Child{}, Drops: map[string]uint64{},
				LastError: &LastError{At: noon, Problem: Problem{
					Reason: "authentication_failed", Message: "the keys differ", Local: "identity a", Remote: "identity b",
					Hint: "compare the keys",
				}},
				NextAttempt: &rekey, Attempt: 3, Remote: "any",
			},
		},
	}
}

// daemon is a Server on a socket of its own, closed with the test.
func daemon(t *testing.T, b *backend) (*Client, *Server, *Stream) {
	t.Helper()
	stream := NewStream()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(b), NewTally())
	s := NewServer(b, stream, registry)
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := s.ListenSocket(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		s.Close(ctx)
	})
	return NewClient(path), s, stream
}
