package config

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"8h": 8 * time.Hour, "1h30m": 90 * time.Minute, "30s": 30 * time.Second, "2d": 48 * time.Hour,
		"1d2h3m4s5ms": 26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond, "1.5h": 90 * time.Minute, "0s": 0,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "8", "h", "8H", "1 h", "1h 30m", "-1s", ".5h", "1.h", "1..5h", "1h30", "1w", "1e3s", "99999999999d", "٣s"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

func TestParseQuantity(t *testing.T) {
	for _, test := range []struct {
		text  string
		units []unit
		want  uint64
	}{
		{"100GB", sizeUnits, 100e9}, {"64MiB", sizeUnits, 64 << 20}, {"1.5 tb", sizeUnits, 1.5e12}, {"7B", sizeUnits, 7},
		{"1gbit", rateUnits, 1e9}, {"500mbit", rateUnits, 500e6}, {"0.5Gbit", rateUnits, 500e6}, {"9600bit", rateUnits, 9600},
	} {
		if got, err := parseQuantity(test.text, test.units); err != nil || got != test.want {
			t.Errorf("%s: %d, %v, want %d", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{"", "100", "GB", "-1GB", "1GB1", "1GB2GB", "99999PB", "1  GB", "1gbit", "0x10B"} {
		if got, err := parseQuantity(text, sizeUnits); err == nil {
			t.Errorf("%q is read as %d bytes", text, got)
		}
	}
	for _, text := range []string{"1gbps", "1GB", "1Gb", "100M"} {
		if got, err := parseQuantity(text, rateUnits); err == nil {
			t.Errorf("%q is read as %d bits a second", text, got)
		}
	}
}

// TestFormatUnits writes what parsing reads back.
func TestFormatUnits(t *testing.T) {
	for _, v := range []time.Duration{0, 30 * time.Second, 90 * time.Minute, 49*time.Hour + 5*time.Millisecond} {
		if got, err := parseDuration(formatDuration(v)); err != nil || got != v {
			t.Errorf("%s is written as %s", v, formatDuration(v))
		}
	}
	for _, v := range []uint64{0, 7, 1000, 1500, 1e9, 123e12} {
		if got, err := parseQuantity(formatRate(v), rateUnits); err != nil || got != v {
			t.Errorf("%d is written as %s", v, formatRate(v))
		}
		if got, err := parseQuantity(formatSize(v), sizeUnits); err != nil || got != v {
			t.Errorf("%d is written as %s", v, formatSize(v))
		}
	}
}
