package usage

import (
	"errors"
	"maps"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Period is what the rows of an answer are sums of.
type Period time.Duration

// The periods.
const (
	Hour = Period(time.Hour)
	Day  = Period(24 * time.Hour)
)

// start is when the period around t began, in UTC.
func (p Period) start(t time.Time) time.Time { return t.UTC().Truncate(time.Duration(p)) }

// MostRows bounds an answer.
const MostRows = 50_000

// ErrTooMany is a question whose answer has more rows.
var ErrTooMany = errors.New("usage: the answer has too many rows")

// Query asks for the periods that began before To, from the one around From on.
type Query struct {
	From, To   time.Time
	By         Period
	Connection string // empty: all
}

// Row is what a connection carried in a period.
type Row struct {
	Start      time.Time
	Connection string
	Amount
}

// Rows answers a question, by time and then by name. Periods in which a
// connection carried and dropped nothing have no row.
func (s *Store) Rows(q Query) ([]Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := answer{query: q, sums: map[string]Amount{}}
	err := s.use(func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucket)
			if b == nil {
				return nil // nothing was added yet
			}
			return a.read(b.Cursor())
		})
	})
	if err != nil {
		return nil, err
	}
	return a.rows, nil
}

// answer is one while it is made: rows of the periods that are complete, and
// the sums of the one that is read.
type answer struct {
	query Query
	rows  []Row
	start time.Time
	sums  map[string]Amount
}

func (a *answer) read(c *bbolt.Cursor) error {
	for k, v := c.Seek(hourKey(hourOf(a.query.By.start(a.query.From)))); k != nil; k, v = c.Next() {
		hour, name, amount, ok := decodeRow(k, v)
		if !ok {
			return ErrDamaged
		}
		at := startOf(hour)
		if !at.Before(a.query.To) {
			break
		}
		if a.query.Connection != "" && name != a.query.Connection {
			continue
		}
		if start := a.query.By.start(at); !start.Equal(a.start) {
			a.finish()
			a.start = start
		}
		a.sums[name] = a.sums[name].add(amount)
		if len(a.rows)+len(a.sums) > MostRows {
			return ErrTooMany
		}
	}
	a.finish()
	return nil
}

// finish makes rows of the sums.
func (a *answer) finish() {
	for _, name := range slices.Sorted(maps.Keys(a.sums)) {
		a.rows = append(a.rows, Row{Start: a.start, Connection: name, Amount: a.sums[name]})
	}
	clear(a.sums)
}
