package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/test/lab/machine"
	"causeway/test/lab/roots"
	"causeway/test/lab/world"
)

// emulated is the one machine of all tests, booted for the first that wants it.
// Whoever holds the lock has it plugged in.
var emulated struct {
	sync.Mutex
	machine *machine.Machine
	dir     string
	err     error // of Boot: there is no second attempt
}

// machinePatience bounds one wait for a daemon in the machine.
const machinePatience = 100 * time.Second

// machineCases is how long the cases of one test in the machine may take together, with
// what comes after them: each has a time of its own.
const machineCases = 10 * time.Minute

// bootTimeout is generous: the machine is emulated, and others compute too.
const bootTimeout = 2 * time.Minute

// newMachineScene is newScene with an emulated machine in the place of gateway
// B, whose namespace is then empty. The machine serves one test at a time, so a
// test that has many cases for it runs them in one scene.
func newMachineScene(t *testing.T) (*scene, *machine.Guest) {
	t.Helper()
	t.Parallel()
	require(t)
	requireLack(t, machine.Missing())
	emulated.Lock()
	t.Cleanup(emulated.Unlock)
	if emulated.machine == nil && emulated.err == nil {
		emulated.err = bootMachine()
	}
	if emulated.err != nil {
		t.Fatal(emulated.err)
	}
	places.enter()
	t.Cleanup(places.leave)
	s := makeScene(t)
	s.lastFor(machineCases)
	s.patience = machinePatience
	guest, err := emulated.machine.Plug(s.ctx, s.World)
	s.must(err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := guest.Unplug(ctx); err != nil {
			t.Errorf("unplug the machine: %v; its console ends\n%s", err, world.Tail(emulated.machine.Console(), 15))
		}
	})
	return s, guest
}

func bootMachine() error {
	dir, err := os.MkdirTemp("", "cwlab-machine-")
	if err != nil {
		return err
	}
	emulated.dir = dir
	ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	emulated.machine, err = machine.Boot(ctx, fmt.Sprintf("%s-%d-machine", family, os.Getpid()), dir)
	if err != nil && emulated.dir != "" {
		err = fmt.Errorf("%w; its console ends\n%s", err, world.Tail(dir+"/machine.log", 15))
	}
	return err
}

// closeMachine ends the machine after all tests.
func closeMachine() error {
	if emulated.dir == "" {
		return nil
	}
	var err error
	if emulated.machine != nil {
		err = emulated.machine.Close()
	}
	return errors.Join(err, os.RemoveAll(emulated.dir))
}

// requireRoot ends a test whose root is not there: where the lab is required it fails.
func requireRoot(t *testing.T, root string) {
	t.Helper()
	require(t)
	requireLack(t, roots.Missing(root))
}

// TestRequiredRoots: where the lab is required a test whose root is not there fails, and
// says which; elsewhere it is skipped.
func TestRequiredRoots(t *testing.T) {
	require(t)
	for required, ends := range map[string]string{"require": "--- FAIL", "": "--- SKIP"} {
		cache := t.TempDir()
		const why = "E: no such suite"
		if err := os.WriteFile(filepath.Join(cache, roots.Forky+".lack"), []byte(why), 0o600); err != nil {
			t.Fatal(err)
		}
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^TestPerCoreStrongSwan$") // of forky
		again.Env = append(os.Environ(), "CAUSEWAY_LAB_CACHE="+cache, "CAUSEWAY_LAB="+required, "CI=", givenProgram+"="+program)
		out, err := again.CombinedOutput()
		if (err != nil) != (required != "") || !strings.Contains(string(out), ends) || !strings.Contains(string(out), "the root forky, which could not be made: "+why) {
			t.Errorf("CAUSEWAY_LAB=%q: %v\n%s", required, err, out)
		}
	}
}
