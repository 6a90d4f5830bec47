package main

import (
	"crypto/rand"
	"encoding/base64"
	"os"
)

// writeSecret makes a pre-shared key as docs/configuration.md recommends:
// random, and readable by its owner alone.
func writeSecret(path string) error {
	key := make([]byte, 24)
	_, _ = rand.Read(key) // never fails, says crypto/rand
	return os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
}
