// Package config turns a gateway's YAML file into typed, validated settings,
// and two such settings into the difference between them.
//
// Reading is strict: an unknown or doubled key, a wrong type, a value out of
// range and a setting that contradicts another are problems, all of them
// reported at once with their place in the file and with what is allowed. The
// key tables (keys_gateway.go, keys_connection.go) are the one description of
// the file: the decoder, the editor schema, the reference in
// docs/configuration.md and Compare all read them.
//
// The package knows no protocol. What an identity or a proposal may look like
// is told by the caller in Checks. It opens no socket and starts nothing; it
// reads the file, the secrets the file names, and the environment variables it
// names. Values are plain data: safe for concurrent use as long as nobody
// changes them.
package config

//go:generate go test -run ^TestGenerated$ -update .
