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
	Reload(ctx context.Context) error
}
