// Package linux says which kernel this is, for what the kernel itself does not tell.
package linux

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Version is that of the kernel, or zeros.
func Version() (major, minor, patch int) {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return 0, 0, 0
	}
	return parse(unix.ByteSliceToString(u.Release[:]))
}

// AtLeast tells whether the kernel is of a version or a later one.
func AtLeast(major, minor int) bool {
	a, b, _ := Version()
	return a > major || a == major && b >= minor
}

func parse(release string) (major, minor, patch int) {
	// What is not there stays 0.
	_, _ = fmt.Sscanf(release, "%d.%d.%d", &major, &minor, &patch)
	return major, minor, patch
}
