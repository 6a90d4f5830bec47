package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// family begins the names of every namespace of these tests; the process ID
// follows.
const family = "cwlab"

// program is the gateway that the tests run, and lack names the capability that
// keeps them from running.
var program, lack string

// givenProgram is the variable by which these tests, run by one of them, have the gateway
// that is built.
const givenProgram = "CAUSEWAY_LAB_PROGRAM"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if lack = missing(); lack != "" {
		return m.Run()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := world.SweepDead(ctx, family); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if program = os.Getenv(givenProgram); program != "" {
		return m.Run()
	}
	directory, err := os.MkdirTemp("", "causeway-lab-program-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(directory)
	if program, err = gateway.Build(ctx, directory); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := closeMachine(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func missing() string {
	if what := world.Missing(); what != "" {
		return what
	}
	for _, command := range []string{"ping", "nft", "tcpdump"} {
		if _, err := exec.LookPath(command); err != nil {
			return "the command " + command
		}
	}
	return strongswan.Missing()
}

// require ends a test that this machine cannot run.
func require(t *testing.T) {
	t.Helper()
	requireLack(t, lack)
}

// requireLack ends a test for what the machine lacks; empty: nothing.
func requireLack(t *testing.T, lack string) {
	t.Helper()
	if lack == "" {
		return
	}
	if os.Getenv("CAUSEWAY_LAB") == "require" || os.Getenv("CI") == "true" {
		t.Fatalf("the lab lacks %s", lack)
	}
	t.Skipf("the lab lacks %s", lack)
}
