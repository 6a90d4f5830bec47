package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUsageReachesTheClient(t *testing.T) {
	b := &backend{}
	client, _, _ := daemon(t, b)
	got, err := client.Usage(t.Context(), "2030-01-01", "2030-01-03T12", "day", "a")
	if err != nil {
		t.Fatal(err)
	}
	want := Usage{
		From: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2030, 1, 3, 12, 0, 0, 0, time.UTC), By: "day",
		Rows: []UsageRow{{Start: noon, Connection: "a", PacketsIn: 1, BytesIn: 2, PacketsOut: 3, BytesOut: 4, DropsIn: 5, DropsOut: 6, LimitedInS: 6.5, LimitedOutS: 7}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("usage (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"usage 2030-01-01T00:00:00Z 2030-01-03T12:00:00Z true a"}, b.calls); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
}

func TestUsageQuery(t *testing.T) {
	for _, c := range []struct{ from, to, by, wantFrom, wantTo string }{
		{"", "", "", "2030-01-01T12:00:00Z", "2030-01-02T12:00:00Z"},
		{"", "", "day", "2029-12-02T12:00:00Z", "2030-01-02T12:00:00Z"},
		{"", "2029-06-02", "hour", "2029-06-01T00:00:00Z", "2029-06-02T00:00:00Z"},
		{"2029-06-01T05", "2029-06-01T07:30", "", "2029-06-01T05:00:00Z", "2029-06-01T07:30:00Z"},
		{"2029-06-01T05:00:00+02:00", "", "", "2029-06-01T03:00:00Z", "2030-01-02T12:00:00Z"},
	} {
		q, err := usageQuery(c.from, c.to, c.by, "", noon)
		if err != nil || q.From.Format(time.RFC3339) != c.wantFrom || q.To.Format(time.RFC3339) != c.wantTo || q.Daily != (c.by == "day") {
			t.Errorf("%+v: %+v, error %v", c, q, err)
		}
	}
}

func TestUsageThatIsRefused(t *testing.T) {
	want := &Problem{Reason: ReasonUsage, Message: "the file is damaged", Hint: "move it away"}
	client, _, _ := daemon(t, &backend{do: func(context.Context) error { return want }})
	for _, c := range []struct{ from, to, by, reason, says string }{
		{"yesterday", "", "", ReasonRefused, `from "yesterday" is no time such as`},
		{"", "1900-01-01", "", ReasonRefused, `to "1900-01-01" is no time`},
		{"", "", "week", ReasonRefused, `by "week"`},
		{"2030-01-02", "2030-01-02", "", ReasonRefused, "is not before"},
		{"2030-01-01", "2030-01-02", "", ReasonUsage, "damaged"},
	} {
		_, err := client.Usage(t.Context(), c.from, c.to, c.by, "")
		var p *Problem
		if !errors.As(err, &p) || p.Reason != c.reason || !strings.Contains(p.Message, c.says) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
