package usage

import (
	"encoding/binary"
	"time"
)

// Amount is what a connection carried: inner packets and bytes, those that
// were dropped, and how long it used all of the bandwidth that it may have.
type Amount struct {
	PacketsIn, BytesIn    uint64
	PacketsOut, BytesOut  uint64
	DropsIn, DropsOut     uint64
	LimitedIn, LimitedOut time.Duration
}

// add is the sum.
func (a Amount) add(b Amount) Amount {
	return Amount{
		PacketsIn: a.PacketsIn + b.PacketsIn, BytesIn: a.BytesIn + b.BytesIn,
		PacketsOut: a.PacketsOut + b.PacketsOut, BytesOut: a.BytesOut + b.BytesOut,
		DropsIn: a.DropsIn + b.DropsIn, DropsOut: a.DropsOut + b.DropsOut,
		LimitedIn: a.LimitedIn + b.LimitedIn, LimitedOut: a.LimitedOut + b.LimitedOut,
	}
}

// since is what counters grew by since they were before; all of it, if one
// fell.
func (a Amount) since(before Amount) Amount {
	if a.PacketsIn < before.PacketsIn || a.BytesIn < before.BytesIn || a.PacketsOut < before.PacketsOut || a.BytesOut < before.BytesOut ||
		a.DropsIn < before.DropsIn || a.DropsOut < before.DropsOut || a.LimitedIn < before.LimitedIn || a.LimitedOut < before.LimitedOut {
		return a
	}
	return Amount{
		PacketsIn: a.PacketsIn - before.PacketsIn, BytesIn: a.BytesIn - before.BytesIn,
		PacketsOut: a.PacketsOut - before.PacketsOut, BytesOut: a.BytesOut - before.BytesOut,
		DropsIn: a.DropsIn - before.DropsIn, DropsOut: a.DropsOut - before.DropsOut,
		LimitedIn: a.LimitedIn - before.LimitedIn, LimitedOut: a.LimitedOut - before.LimitedOut,
	}
}

// A row of the file: the hour since 1970 and the name lead to the amount. Hours
// sort by time, and the names of an hour by themselves.
const (
	hourLength   = 8
	amountLength = 8 * 8
)

func hourOf(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) / 3600 }

func startOf(hour uint64) time.Time { return time.Unix(int64(hour)*3600, 0).UTC() }

func hourKey(hour uint64) []byte { return binary.BigEndian.AppendUint64(nil, hour) }

func rowKey(hour uint64, name string) []byte { return append(hourKey(hour), name...) }

func (a Amount) encode() []byte {
	b := make([]byte, 0, amountLength)
	for _, n := range []uint64{a.PacketsIn, a.BytesIn, a.PacketsOut, a.BytesOut, a.DropsIn, a.DropsOut, uint64(a.LimitedIn), uint64(a.LimitedOut)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// decodeRow reads a row; ok is false if it is none.
func decodeRow(key, value []byte) (hour uint64, name string, a Amount, ok bool) {
	if len(key) <= hourLength || len(value) != amountLength {
		return 0, "", Amount{}, false
	}
	n := func(i int) uint64 { return binary.BigEndian.Uint64(value[8*i:]) }
	return binary.BigEndian.Uint64(key), string(key[hourLength:]), Amount{
		PacketsIn: n(0), BytesIn: n(1), PacketsOut: n(2), BytesOut: n(3), DropsIn: n(4), DropsOut: n(5),
		LimitedIn: time.Duration(n(6)), LimitedOut: time.Duration(n(7)),
	}, true
}
