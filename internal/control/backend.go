package control

import "context"

// Backend is what the API needs of the gateway. Its methods may be called from
// any goroutine. An error that is a *Problem reaches the user as it is.
type Backend interface {
	Status() Status
	// Up, Down and Rekey wait for the result.
	Up(ctx context.Context, connection string) error
	Down(ctx context.Context, connection string) error
	Rekey(ctx context.Context, connection string, ike, children bool) error
	// Reload reads the configuration file again; a bad one changes nothing.
	Reload(ctx context.Context) (Applied, error)
	// Plan says what the text of a configuration file would change; file is
	// where it comes from. A bad one is a *Problem.
	Plan(file string, text []byte) (Plan, error)
	// SetConnection adds or changes one connection; keys is the mapping of its
	// keys in YAML or JSON. persist writes it to the configuration file, too;
	// otherwise it lasts until the next reload or start.
	SetConnection(ctx context.Context, name string, keys []byte, persist bool) (Applied, error)
	// Usage answers what connections carried.
	Usage(q UsageQuery) (Usage, error)
	// RemoveConnection removes one, in the same way.
	RemoveConnection(ctx context.Context, name string, persist bool) (Applied, error)
}
