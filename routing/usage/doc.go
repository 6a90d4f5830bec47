// Package usage keeps what each connection carried, hour by hour, in a file
// that outlives the program.
//
// A Store is given counters that only grow, as of a moment, and adds what they
// grew by to the row of the connection and the hour. A counter that fell began
// anew, with its connection or with the program. Days are sums of hours; both
// are UTC. The file is bounded: hours past their time are deleted, a few at a
// time, so that a clock which jumps ahead for a while takes little with it; and
// connections beyond MostConnections share a row.
//
// The file may be missing, locked by another program or damaged: every method
// then returns an error, and what was carried meanwhile is added once the file
// can be written again. A Store reads no clock, and its methods may be called
// from any goroutine.
//
// The name of the file's bucket says which form its rows have. Rows of another
// form are neither read nor removed: no release wrote any, so nobody is owed their
// translation; whoever gives released rows another form brings it along.
package usage
