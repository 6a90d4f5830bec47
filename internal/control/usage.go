package control

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// UsageQuery asks for the hours or days that began before To, from the one
// around From on.
type UsageQuery struct {
	From, To   time.Time
	Daily      bool
	Connection string // empty: all
}

// Usage is the answer of GET /v1/usage: a row for each connection and period in
// which it carried or dropped anything, by time and then by name.
type Usage struct {
	From time.Time  `json:"from"`
	To   time.Time  `json:"to"`
	By   string     `json:"by"` // hour, day; both of UTC
	Rows []UsageRow `json:"rows"`
}

// UsageRow is what a connection carried in a period: inner packets and bytes.
type UsageRow struct {
	Start       time.Time `json:"start"`
	Connection  string    `json:"connection"`
	PacketsIn   uint64    `json:"packets_in"`
	BytesIn     uint64    `json:"bytes_in"`
	PacketsOut  uint64    `json:"packets_out"`
	BytesOut    uint64    `json:"bytes_out"`
	DropsIn     uint64    `json:"drops_in"`
	DropsOut    uint64    `json:"drops_out"`
	LimitedInS  float64   `json:"limited_in_s"`
	LimitedOutS float64   `json:"limited_out_s"`
}

// What is shown if the question does not say: the last day by the hour, the
// last month by the day.
const (
	lastHours = 24 * time.Hour
	lastDays  = 31 * 24 * time.Hour
)

// usageQuery reads a question's parameters; now is where an open end lies.
func usageQuery(from, to, by, connection string, now time.Time) (UsageQuery, error) {
	q := UsageQuery{To: now.UTC(), Connection: connection, Daily: by == "day"}
	if by != "" && by != "hour" && by != "day" {
		return q, fmt.Errorf("by %q is neither hour nor day", by)
	}
	var err error
	if to != "" {
		if q.To, err = usageTime("to", to); err != nil {
			return q, err
		}
	}
	back := lastHours
	if q.Daily {
		back = lastDays
	}
	q.From = q.To.Add(-back)
	if from != "" {
		if q.From, err = usageTime("from", from); err != nil {
			return q, err
		}
	}
	if !q.From.Before(q.To) {
		return q, fmt.Errorf("from %s is not before to %s", q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	}
	return q, nil
}

// usageTime reads a date, an hour or a moment; without an offset it is of UTC.
func usageTime(name, text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15", "2006-01-02T15:04", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %q is no time such as 2026-11-01, 2026-11-01T15 or 2026-11-01T15:04:05Z", name, text)
}

func (s *Server) usage(w http.ResponseWriter, r *http.Request) {
	p := r.URL.Query()
	q, err := usageQuery(p.Get("from"), p.Get("to"), p.Get("by"), p.Get("connection"), time.Now())
	if err != nil {
		writeJSON(w, http.StatusBadRequest, &Problem{Reason: ReasonRefused, Message: err.Error()})
		return
	}
	u, err := s.backend.Usage(q)
	if err == nil {
		writeJSON(w, http.StatusOK, u)
		return
	}
	var problem *Problem
	if !errors.As(err, &problem) {
		problem = &Problem{Reason: ReasonInternal, Message: err.Error()}
	}
	writeJSON(w, http.StatusConflict, problem)
}
