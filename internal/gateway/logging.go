package gateway

import (
	"maps"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"causeway/config"
	"causeway/internal/control"
)

// Of lines with the same text in one second, the first are written and then
// each so many: strangers must not be able to fill a disk.
const (
	sampleFirst = 200
	sampleThen  = 100
)

// newLogger makes the daemon's logger, and the level that a reload may change.
func newLogger(c config.Log, to zapcore.WriteSyncer) (*zap.Logger, zap.AtomicLevel, error) {
	level := zap.NewAtomicLevel()
	if err := setLevel(level, c.Level); err != nil {
		return nil, level, err
	}
	encoder := newConsole()
	if c.Format == config.LogJSON {
		fields := zap.NewProductionEncoderConfig()
		fields.TimeKey = "time"
		fields.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		encoder = zapcore.NewJSONEncoder(fields)
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(to), level)
	sampled := zapcore.NewSamplerWithOptions(core, sampleTick, sampleFirst, sampleThen)
	return zap.New(sampled, zap.ErrorOutput(zapcore.Lock(to))), level, nil
}

func setLevel(level zap.AtomicLevel, to config.LogLevel) error {
	l, err := zapcore.ParseLevel(string(to))
	if err == nil {
		level.SetLevel(l)
	}
	return err
}

// The fields that the console shows in another way than the others.
const (
	fieldConnection = "connection" // before the text
	fieldEvent      = "event"      // not at all: the text says it
	fieldReason     = "reason"     // behind the text, in brackets
	fieldOurs       = "ours"       // this and the following: on lines of their own
	fieldPeer       = "peer"
	fieldHint       = "hint"
)

// logEvent writes an event, with the facts of a failure.
func logEvent(log *zap.Logger, ev control.Event) {
	level, err := zapcore.ParseLevel(ev.Level)
	if err != nil {
		level = zapcore.WarnLevel
	}
	entry := log.Check(level, ev.Message)
	if entry == nil {
		return
	}
	fields := make([]zap.Field, 0, len(ev.Fields)+6)
	if ev.Connection != "" {
		fields = append(fields, zap.String(fieldConnection, ev.Connection))
	}
	fields = append(fields, zap.String(fieldEvent, ev.Type))
	if p := ev.Problem; p != nil {
		fields = append(fields, zap.String(fieldReason, p.Reason))
		for _, f := range []struct{ name, text string }{{fieldOurs, p.Local}, {fieldPeer, p.Remote}, {fieldHint, p.Hint}} {
			if f.text != "" {
				fields = append(fields, zap.String(f.name, f.text))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ev.Fields)) {
		if ev.Fields[name] != "" {
			fields = append(fields, zap.String(name, ev.Fields[name]))
		}
	}
	entry.Write(fields...)
}
