// Package roots knows the file systems of other Debian suites that make.sh
// unpacks, each with the daemons of one or more peers, and runs their programs
// in a network namespace of this machine's kernel.
//
//	trixie            strongSwan 6.0, and the kernel of package machine
//	trixie-libreswan  libreswan 5.2
//	forky             strongSwan 6.1
//	trixie-openiked   OpenIKED 7.4
package roots

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The roots.
const (
	Trixie    = "trixie"
	Libreswan = "trixie-libreswan"
	Forky     = "forky"
	OpenIKED  = "trixie-openiked"
)

// Mount is the directory of every root that a test's files are in.
const Mount = "/lab"

// Names lists the roots.
func Names() []string { return []string{Trixie, Libreswan, Forky, OpenIKED} }

// Directory is where a root is.
func Directory(name string) string {
	cache := os.Getenv("CAUSEWAY_LAB_CACHE")
	if cache == "" {
		cache = "/var/cache/causeway-lab"
	}
	return filepath.Join(cache, name)
}

// Image is the file system of a root, for an emulated machine.
func Image(name string) string { return Directory(name) + ".ext4" }

// Missing says why a root is not there, or is empty.
func Missing(name string) string {
	why, err := os.ReadFile(Directory(name) + ".lack")
	if err == nil {
		return fmt.Sprintf("the root %s, which could not be made: %s", name, strings.TrimSpace(string(why)))
	}
	for _, path := range []string{Directory(name), Image(name)} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Sprintf("%s, which test/lab/roots/make.sh makes", path)
		}
	}
	return ""
}
