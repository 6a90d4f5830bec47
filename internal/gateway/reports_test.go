package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zapcore"

	"causeway/config"
	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/sa"
	"causeway/internal/control"
)

var (
	noon  = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	here  = netip.MustParseAddrPort("198.51.100.10:4500")
	there = netip.MustParseAddrPort("203.0.113.5:4500")
)

var keysDiffer = &sa.Failure{
	Reason: sa.ReasonAuthenticationFailed, Message: "the keys differ", Local: "identity hq\nkey of 21 octets\n",
	Remote: "identity branch", Hint: "compare the keys",
}

// secretKey is in every report that has room for keys.
var secretKey = []byte("\x00do not show this key to anybody\xff")

func childSample(rekeys uint32) *sa.Child {
	k := auth.NewSecret(secretKey)
	return &sa.Child{
		Name: "azure", SPIIn: 0xc0ffee01, SPIOut: 0x0badcafe, EncryptionIn: k, IntegrityIn: k, EncryptionOut: k, IntegrityOut: k,
		LocalSelectors: selector.Any()[:1], RemoteSelectors: selector.Any()[:1], Local: here, Remote: there,
		EstablishedAt: noon, Rekeys: rekeys,
	}
}

func ikeSample() sa.IKEInfo {
	return sa.IKEInfo{
		Version: 2, Initiator: true, SPIi: 1, SPIr: 2, Local: here, Remote: there, LocalIdentity: "hq.example.com",
		RemoteIdentity: "203.0.113.5", NAT: "local", Suite: "aes256gcm16-prfsha384-ecp384", EstablishedAt: noon,
	}
}

// reportCases are all reports and what becomes of them.
var reportCases = []struct {
	report      sa.Report
	kind, level string
	message     string
}{
	{sa.Connecting{Connection: "azure", Initiator: true, Local: here, Remote: there}, "connecting", "info", "connecting to 203.0.113.5:4500"},
	{sa.Connecting{Connection: "azure", Local: here, Remote: there}, "connecting", "info", "203.0.113.5:4500 connects"},
	{sa.IKEEstablished{Connection: "azure", IKE: ikeSample()}, "ike_established", "info",
		"IKE SA established with 203.0.113.5 (aes256gcm16-prfsha384-ecp384)"},
	{sa.IKEEstablished{Connection: "azure", IKE: ikeSample(), Rekeys: 7}, "ike_established", "info",
		"IKE SA rekeyed with 203.0.113.5 (aes256gcm16-prfsha384-ecp384)"},
	{sa.IKEClosed{Connection: "azure", SPIi: 1, SPIr: 2}, "ike_closed", "info", "IKE SA closed"},
	{sa.IKEClosed{Connection: "azure", Replaced: true}, "ike_closed", "info", "old IKE SA closed"},
	{sa.IKEClosed{Connection: "azure", Remote: true}, "ike_closed", "info", "IKE SA closed by the peer"},
	{sa.IKEClosed{Connection: "azure", Failure: keysDiffer}, "ike_closed", "warn", "IKE SA lost: the keys differ"},
	{sa.ChildEstablished{Connection: "azure", Child: childSample(0)}, "child_established", "info",
		"Child SA established: 0.0.0.0/0 === 0.0.0.0/0"},
	{sa.ChildEstablished{Connection: "azure", Child: childSample(9)}, "child_established", "info",
		"Child SA rekeyed: 0.0.0.0/0 === 0.0.0.0/0"},
	{sa.ChildClosed{Connection: "azure", SPIIn: 1, SPIOut: 2}, "child_closed", "info", "Child SA closed"},
	{sa.ChildClosed{Connection: "azure", Replaced: true}, "child_closed", "info", "old Child SA closed"},
	{sa.ChildClosed{Connection: "azure", Remote: true}, "child_closed", "info", "Child SA closed by the peer"},
	{sa.ChildClosed{Connection: "azure", Failure: keysDiffer}, "child_closed", "warn", "Child SA lost: the keys differ"},
	{sa.Failed{Connection: "azure", Remote: there, Failure: keysDiffer}, "failed", "warn", "the keys differ"},
	{sa.Failed{}, "failed", "warn", "an attempt failed without saying why"},
	{sa.RedirectedTo{Connection: "azure", From: there, To: "vpn-2.example.com"}, "redirected", "info",
		"the peer sends us to vpn-2.example.com"},
	{sa.TicketRefused{Connection: "azure", Remote: there, Why: "it answers TICKET_NACK"}, "ticket_refused", "info",
		"the peer does not resume the session: it answers TICKET_NACK; a whole exchange follows"},
	{sa.PPKUnused{Connection: "azure", Remote: there, ID: "one"}, "ppk_unused", "warn",
		`the peer at 203.0.113.5:4500 does not use the post-quantum key "one"`},
	{sa.EndpointChanged{Connection: "azure", Old: here, New: there}, "endpoint_changed", "info",
		"the peer moved from 198.51.100.10:4500 to 203.0.113.5:4500"},
	{sa.EndpointChanged{Connection: "azure", Local: here, Old: there, New: there}, "endpoint_changed", "info",
		"this end is at 198.51.100.10:4500 now"},
	{sa.EndpointChanged{Connection: "azure", Local: here, Old: there, New: there, NAT: "local"}, "endpoint_changed", "info",
		"behind a NAT is now: local"},
	{sa.PathProbed{Connection: "azure", Size: 1500, Answered: true}, "path_probed", "debug", "a probe of the path with 1500 bytes arrived"},
	{sa.PathProbed{Connection: "azure", Size: 1500}, "path_probed", "debug", "a probe of the path with 1500 bytes was lost"},
	{sa.AddressAssigned{Connection: "azure", Address: netip.MustParseAddr("10.9.0.7")}, "address_assigned", "info", "the peer gave this gateway the address 10.9.0.7"},
	{sa.WentIdle{Connection: "azure", After: 5 * time.Minute}, "went_idle", "info", "carried nothing for 5m0s, and is taken down"},
	{sa.MessageTrace{Connection: "azure", Sent: true, Remote: there, Exchange: "IKE_AUTH", MessageID: 1, Summary: "IDi AUTH", Retransmit: 2},
		"message", "debug", "-> IKE_AUTH request 1 to 203.0.113.5:4500 { IDi AUTH }, retransmission 2"},
	{sa.MessageTrace{Connection: "azure", Remote: there, Exchange: "INFORMATIONAL", Response: true, MessageID: 1}, "message", "debug",
		"<- INFORMATIONAL response 1 from 203.0.113.5:4500 { }"},
	{sa.MessageDropped{Remote: there, Reason: sa.ReasonInvalidSyntax, Detail: "no IKE"}, "message_dropped", "debug",
		"ignored a message from 203.0.113.5:4500: no IKE"},
}

