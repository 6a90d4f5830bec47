package main

import (
	"os"
	"testing"
)

func TestResident(t *testing.T) {
	if mib, err := resident(os.Getpid()); err != nil || mib < 1 {
		t.Errorf("%v MiB, %v", mib, err)
	}
	if _, err := resident(1 << 30); err == nil {
		t.Error("a process that does not exist has memory")
	}
}
