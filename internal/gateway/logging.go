package gateway

import (
	"maps"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"causeway/config"
	"causeway/internal/control"
)

// newLogger makes the daemon's logger; it writes to standard error.
func newLogger(c config.Log) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(string(c.Level))
	if err != nil {
		return nil, err
	}
	cfg := zap.NewProductionConfig()
	cfg.Level = zap.NewAtomicLevelAt(level)
	cfg.Encoding = string(c.Format)
	cfg.DisableCaller, cfg.DisableStacktrace = true, true
	cfg.Sampling = &zap.SamplingConfig{Initial: 200, Thereafter: 100}
	cfg.EncoderConfig.TimeKey = "time"
	cfg.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	if c.Format == config.LogConsole {
		cfg.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
		cfg.EncoderConfig.ConsoleSeparator = " "
	}
	return cfg.Build()
}

// logEvent writes an event as one line, with the facts of a failure.
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
		fields = append(fields, zap.String("connection", ev.Connection))
	}
	fields = append(fields, zap.String("event", ev.Type))
	if p := ev.Problem; p != nil {
		fields = append(fields, zap.String("reason", p.Reason))
		for _, f := range []struct{ name, text string }{{"ours", p.Local}, {"peer", p.Remote}, {"hint", p.Hint}} {
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
