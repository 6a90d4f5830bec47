package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"causeway/config"
)

// fixed gives every entry the same time.
type fixed struct{ zapcore.Core }

func (f fixed) With(fields []zapcore.Field) zapcore.Core { return fixed{f.Core.With(fields)} }

func (f fixed) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if f.Enabled(e.Level) {
		return ce.AddCore(e, f)
	}
	return ce
}

func (f fixed) Write(e zapcore.Entry, fields []zapcore.Field) error {
	e.Time = noon
	return f.Core.Write(e, fields)
}

func logger(t *testing.T, c config.Log, out *bytes.Buffer) *zap.Logger {
	t.Helper()
	log, _, err := newLogger(c, zapcore.AddSync(out))
	if err != nil {
		t.Fatal(err)
	}
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return fixed{c} }))
}

func TestConsoleLines(t *testing.T) {
	var out bytes.Buffer
	log := logger(t, config.Log{Level: config.LogInfo, Format: config.LogConsole}, &out)
	log.Info("gateway started", zap.String("interface", "cw0"), zap.Int("mtu", 1438), zap.String("name", "head office"),
		zap.Strings("listen", []string{"0.0.0.0:500", "[::]:500"}))
	logEvent(log, eventOf(reportCases[2].report, noon))
	logEvent(log, eventOf(reportCases[14].report, noon))
	log.Error("the configuration has errors:\na.yaml:1:2: one\na.yaml:3:4: two", zap.String("hint", "nothing was changed"))
	log.With(zap.String("connection", "b")).Warn("from\x1b[31m a peer", zap.String("id", "a\nb"))
	log.Debug("not shown")
	want := `2030-01-02T12:00:00.000Z INFO  gateway started interface=cw0 listen=0.0.0.0:500,[::]:500 mtu=1438 name="head office"
2030-01-02T12:00:00.000Z INFO  azure: IKE SA established with 203.0.113.5 (aes256gcm16-prfsha384-ecp384) local=198.51.100.10:4500 local_identity=hq.example.com nat=local remote=203.0.113.5:4500 role=initiator spi_i=0000000000000001 spi_r=0000000000000002
2030-01-02T12:00:00.000Z WARN  azure: the keys differ (authentication_failed) remote=203.0.113.5:4500
    ours: identity hq
    ours: key of 21 octets
    peer: identity branch
    hint: compare the keys
2030-01-02T12:00:00.000Z ERROR the configuration has errors:
    a.yaml:1:2: one
    a.yaml:3:4: two
    hint: nothing was changed
2030-01-02T12:00:00.000Z WARN  b: from�[31m a peer id="a\nb"
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("console (-want +got):\n%s", d)
	}
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	log := logger(t, config.Log{Level: config.LogInfo, Format: config.LogJSON}, &out)
	logEvent(log, eventOf(reportCases[14].report, noon))
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	want := map[string]any{
		"time": "2030-01-02T12:00:00Z", "level": "warn", "msg": "the keys differ", "connection": "azure", "event": "failed",
		"reason": "authentication_failed", "ours": "identity hq\nkey of 21 octets", "peer": "identity branch",
		"hint": "compare the keys", "remote": "203.0.113.5:4500",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("line (-want +got):\n%s", d)
	}
}

// TestLogIsBounded: what strangers cause again and again is not all written.
func TestLogIsBounded(t *testing.T) {
	var out bytes.Buffer
	log, _, err := newLogger(config.Log{Level: config.LogDebug, Format: config.LogConsole}, zapcore.AddSync(&out))
	if err != nil {
		t.Fatal(err)
	}
	const lines = 10000
	for range lines {
		logEvent(log, eventOf(reportCases[len(reportCases)-1].report, noon))
	}
	if n := strings.Count(out.String(), "\n"); n > lines/20 {
		t.Errorf("%d of %d equal lines were written", n, lines)
	}
}

func TestLevelChangesWhileRunning(t *testing.T) {
	var out bytes.Buffer
	log, level, err := newLogger(config.Log{Level: config.LogWarn, Format: config.LogConsole}, zapcore.AddSync(&out))
	if err != nil {
		t.Fatal(err)
	}
	log.Info("one")
	if err := setLevel(level, config.LogInfo); err != nil {
		t.Fatal(err)
	}
	log.Info("two")
	if got := out.String(); strings.Contains(got, "one") || !strings.Contains(got, "two") {
		t.Errorf("log:\n%s", got)
	}
	if err := setLevel(level, "loud"); err == nil {
		t.Error("a level called loud was taken")
	}
}

// TestConsoleSaysValues: a value is left out where the text has it, and not where the text
// has its letters or digits in others.
func TestConsoleSaysValues(t *testing.T) {
	for message, want := range map[string]string{
		"gateway started":                 " at=10.2.0.1 name=a",
		"a gateway at 10.2.0.1:500":       "",
		"no way from 10.2.0.10 to site a": " at=10.2.0.1",
		"at (10.2.0.1)":                   " name=a",
	} {
		fields := []zapcore.Field{zap.String("name", "a"), zap.String("at", "10.2.0.1"), zap.String("none", "")}
		line, err := newConsole().EncodeEntry(zapcore.Entry{Time: noon, Message: message}, fields)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("2030-01-02T12:00:00.000Z INFO  %s%s\n", message, want); line.String() != want {
			t.Errorf("%q, want %q", line.String(), want)
		}
	}
}

func TestConsoleClonesItsFields(t *testing.T) {
	base := newConsole()
	base.AddString("a", "1")
	clone := base.Clone()
	clone.AddString("b", "2")
	for name, c := range map[string]struct {
		encoder zapcore.Encoder
		want    string
	}{"base": {base, " a=1"}, "clone": {clone, " a=1 b=2"}} {
		line, err := c.encoder.EncodeEntry(zapcore.Entry{Time: noon, Message: "m"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("2030-01-02T12:00:00.000Z INFO  m%s\n", c.want); line.String() != want {
			t.Errorf("%s: %q, want %q", name, line.String(), want)
		}
	}
}
