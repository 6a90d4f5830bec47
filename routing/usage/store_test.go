package usage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, path string, keep time.Duration) *Store {
	t.Helper()
	s := New(path, keep)
	t.Cleanup(func() { s.Close() })
	return s
}

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "usage", "usage.db") }

func carried(n uint64) Amount {
	return Amount{
		PacketsIn: n, BytesIn: 100 * n, PacketsOut: 2 * n, BytesOut: 200 * n, DropsIn: n / 2, DropsOut: 3 * n,
		LimitedIn: time.Duration(n) * time.Second, LimitedOut: time.Duration(n) * time.Millisecond,
	}
}

func add(t *testing.T, s *Store, at time.Time, totals map[string]Amount) {
	t.Helper()
	if err := s.Add(at, totals); err != nil {
		t.Fatal(err)
	}
}

// shows compares all rows of a store.
func shows(t *testing.T, s *Store, by Period, want ...Row) {
	t.Helper()
	got, err := s.Rows(Query{To: noon.AddDate(100, 0, 0), By: by})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
}

func TestDifferencesAreAddedToTheirHour(t *testing.T) {
	s := open(t, file(t), 24*time.Hour)
	shows(t, s, Hour)
	add(t, s, noon, map[string]Amount{"b": carried(4), "a": carried(2), "idle": {}})
	add(t, s, noon.Add(59*time.Minute), map[string]Amount{"b": carried(10), "a": carried(2)})
	add(t, s, noon.Add(time.Hour), map[string]Amount{"b": carried(12)})
	add(t, s, noon.Add(12*time.Hour), map[string]Amount{"b": carried(20), "a": carried(6)})
	next := noon.Add(12 * time.Hour) // midnight
	shows(t, s, Hour, Row{noon, "a", carried(2)}, Row{noon, "b", carried(10)}, Row{noon.Add(time.Hour), "b", carried(2)},
		Row{next, "a", carried(4)}, Row{next, "b", carried(8)})
	day := noon.Add(-12 * time.Hour)
	shows(t, s, Day, Row{day, "a", carried(2)}, Row{day, "b", carried(12)}, Row{next, "a", carried(4)}, Row{next, "b", carried(8)})
}

