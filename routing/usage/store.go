package usage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// MostConnections is how many connections have a row of their own in an
	// hour; Others is the row of the rest, which no connection can be called.
	MostConnections = 4096
	Others          = "(others)"

	// trimmed is how many hours past their time one Add deletes.
	trimmed = 4
	// lockTime is how long another program may still have the file open.
	lockTime = 100 * time.Millisecond
)

// bucket holds the rows; another form of them gets another name.
var bucket = []byte("hours 2")

var (
	// ErrDamaged is a file whose content makes no sense. It is left as it is.
	ErrDamaged = errors.New("usage: the file is damaged, or none of this program's")
	// ErrLocked is a file that another program has open.
	ErrLocked = errors.New("usage: another program has the file open")

	errClosed = errors.New("usage: the store is closed")
)

// Store is the file and the counters that were added to it last.
type Store struct {
	path string
	keep time.Duration

	mu   sync.Mutex
	db   *bbolt.DB // nil: not open
	last map[string]Amount
	// lost is why the file is not touched any more: it was closed, or a page
	// of it made no sense, after which the library's locks cannot be trusted.
	lost error
}

// New makes a store that keeps hours for a time. The file is opened, or made,
// when it is needed first.
func New(path string, keep time.Duration) *Store {
	return &Store{path: path, keep: keep, last: map[string]Amount{}}
}

// Add adds what connections carried since the last Add to the hour of at. A
// connection that is not among the totals keeps its counters. If it fails,
// nothing was added, and the next one adds it.
func (s *Store) Add(at time.Time, totals map[string]Amount) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	grown := map[string]Amount{}
	for name, total := range totals {
		if d := total.since(s.last[name]); d != (Amount{}) {
			grown[name] = d
		}
	}
	err := s.use(func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			if err := addRows(b, hourOf(at), grown); err != nil {
				return err
			}
			return trim(b, at.Add(-s.keep))
		})
	})
	if err == nil {
		maps.Copy(s.last, totals)
	}
	return err
}

// Forget lets a connection's counters begin anew, also above their last values.
func (s *Store) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, name)
}

// Close closes the file; nothing can be added or read from then on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return nil
	}
	db := s.db
	s.db, s.lost = nil, errClosed
	if db == nil {
		return nil
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	return nil
}

// use calls do with the open file. What a damaged file does to the library, a
// panic or a fault in the mapped memory, is ErrDamaged.
func (s *Store) use(do func(*bbolt.DB) error) (err error) {
	if s.lost != nil {
		return s.lost
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if what := recover(); what != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, what)
			s.db, s.lost = nil, err
		}
	}()
	if err := s.open(); err != nil {
		return err
	}
	err = do(s.db)
	if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTooMany) {
		err = fmt.Errorf("usage: %w", err)
	}
	return err
}

func (s *Store) open() error {
	if s.db != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	db, err := bbolt.Open(s.path, 0o600, &bbolt.Options{Timeout: lockTime})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return fmt.Errorf("usage: %w", err)
	}
	s.db = db
	return nil
}

// addRows adds to the rows of an hour.
func addRows(b *bbolt.Bucket, hour uint64, grown map[string]Amount) error {
	room := MostConnections
	prefix, c := hourKey(hour), b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		room--
	}
	for _, name := range slices.Sorted(maps.Keys(grown)) {
		key := rowKey(hour, name)
		before := b.Get(key)
		if before == nil {
			if room <= 0 {
				key = rowKey(hour, Others)
				before = b.Get(key)
			}
			room--
		}
		sum := grown[name]
		if before != nil {
			_, _, a, ok := decodeRow(key, before)
			if !ok {
				return ErrDamaged
			}
			sum = sum.add(a)
		}
		if err := b.Put(key, sum.encode()); err != nil {
			return err
		}
	}
	return nil
}

// trim deletes the oldest hours that ended before a moment.
func trim(b *bbolt.Bucket, before time.Time) error {
	limit := hourKey(hourOf(before))
	for range trimmed {
		c := b.Cursor()
		first, _ := c.First()
		if first == nil || bytes.Compare(first, limit) >= 0 {
			return nil
		}
		if len(first) <= hourLength {
			return ErrDamaged
		}
		var keys [][]byte
		for k := first; bytes.HasPrefix(k, first[:hourLength]); k, _ = c.Next() {
			keys = append(keys, k)
		}
		for _, k := range keys {
			if err := b.Delete(bytes.Clone(k)); err != nil {
				return err
			}
		}
	}
	return nil
}