func TestEveryReportHasWords(t *testing.T) {
	for _, c := range reportCases {
		ev := eventOf(c.report, noon)
		if ev.Type != c.kind || ev.Level != c.level || !strings.HasPrefix(ev.Message, c.message) || !ev.At.Equal(noon) {
			t.Errorf("%#v: event %s, level %s, %q at %v; want %s, %s, %q", c.report, ev.Type, ev.Level, ev.Message, ev.At, c.kind, c.level, c.message)
		}
		kind, connection, failure := factsOf(c.report)
		if kind != ev.Type || connection != ev.Connection {
			t.Errorf("%T: counted as %s of %q, told as %s of %q", c.report, kind, connection, ev.Type, ev.Connection)
		}
		if failure != nil && (ev.Problem == nil || ev.Problem.Reason != string(failure.Reason)) {
			t.Errorf("%T: counted as %s, told as %v", c.report, failure.Reason, ev.Problem)
		}
	}
}

// TestNoReportIsForgotten compares the cases above with the source of ike/sa.
func TestNoReportIsForgotten(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../ike/sa/report.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared, covered []string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "isReport" {
			declared = append(declared, f.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	for _, c := range reportCases {
		covered = append(covered, reflect.TypeOf(c.report).Name())
		if kind, _, _ := factsOf(c.report); kind == kindUnknown {
			t.Errorf("%T is unknown to the gateway", c.report)
		}
	}
	slices.Sort(declared)
	slices.Sort(covered)
	if d := cmp.Diff(declared, slices.Compact(covered)); d != "" {
		t.Errorf("reports of ike/sa (-) and those with a case here (+):\n%s", d)
	}
}

// TestNoReportShowsASecret looks for the keys in everything that leaves the
// process: log lines of both formats and API events.
func TestNoReportShowsASecret(t *testing.T) {
	var out bytes.Buffer
	for _, format := range []config.LogFormat{config.LogConsole, config.LogJSON} {
		log, _, err := newLogger(config.Log{Level: config.LogDebug, Format: format}, zapcore.AddSync(&out))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range reportCases {
			ev := eventOf(c.report, noon)
			logEvent(log, ev)
			if err := json.NewEncoder(&out).Encode(ev); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%v %+v %#v\n", ev, ev, ev)
		}
	}
	half := secretKey[1:12]
	for name, form := range map[string]string{
		"raw": string(half), "hex": hex.EncodeToString(half), "HEX": strings.ToUpper(hex.EncodeToString(half)),
		"base64": base64.StdEncoding.EncodeToString(secretKey)[:12], "decimal": strings.Trim(fmt.Sprint(half), "[]"),
		"go": strings.Trim(fmt.Sprintf("%#v", half), "[]byte{}"),
	} {
		if bytes.Contains(out.Bytes(), []byte(form)) {
			t.Errorf("the output holds a key as %s", name)
		}
	}
}

func TestProblemKeepsTheFacts(t *testing.T) {
	want := &control.Problem{
		Reason: "authentication_failed", Message: "the keys differ", Local: "identity hq\nkey of 21 octets",
		Remote: "identity branch", Hint: "compare the keys",
	}
	if d := cmp.Diff(want, problemOf(keysDiffer)); d != "" {
		t.Errorf("problem (-want +got):\n%s", d)
	}
	if problemOf(nil) != nil {
		t.Error("no failure became a problem")
	}
	if err := problem(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}
