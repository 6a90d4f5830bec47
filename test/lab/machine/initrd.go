package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"causeway/test/lab/roots"
)

// bootModules are what the agent needs before it can reach a root.
var bootModules = []string{"virtio_net", "virtio_blk", "overlay"}

// makeInitrd builds the agent and packs it with its modules.
func makeInitrd(ctx context.Context, directory string) (string, error) {
	agent := filepath.Join(directory, "agent")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", agent, "causeway/test/lab/machine/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the agent: %w: %s", err, strings.TrimSpace(string(out)))
	}
	program, err := os.ReadFile(agent)
	if err != nil {
		return "", err
	}
	var c cpio
	for _, name := range []string{"sbin", "modules", "dev", "proc", "sys"} {
		c.add(name, fs.ModeDir|0o755, nil)
	}
	c.add("init", 0o755, program)
	c.add("sbin/modprobe", fs.ModeSymlink|0o777, []byte("/init"))
	modules, err := closure(os.DirFS(roots.Directory(kernelRoot)), bootModules)
	if err != nil {
		return "", err
	}
	for i, m := range modules {
		content, err := os.ReadFile(filepath.Join(roots.Directory(kernelRoot), m))
		if err != nil {
			return "", err
		}
		c.add(fmt.Sprintf("modules/%02d-%s", i, path.Base(m)), 0o644, content)
	}
	file := filepath.Join(directory, "initrd")
	return file, os.WriteFile(file, c.close(), 0o600)
}

// closure gives the files of the modules and of those that they depend on, in
// the order in which they can be loaded (modules.dep(5)).
func closure(root fs.FS, names []string) ([]string, error) {
	found, err := fs.Glob(root, "usr/lib/modules/*/modules.dep")
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, errors.New("the root has not one kernel's modules")
	}
	text, err := fs.ReadFile(root, found[0])
	if err != nil {
		return nil, err
	}
	needs := map[string][]string{} // by file
	files := map[string]string{}   // by name
	for line := range strings.Lines(string(text)) {
		file, rest, _ := strings.Cut(line, ":")
		name, _, _ := strings.Cut(path.Base(file), ".")
		files[name], needs[file] = file, strings.Fields(rest)
	}
	var list []string
	done := map[string]bool{}
	var load func(file string)
	load = func(file string) {
		if done[file] {
			return
		}
		done[file] = true
		for _, need := range needs[file] {
			load(need)
		}
		list = append(list, path.Join(path.Dir(found[0]), file))
	}
	for _, name := range names {
		file, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("the kernel has no module %s", name)
		}
		load(file)
	}
	return list, nil
}

// cpio is an archive as the kernel unpacks it at its start ("newc").
type cpio struct {
	b     bytes.Buffer
	inode int
}

// Types of files in an archive.
const (
	cpioDirectory = 0o040000
	cpioFile      = 0o100000
	cpioSymlink   = 0o120000
)

func (c *cpio) add(name string, mode fs.FileMode, content []byte) {
	kind := cpioFile
	switch {
	case mode.IsDir():
		kind = cpioDirectory
	case mode&fs.ModeSymlink != 0:
		kind = cpioSymlink
	}
	c.inode++
	fmt.Fprintf(&c.b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		c.inode, kind|int(mode.Perm()), 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	c.b.WriteString(name + "\x00")
	c.pad()
	c.b.Write(content)
	c.pad()
}

// pad fills up to a multiple of four bytes.
func (c *cpio) pad() {
	for c.b.Len()%4 != 0 {
		c.b.WriteByte(0)
	}
}

func (c *cpio) close() []byte {
	c.add("TRAILER!!!", 0, nil)
	return c.b.Bytes()
}
