package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// unit is a suffix of a quantity and what it multiplies by.
type unit struct {
	name  string // in lower case
	value float64
}

var durationUnits = []unit{
	{"ms", float64(time.Millisecond)}, {"s", float64(time.Second)}, {"m", float64(time.Minute)},
	{"h", float64(time.Hour)}, {"d", 24 * float64(time.Hour)},
}

var sizeUnits = []unit{
	{"b", 1}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"pb", 1e15},
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40}, {"pib", 1 << 50},
}

var rateUnits = []unit{{"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"tbit", 1e12}}

const (
	durationPattern = `^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$`
	sizePattern     = `^[0-9]+(\.[0-9]+)? ?([kKmMgGtTpP][iI]?)?[bB]$`
	ratePattern     = `^[0-9]+(\.[0-9]+)? ?[kKmMgGtT]?[bB][iI][tT]$`
)

// quantity splits the number from the unit at the beginning of text.
func quantity(text string, units []unit) (value float64, rest string, err error) {
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return 0, "", fmt.Errorf("%s has no unit: one of %s", clip(text), unitNames(units))
		}
		return 0, "", errNotAllowed
	}
	number, err := strconv.ParseFloat(text[:end], 64)
	if err != nil || text[end-1] == '.' || text[0] == '.' {
		return 0, "", errNotAllowed
	}
	rest = text[end:]
	stop := strings.IndexFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' })
	if stop < 0 {
		stop = len(rest)
	}
	name := strings.ToLower(strings.TrimPrefix(rest[:stop], " "))
	for _, u := range units {
		if u.name == name {
			return number * u.value, rest[stop:], nil
		}
	}
	return 0, "", fmt.Errorf("%s has an unknown unit: one of %s", quote(text), unitNames(units))
}

func unitNames(units []unit) string {
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.name
		if strings.HasSuffix(u.name, "b") { // bytes, as they are written
			names[i] = strings.NewReplacer("ki", "Ki", "b", "B", "m", "M", "g", "G", "t", "T", "p", "P").Replace(u.name)
		}
	}
	return strings.Join(names, ", ")
}

// parseDuration reads `30s`, `1h30m` and `2d`.
func parseDuration(text string) (time.Duration, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r == ' ' || r >= 'A' && r <= 'Z' }) {
		return 0, errNotAllowed
	}
	total, rest := 0.0, text
	for {
		v, after, err := quantity(rest, durationUnits)
		if err != nil {
			return 0, err
		}
		total, rest = total+v, after
		if rest == "" {
			break
		}
	}
	if total >= math.MaxInt64 {
		return 0, errNotAllowed
	}
	return time.Duration(total), nil
}

// parseQuantity reads one number with one unit.
func parseQuantity(text string, units []unit) (uint64, error) {
	v, rest, err := quantity(text, units)
	if err != nil {
		return 0, err
	}
	if rest != "" || v >= 1<<63 {
		return 0, errNotAllowed
	}
	return uint64(v), nil
}

// formatDuration writes a duration as the file does.
func formatDuration(v time.Duration) string {
	if v == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := v / u.size; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + u.name)
			v -= n * u.size
		}
	}
	return b.String()
}

// formatQuantity writes an amount in the largest decimal unit that divides it.
func formatQuantity(v uint64, units ...string) string {
	i := 0
	for v != 0 && v%1000 == 0 && i+1 < len(units) {
		v /= 1000
		i++
	}
	return strconv.FormatUint(v, 10) + units[i]
}

// formatRate writes bits a second as the file does.
func formatRate(v uint64) string { return formatQuantity(v, "bit", "kbit", "mbit", "gbit", "tbit") }

// formatSize writes bytes as the file does.
func formatSize(v uint64) string { return formatQuantity(v, "B", "kB", "MB", "GB", "TB", "PB") }