func TestQuery(t *testing.T) {
	s := open(t, file(t), 240*time.Hour)
	for h := range 48 {
		add(t, s, noon.Add(time.Duration(h)*time.Hour), map[string]Amount{"a": carried(uint64(2*h + 2)), "b": carried(uint64(2*h + 2))})
	}
	got, err := s.Rows(Query{From: noon.Add(90 * time.Minute), To: noon.Add(3 * time.Hour), By: Hour, Connection: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Row{{noon.Add(time.Hour), "b", carried(2)}, {noon.Add(2 * time.Hour), "b", carried(2)}}, got); d != "" {
		t.Errorf("hours (-want +got):\n%s", d)
	}
	midnight := noon.Add(12 * time.Hour)
	got, err = s.Rows(Query{From: midnight.Add(time.Hour), To: midnight.Add(24 * time.Hour), By: Day, Connection: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Row{{midnight, "a", carried(48)}}, got); d != "" {
		t.Errorf("days (-want +got):\n%s", d)
	}
}

// TestCountersThatBeginAnew: with the program, with the connection, and with a
// connection whose new counters are past the old ones.
func TestCountersThatBeginAnew(t *testing.T) {
	path := file(t)
	s := open(t, path, 24*time.Hour)
	add(t, s, noon, map[string]Amount{"a": carried(10)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(noon, nil); err == nil {
		t.Error("a closed store takes more")
	}
	s = open(t, path, 24*time.Hour)
	add(t, s, noon, map[string]Amount{"a": carried(20)})
	shows(t, s, Hour, Row{noon, "a", carried(30)})
	add(t, s, noon, map[string]Amount{"a": carried(6)})
	shows(t, s, Hour, Row{noon, "a", carried(36)})
	s.Forget("a")
	add(t, s, noon, map[string]Amount{"a": carried(8)})
	shows(t, s, Hour, Row{noon, "a", carried(44)})
}

func TestRetention(t *testing.T) {
	s := open(t, file(t), 24*time.Hour)
	for h := range 72 {
		add(t, s, noon.Add(time.Duration(h)*time.Hour), map[string]Amount{"a": carried(uint64(2 * (h + 1))), "b": carried(1)})
	}
	rows, err := s.Rows(Query{To: noon.AddDate(1, 0, 0), By: Hour})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 25 || !rows[0].Start.Equal(noon.Add(47*time.Hour)) {
		t.Errorf("%d rows from %v on", len(rows), rows[0].Start)
	}
}

// TestClockJumps: a clock that is wrong for a moment costs no more than a few
// hours of history, and what was carried meanwhile is kept where it said.
func TestClockJumps(t *testing.T) {
	s := open(t, file(t), 240*time.Hour)
	total := uint64(0)
	at := func(at time.Time) {
		t.Helper()
		total += 2
		add(t, s, at, map[string]Amount{"a": carried(total)})
	}
	for h := range 100 {
		at(noon.Add(time.Duration(h) * time.Hour))
	}
	far := noon.AddDate(50, 0, 0)
	at(far)
	at(time.Time{}) // long before 1970
	at(noon.Add(100 * time.Hour))
	rows, err := s.Rows(Query{To: far.AddDate(1, 0, 0), By: Hour})
	if err != nil {
		t.Fatal(err)
	}
	// The last Add took the row of 1970 away again.
	if len(rows) != 100-trimmed+2 || !rows[len(rows)-1].Start.Equal(far) {
		t.Errorf("%d rows, to %v", len(rows), rows[len(rows)-1].Start)
	}
}

func TestManyConnectionsShareARow(t *testing.T) {
	s := open(t, file(t), 24*time.Hour)
	totals := map[string]Amount{}
	for i := range MostConnections + 10 {
		totals[fmt.Sprintf("c%05d", i)] = carried(2)
	}
	add(t, s, noon, totals)
	totals = map[string]Amount{"new": carried(2), "c00000": carried(6)}
	add(t, s, noon, totals)
	rows, err := s.Rows(Query{To: noon.Add(time.Hour), By: Hour})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != MostConnections+1 {
		t.Fatalf("%d rows", len(rows))
	}
	if d := cmp.Diff(Row{noon, Others, carried(22)}, rows[0]); d != "" {
		t.Errorf("the rest (-want +got):\n%s", d)
	}
	if d := cmp.Diff(Row{noon, "c00000", carried(6)}, rows[1]); d != "" {
		t.Errorf("one with a row (-want +got):\n%s", d)
	}
}

func TestTooLongAnswer(t *testing.T) {
	s := open(t, file(t), 240*time.Hour)
	n := uint64(0)
	for h := range MostRows/MostConnections + 1 {
		n += 2
		totals := map[string]Amount{}
		for i := range MostConnections {
			totals[fmt.Sprint("c", i)] = carried(n)
		}
		add(t, s, noon.Add(time.Duration(h)*time.Hour), totals)
	}
	if _, err := s.Rows(Query{To: noon.AddDate(1, 0, 0), By: Hour}); !errors.Is(err, ErrTooMany) {
		t.Errorf("error %v", err)
	}
	if rows, err := s.Rows(Query{To: noon.AddDate(1, 0, 0), By: Day}); err != nil || len(rows) != 2*MostConnections {
		t.Errorf("%d days, error %v", len(rows), err)
	}
}

// TestLockedFile: what was carried while another had the file is not lost.
func TestLockedFile(t *testing.T) {
	path := file(t)
	other := open(t, path, 24*time.Hour)
	add(t, other, noon, map[string]Amount{"a": carried(2)})
	s := open(t, path, 24*time.Hour)
	if err := s.Add(noon, map[string]Amount{"a": carried(4)}); !errors.Is(err, ErrLocked) {
		t.Errorf("error %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	add(t, s, noon, map[string]Amount{"a": carried(6)})
	shows(t, s, Hour, Row{noon, "a", carried(8)})
}

// TestDamagedFile: whatever is in the file, or missing from it, no panic leaves
// the store and no file hangs it.
func TestDamagedFile(t *testing.T) {
	path := file(t)
	s := open(t, path, 24*time.Hour)
	for h := range 20 {
		totals := map[string]Amount{}
		for i := range 100 {
			totals[fmt.Sprint("c", i)] = carried(uint64(2 * (h + 1)))
		}
		add(t, s, noon.Add(time.Duration(h)*time.Hour), totals)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, content []byte, must bool) {
		t.Helper()
		bad := filepath.Join(t.TempDir(), "usage.db")
		if err := os.WriteFile(bad, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, bad, 24*time.Hour)
		_, err := s.Rows(Query{To: noon.AddDate(1, 0, 0), By: Hour})
		if must && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: read with error %v", what, err)
		}
		if err := s.Add(noon, map[string]Amount{"c1": carried(2)}); must && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: written with error %v", what, err)
		}
	}
	try("text", []byte("this is no store at all, but long enough to be looked at"), true)
	try("cut", whole[:3*os.Getpagesize()], false)
	scribbled := append([]byte(nil), whole...)
	for i := 2 * os.Getpagesize(); i < len(scribbled); i++ {
		scribbled[i] = 0xa5
	}
	try("scribbled", scribbled, true)
	for page := range len(whole) / os.Getpagesize() {
		scribbled := append([]byte(nil), whole...)
		for i := range os.Getpagesize() {
			scribbled[page*os.Getpagesize()+i] ^= 0x5a
		}
		try(fmt.Sprint("page ", page), scribbled, false)
	}
}
